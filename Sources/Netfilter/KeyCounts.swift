/// Counts by key, for a million keys: without a heap object for each, 10 to 15 bytes for an IPv4 endpoint.
///
/// Keys that look like `address . protocol . port` are packed: they take one word in IPv4 and three in IPv6, with the count in bits that
/// such keys leave free. Other keys of these widths, and what goes beyond 255, are kept beside; keys of other widths take as many words
/// as they have, and one for the count.
public struct KeyCounts: Sendable {
    private enum Form {
        /// One word: 32 bits of address, 8 of protocol, 16 of port, 8 of count.
        case ipv4
        /// Three words: the address, then 8 bits of protocol, 24 free ones, 16 of port, 8 free ones and 8 of count.
        case ipv6
        /// As many words as keys have, and one for the count.
        case whole(Int)
    }

    private let form: Form
    /// How many words a place has. The count is in the lowest bits of the last one.
    private let stride: Int
    /// The bits of a place's last word that are the count.
    private let countMask: UInt64
    /// Places of a key and its count each. A place without a count is free.
    private var words: [UInt64] = []
    private var places = 0
    /// Places that have a count.
    private var used = 0
    /// The counts of keys that cannot be packed, and what the packed ones have beyond 255.
    private var others: [ElementKey: Int] = [:]
    /// How many of `others` have no place.
    private var unpacked = 0
    /// Of no meaning: a read of memory that nothing depended on would be left out.
    private var fetched: UInt64 = 0

    /// How many keys have a count.
    public var count: Int { used + unpacked }

    /// Makes an empty collection of keys with at most so many bytes.
    public init(keyBytes: Int) {
        let keyWords = min(max(keyBytes, 8) + 7, ElementKey.capacity) / 8
        (form, stride, countMask) =
            switch keyBytes {
            case 12: (.ipv4, 1, 0xFF)
            case 24: (.ipv6, 3, 0xFF)
            default: (.whole(keyWords), keyWords + 1, .max)
            }
    }

    /// Makes room for so many keys, so that the places need not be recreated while they come.
    public mutating func reserveCapacity(_ capacity: Int) {
        let needed = max(16, capacity + capacity / 3 + 1)
        if needed > places { grow(to: needed) }
    }

    /// The count of a key.
    public subscript(key: ElementKey) -> Int {
        guard let packed = packed(key) else { return others[key] ?? 0 }
        if used == 0 { return 0 }
        let count = Int(words[place(of: packed) * stride + stride - 1] & countMask)
        return others.isEmpty ? count : count + (others[key] ?? 0)
    }

    /// Counts a key once more. Returns how often it has been counted now.
    public mutating func increment(_ key: ElementKey) -> Int {
        guard let packed = packed(key) else {
            let count = others[key, default: 0] + 1
            others[key] = count
            if count == 1 { unpacked += 1 }
            return count
        }
        if (used + 1) * 4 > places * 3 { grow(to: max(16, places + places / 2)) }
        let last = place(of: packed) * stride + stride - 1
        let count = words[last] & countMask
        if count == 0 {
            for index in 0..<stride - 1 { words[last + 1 - stride + index] = packed[word: index] }
            words[last] = countMask == .max ? 0 : packed[word: stride - 1]
            used += 1
        }
        guard count < countMask else {
            others[key, default: 0] += 1
            return Int(count) + (others[key] ?? 0)
        }
        words[last] += 1
        return Int(count) + 1
    }

    /// Has the processor fetch the places of keys that are about to be counted: for all of them together it waits little longer
    /// than for one, and memory is what counting a key waits for.
    public mutating func fetch(_ keys: Range<Int>, _ key: (Int) -> ElementKey) {
        if used == 0 { return }
        var sum: UInt64 = 0
        words.withUnsafeBufferPointer { words in
            for index in keys {
                if let packed = packed(key(index)) { sum &+= words[home(of: packed) * stride] }
            }
        }
        fetched &+= sum
    }

