import Synchronization

/// The elements that the kernel has in one set, by key.
///
/// Made for a million of them: keys and values stand in one array, in as many words as the set needs, and are found
/// through a table of positions. There is no heap object for an element, and none is made by looking one up. Who asks for
/// elements in the order in which they were added finds them without the table, which costs more than all the rest: of elements
/// that are known to be different it is made when somebody asks in another order, if ever.
public struct ObservedElements: Sendable {
    private let keyWords: Int
    private let valueWords: Int
    /// Key and value of each element, one behind the other.
    private var words: [UInt64] = []
    /// A position plus one, at the hash of its key or behind it; 0 where nothing is. A power of two in size. Empty if `late` has
    /// it, or if elements are still being appended.
    private var table: [UInt32] = []
    private var late: LateTable?
    /// Where the comment of each element begins in `text`; empty as long as no element has one.
    private var comments: [UInt32] = []
    /// Comments, each with its length before it. The first byte belongs to none.
    private var text: [UInt8] = [0]
    /// How many elements there are.
    public private(set) var count = 0

    /// Makes an empty collection.
    ///
    /// - Parameters:
    ///   - keyBytes: the width of the longest key.
    ///   - valueBytes: the width of the longest value.
    public init(keyBytes: Int, valueBytes: Int) {
        keyWords = Swift.min(Swift.max(keyBytes, 8) + 7, ElementKey.capacity) / 8
        valueWords = Swift.min(valueBytes + 7, ElementKey.capacity) / 8
    }

    /// Makes an empty collection of elements of any width.
    public init() { self.init(keyBytes: ElementKey.capacity, valueBytes: ElementKey.capacity) }

    /// Takes the elements of a dictionary.
    public init(_ elements: [ElementKey: ObservedElement]) {
        self.init()
        for (key, element) in elements {
            var comment = element.comment ?? ""
            let hasComment = element.comment != nil
            comment.withUTF8 { insert(key, element.value, comment: hasComment ? UnsafeRawBufferPointer($0) : nil) }
        }
    }

    /// Whether there is none.
    public var isEmpty: Bool { count == 0 }

    /// Makes room for so many elements.
    ///
    /// - Parameter forAppending: whether they will all be appended.
    public mutating func reserveCapacity(_ capacity: Int, forAppending: Bool = false) {
        words.reserveCapacity(capacity * (keyWords + valueWords))
        if !forAppending, capacity * 3 > table.count * 2 { rebuild(capacity) }
    }

    // MARK: Reading

    /// Where the element with the key stands; nil if there is none.
    public func position(of key: ElementKey) -> Int? {
        if count == 0 { return nil }
        if !table.isEmpty { return position(of: key, table) }
        guard let late else {
            return words.withUnsafeBufferPointer { words in (0..<count).first { matches(key, words, at: $0) } }
        }
        return position(of: key, late.table(for: self))
    }

    private func position(of key: ElementKey, _ table: [UInt32]) -> Int? {
        words.withUnsafeBufferPointer { words in
            table.withUnsafeBufferPointer { table in
                var slot = key.hash(words: keyWords) & (table.count - 1)
                while table[slot] != 0 {
                    let position = Int(table[slot]) - 1
                    if matches(key, words, at: position) { return position }
                    slot = (slot + 1) & (table.count - 1)
                }
                return nil
            }
        }
    }

    /// How many places of the table are looked at to find a key: for tests of how keys spread.
    package func probes(for key: ElementKey) -> Int {
        let table = table.isEmpty ? makeTable(count) : table
        var slot = key.hash(words: keyWords) & (table.count - 1)
        var probes = 1
        while table[slot] != 0, self.key(at: Int(table[slot]) - 1) != key {
            slot = (slot + 1) & (table.count - 1)
            probes += 1
        }
        return probes
    }

    /// Where the element with the key stands, looking first behind another: elements that belong together are mostly looked up
    /// in the order in which they were read, and the table is far too large for the processor's caches.
    public func position(of key: ElementKey, behind other: Int) -> Int? {
        let next = other + 1
        if next < count, words.withUnsafeBufferPointer({ matches(key, $0, at: next) }) { return next }
        return position(of: key)
    }

    /// The element with the key; nil if there is none.
    public subscript(key: ElementKey) -> ObservedElement? { position(of: key).map { self[position: $0] } }

    /// The element at a position, 0..<count.
    public subscript(position position: Int) -> ObservedElement {
        ObservedElement(value: value(at: position), comment: comment(at: position))
    }

    /// The key of the element at a position.
    public func key(at position: Int) -> ElementKey {
        let base = position * (keyWords + valueWords)
        return ElementKey(words, from: base, count: keyWords)
    }

    /// The value of the element at a position.
    public func value(at position: Int) -> ElementKey {
        let base = position * (keyWords + valueWords) + keyWords
        return ElementKey(words, from: base, count: valueWords)
    }

    /// The comment of the element at a position; nil if it has none.
    public func comment(at position: Int) -> String? {
        commentBytes(at: position).map { String(decoding: text[$0], as: UTF8.self) }
    }

    private func commentBytes(at position: Int) -> Range<Int>? {
        guard position < comments.count, comments[position] != 0 else { return nil }
        let start = Int(comments[position])
        return start + 1..<start + 1 + Int(text[start])
    }

