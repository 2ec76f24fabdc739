/// Counts by key, for a million keys: 32 to 64 bytes for each IPv4 endpoint, and no heap object.
public struct KeyCounts: Sendable {
    private let keyWords: Int
    /// Places of a key and its count each. A place without a count is free. The number of places is a power of two.
    private var words: [UInt64] = []
    private var mask = -1
    /// Of no meaning: a read of memory that nothing depended on would be left out.
    private var fetched: UInt64 = 0
    /// How many keys have a count.
    public private(set) var count = 0

    private var stride: Int { keyWords + 1 }

    /// Makes an empty collection of keys with at most so many bytes.
    public init(keyBytes: Int) { keyWords = min(max(keyBytes, 8) + 7, ElementKey.capacity) / 8 }

    /// Makes room for so many keys, so that the places need not be recreated while they come.
    public mutating func reserveCapacity(_ capacity: Int) {
        var places = 16
        while places * 3 < capacity * 4 { places *= 2 }
        if places > mask + 1 { grow(to: places) }
    }

    /// The count of a key.
    public subscript(key: ElementKey) -> Int {
        if count == 0 { return 0 }
        return Int(words[place(of: key) * stride + keyWords])
    }

    /// Counts a key once more. Returns how often it has been counted now.
    public mutating func increment(_ key: ElementKey) -> Int {
        if (count + 1) * 4 > (mask + 1) * 3 { grow(to: max(16, (mask + 1) * 2)) }
        let base = place(of: key) * stride
        if words[base + keyWords] == 0 {
            for index in 0..<keyWords { words[base + index] = key[word: index] }
            count += 1
        }
        words[base + keyWords] += 1
        return Int(words[base + keyWords])
    }

    /// Has the processor fetch the places of keys that are about to be counted: for all of them together it waits little longer
    /// than for one, and memory is what counting a key waits for.
    public mutating func fetch(_ keys: Range<Int>, _ key: (Int) -> ElementKey) {
        if count == 0 { return }
        var sum: UInt64 = 0
        words.withUnsafeBufferPointer { words in
            for index in keys { sum &+= words[(key(index).hash(words: keyWords) & mask) * stride + keyWords] }
        }
        fetched &+= sum
    }

    /// Counts a key once less. Returns how often it still is; nil if it was not counted at all.
    public mutating func decrement(_ key: ElementKey) -> Int? {
        if count == 0 { return nil }
        let place = place(of: key)
        let index = place * stride + keyWords
        if words[index] == 0 { return nil }
        words[index] -= 1
        if words[index] > 0 { return Int(words[index]) }
        count -= 1
        close(place)
        return 0
    }

    /// The place of a key, or the one that is free for it.
    private func place(of key: ElementKey) -> Int {
        words.withUnsafeBufferPointer { words in
            var place = key.hash(words: keyWords) & mask
            while true {
                let base = place * stride
                if words[base + keyWords] == 0 { return place }
                var index = 0
                while index < keyWords, words[base + index] == key[word: index] { index += 1 }
                if index == keyWords { return place }
                place = (place + 1) & mask
            }
        }
    }

    /// How many places are looked at to find a key: for tests of how keys spread.
    package func probes(for key: ElementKey) -> Int {
        count == 0 ? 0 : (place(of: key) - key.hash(words: keyWords)) & mask + 1
    }

    /// Moves keys back that stand behind a place that has become free and would not be found over the gap.
    private mutating func close(_ place: Int) {
        var free = place
        var next = (place + 1) & mask
        while words[next * stride + keyWords] != 0 {
            let home = key(at: next).hash(words: keyWords) & mask
            if (next - home) & mask >= (next - free) & mask {
                for index in 0..<stride { words[free * stride + index] = words[next * stride + index] }
                words[next * stride + keyWords] = 0
                free = next
            }
            next = (next + 1) & mask
        }
    }

    private func key(at place: Int) -> ElementKey {
        var key = ElementKey()
        for index in 0..<keyWords { key[word: index] = words[place * stride + index] }
        return key
    }

    private mutating func grow(to newPlaces: Int) {
        let old = words
        let places = mask + 1
        mask = newPlaces - 1
        words = [UInt64](repeating: 0, count: (mask + 1) * stride)
        for position in 0..<places where old[position * stride + keyWords] != 0 {
            var key = ElementKey()
            for index in 0..<keyWords { key[word: index] = old[position * stride + index] }
            let base = place(of: key) * stride
            for index in 0..<stride { words[base + index] = old[position * stride + index] }
        }
    }
}