    /// Counts a key once less. Returns how often it still is; nil if it was not counted at all.
    public mutating func decrement(_ key: ElementKey) -> Int? {
        guard let packed = packed(key) else {
            guard let count = others[key] else { return nil }
            others[key] = count == 1 ? nil : count - 1
            if count == 1 { unpacked -= 1 }
            return count - 1
        }
        if used == 0 { return nil }
        let place = place(of: packed)
        let last = place * stride + stride - 1
        let count = Int(words[last] & countMask)
        if count == 0 { return nil }
        if !others.isEmpty, let more = others[key] {
            others[key] = more == 1 ? nil : more - 1
            return count + more - 1
        }
        words[last] -= 1
        if count > 1 { return count - 1 }
        used -= 1
        close(place)
        return 0
    }

    /// How many places are looked at to find a key: for tests of how keys spread.
    package func probes(for key: ElementKey) -> Int {
        guard used > 0, let packed = packed(key) else { return 0 }
        return (place(of: packed) - home(of: packed) + places) % places + 1
    }

    // MARK: Places

    /// The words of a key's place, without a count; nil if the key does not fit.
    private func packed(_ key: ElementKey) -> ElementKey? {
        switch form {
        case .ipv4:
            let (first, second) = (key[word: 0], key[word: 1])
            let isOther = (first & 0xFF_FFFF) | (second & 0xFFFF_FFFF_FFFF) | key[word: 2] | key[word: 3] | key[word: 4]
            if isOther != 0 { return nil }
            var packed = ElementKey()
            packed[word: 0] = first | second >> 40
            return packed
        case .ipv6:
            let isOther = (key[word: 2] & 0x00FF_FFFF_0000_FFFF) | key[word: 3] | key[word: 4]
            return isOther == 0 ? key : nil
        case .whole:
            return key
        }
    }

    /// Where the search for a key begins.
    private func home(of packed: ElementKey) -> Int {
        let words: Int
        if case .whole(let count) = form { words = count } else { words = stride }
        // The upper half of the product: places in proportion to the hash, however many there are.
        let hash = UInt64(truncatingIfNeeded: packed.hash(words: words))
        return Int(truncatingIfNeeded: hash.multipliedFullWidth(by: UInt64(truncatingIfNeeded: places)).high)
    }

    /// The place of a key, or the one that is free for it.
    private func place(of packed: ElementKey) -> Int {
        words.withUnsafeBufferPointer { words in
            var place = home(of: packed)
            while true {
                let base = place * stride
                let last = words[base + stride - 1]
                if last & countMask == 0 { return place }
                var index = 0
                while index < stride - 1, words[base + index] == packed[word: index] { index += 1 }
                if index == stride - 1, countMask == .max || last & ~countMask == packed[word: index] { return place }
                place += 1
                if place == places { place = 0 }
            }
        }
    }

    /// Moves keys back that stand behind a place that has become free and would not be found over the gap.
    private mutating func close(_ place: Int) {
        func next(_ place: Int) -> Int { place + 1 == places ? 0 : place + 1 }
        func distance(_ from: Int, _ to: Int) -> Int { to >= from ? to - from : to - from + places }
        var free = place
        var current = next(place)
        while words[current * stride + stride - 1] & countMask != 0 {
            if distance(home(of: key(at: current, in: words)), current) >= distance(free, current) {
                for index in 0..<stride { words[free * stride + index] = words[current * stride + index] }
                words[current * stride + stride - 1] = 0
                free = current
            }
            current = next(current)
        }
    }

    /// The key at a place, as `packed` makes it.
    private func key(at place: Int, in words: [UInt64]) -> ElementKey {
        var key = ElementKey()
        for index in 0..<stride - 1 { key[word: index] = words[place * stride + index] }
        if countMask != .max { key[word: stride - 1] = words[place * stride + stride - 1] & ~countMask }
        return key
    }

    private mutating func grow(to newPlaces: Int) {
        let (old, oldPlaces) = (words, places)
        places = newPlaces
        words = [UInt64](repeating: 0, count: places * stride)
        for position in 0..<oldPlaces where old[position * stride + stride - 1] & countMask != 0 {
            let base = place(of: key(at: position, in: old)) * stride
            for index in 0..<stride { words[base + index] = old[position * stride + index] }
        }
    }
}
