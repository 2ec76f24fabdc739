import NetworkTypes

/// Guesses at the keys that a set has, in runs: each run is true up to some point of it, and false from there on.
///
/// The kernel dumps a set in messages, and walks the set from its beginning for each: the time grows with the square of
/// the number of elements. By key it finds an element at once. So large sets are read by guessing; that nothing was
/// missed follows from the number of elements that the kernel gives for the set.
public struct KeyRuns: Sendable {
    private let keyWords: Int
    private var words: [UInt64] = []
    private var ends: [Int] = []
    /// The number of keys.
    public private(set) var count = 0

    /// Makes an empty list for a set whose keys have so many bytes.
    public init(keyBytes: Int) { keyWords = min(max(keyBytes, 8) + 7, ElementKey.capacity) / 8 }

    /// Makes room for so many keys.
    public mutating func reserveCapacity(_ capacity: Int) { words.reserveCapacity(capacity * keyWords) }

    /// Adds a key to the run that was begun last.
    public mutating func append(_ key: ElementKey) {
        for index in 0..<keyWords { words.append(key[word: index]) }
        count += 1
    }

    /// Ends a run; the next key begins another one.
    public mutating func endRun() {
        if count > ends.last ?? 0 { ends.append(count) }
    }

    /// The key at a position, 0..<count.
    public subscript(position: Int) -> ElementKey {
        var key = ElementKey()
        for index in 0..<keyWords { key[word: index] = words[position * keyWords + index] }
        return key
    }

    /// Whether no key is there twice.
    ///
    /// Sorted are hashes, a few bits at a time: to find each key in a table would cost ten times as much. Different keys with
    /// equal hashes, one case in many billions, count as the same.
    public var areDifferent: Bool {
        var hashes: [UInt64] = []
        hashes.reserveCapacity(count)
        for position in 0..<count { hashes.append(UInt64(truncatingIfNeeded: self[position].hash(words: keyWords))) }
        var sorted = hashes
        for shift in stride(from: UInt64(0), to: 33, by: 11) {
            var starts = [Int](repeating: 0, count: 1 << 11 + 1)
            for hash in hashes { starts[Int(hash >> shift & 0x7FF) + 1] += 1 }
            for digit in 1..<starts.count { starts[digit] += starts[digit - 1] }
            for hash in hashes {
                let digit = Int(hash >> shift & 0x7FF)
                sorted[starts[digit]] = hash
                starts[digit] += 1
            }
            swap(&hashes, &sorted)
        }
        // Sorted by their lowest 33 bits only: few have those in common.
        var start = 0
        for index in hashes.indices.dropFirst() {
            if (hashes[index] ^ hashes[start]) & 0x1_FFFF_FFFF != 0 { start = index }
            for other in start..<index where hashes[other] == hashes[index] { return false }
        }
        return true
    }

    /// The first position behind the run that holds a position.
    ///
    /// - Parameter run: the number of a run that is not behind it; becomes the number of the run.
    public func end(of position: Int, run: inout Int) -> Int {
        while run < ends.count, ends[run] <= position { run += 1 }
        return run < ends.count ? ends[run] : count
    }
}

/// Which sets are worth reading by key, and which keys to try.
public struct ElementGuesses: Sendable {
    /// Adds guesses for a set of a family's table, of which all other sets and those before it have been read.
    ///
    /// The number is that of the round: 0 at first, and one more as long as elements are missing and there were guesses.
    public typealias Guess = @Sendable (IPFamily, SetID, Int, ObservedTable, inout KeyRuns) -> Void

    /// The sets, in the order in which they are to be read.
    public var sets: [SetID]
    /// Those of them for which the guesses of round 0 can do without what was read: they can be read at any time.
    public var independent: [SetID]
    /// Guesses.
    public var guess: Guess

    /// Makes guesses.
    public init(
        sets: [SetID] = [], independent: [SetID] = [], guess: @escaping Guess = { _, _, _, _, _ in }
    ) {
        self.sets = sets
        self.independent = independent
        self.guess = guess
    }
}