    /// Whether the element at a position is what an element looks like when it is observed.
    public func isEqual(at position: Int, _ element: Element) -> Bool {
        guard value(at: position) == element.observedValue else { return false }
        guard let range = commentBytes(at: position) else { return element.comment == nil }
        return element.comment.map { $0.utf8.elementsEqual(text[range]) } ?? false
    }

    private func matches(_ key: ElementKey, _ words: UnsafeBufferPointer<UInt64>, at position: Int) -> Bool {
        let base = position * (keyWords + valueWords)
        var index = 0
        while index < keyWords {
            if words[base + index] != key[word: index] { return false }
            index += 1
        }
        return true
    }

    // MARK: Writing

    /// Adds an element, or replaces the one with its key. What is wider than the set's keys and values is cut off.
    ///
    /// - Parameter comment: the text of the comment; cut off after 255 bytes.
    public mutating func insert(_ key: ElementKey, _ value: ElementKey, comment: UnsafeRawBufferPointer? = nil) {
        if (count + 1) * 3 > table.count * 2 { rebuild(count * 2 + 16) }
        let mask = table.count - 1
        var slot = key.hash(words: keyWords) & mask
        while table[slot] != 0 {
            let position = Int(table[slot]) - 1
            if words.withUnsafeBufferPointer({ matches(key, $0, at: position) }) {
                let base = position * (keyWords + valueWords) + keyWords
                for index in 0..<valueWords { words[base + index] = value[word: index] }
                note(comment, at: position)
                return
            }
            slot = (slot + 1) & mask
        }
        table[slot] = UInt32(truncatingIfNeeded: count + 1)
        add(key, value, comment)
    }

    /// Adds an element whose key no other one has. `finish` has to follow the last one.
    public mutating func append(_ key: ElementKey, _ value: ElementKey, comment: UnsafeRawBufferPointer? = nil) {
        if !table.isEmpty { table = [] }
        if late != nil { late = nil }
        add(key, value, comment)
    }

    /// Ends appending: from now on elements can be found in any order.
    public mutating func finish() {
        if table.isEmpty, late == nil, count > 0 { late = LateTable() }
    }

    private mutating func add(_ key: ElementKey, _ value: ElementKey, _ comment: UnsafeRawBufferPointer?) {
        for index in 0..<keyWords { words.append(key[word: index]) }
        for index in 0..<valueWords { words.append(value[word: index]) }
        count += 1
        if comment != nil { note(comment, at: count - 1) }
    }

    private mutating func note(_ comment: UnsafeRawBufferPointer?, at position: Int) {
        guard let comment else {
            if position < comments.count { comments[position] = 0 }
            return
        }
        while comments.count <= position { comments.append(0) }
        comments[position] = UInt32(truncatingIfNeeded: text.count)
        text.append(UInt8(clamping: comment.count))
        text.append(contentsOf: comment.prefix(255))
    }

    private mutating func rebuild(_ capacity: Int) {
        table = makeTable(capacity)
        late = nil
    }

    private func makeTable(_ capacity: Int) -> [UInt32] {
        var size = 16
        while size * 2 < capacity * 3 { size *= 2 }
        var table = [UInt32](repeating: 0, count: size)
        for position in 0..<count {
            var slot = key(at: position).hash(words: keyWords) & (size - 1)
            while table[slot] != 0 { slot = (slot + 1) & (size - 1) }
            table[slot] = UInt32(truncatingIfNeeded: position + 1)
        }
        return table
    }

    /// A table that is made when it is needed first, for all copies of the same elements.
    private final class LateTable: Sendable {
        private let table = Mutex<[UInt32]>([])

        func table(for elements: ObservedElements) -> [UInt32] {
            table.withLock { table in
                if table.isEmpty { table = elements.makeTable(elements.count) }
                return table
            }
        }
    }
}

extension ElementKey {
    /// A hash of the first words, another one in each process: whoever may name addresses and ports could otherwise choose them
    /// so that many keys come to stand in one place of a table, and searching it would take quadratic time. (The standard
    /// library's hash is SipHash under a random key.)
    func hash(words count: Int) -> Int {
        var hasher = Hasher()
        withUnsafeBytes(of: words) { hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: $0[..<(count * 8)])) }
        return hasher.finalize()
    }

    fileprivate init(_ words: [UInt64], from base: Int, count: Int) {
        self.init()
        var index = 0
        while index < count {
            self[word: index] = words[base + index]
            index += 1
        }
    }
}

extension ObservedElements: Sequence, ExpressibleByDictionaryLiteral {
    /// Takes elements by key; the last one of a key counts.
    public init(dictionaryLiteral elements: (ElementKey, ObservedElement)...) {
        self.init(Dictionary(elements) { $1 })
    }

    /// The elements in no particular order.
    public func makeIterator() -> some IteratorProtocol<(key: ElementKey, value: ObservedElement)> {
        (0..<count).lazy.map { (key: key(at: $0), value: self[position: $0]) }.makeIterator()
    }

    /// The keys in no particular order.
    public var keys: some Sequence<ElementKey> { (0..<count).lazy.map { key(at: $0) } }
}

extension ObservedElements: Hashable {
    /// Equal elements, in whatever order they were added.
    public static func == (lhs: Self, rhs: Self) -> Bool {
        lhs.count == rhs.count && lhs.allSatisfy { rhs[$0.key] == $0.value }
    }

    /// Hashes the number of elements: nothing else is the same in any order.
    public func hash(into hasher: inout Hasher) { hasher.combine(count) }
}
