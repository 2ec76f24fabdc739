/// Which parts of a text are those of the text before.
struct Alignment {
    /// Where a part comes from.
    enum Source {
        /// It is the part of the text before at this index.
        case known(Int)
        /// It is new.
        case fresh
    }

    /// The parts of the text before that `middle` stands for; the others are the same in both texts.
    var replaced: Range<Int>
    var middle: [Source] = []
    /// The new parts in the middle, in order.
    var fresh: [Piece] = []
    /// The parts of the text before that are gone, in order.
    var removed: [Int] = []
}

/// Finds the parts of a text in its next version.
///
/// The fingerprints of their bytes decide. What moved and is not found again is decoded again.
struct Aligner {
    private let parts: Parts
    private let offsets: [Int]
    private let count: Int
    private let cutter: TextCutter
    /// The parts that may stand between the common beginning and the common end.
    private var middle = 0..<0
    private var used: [Bool] = []
    private var isSearched = false
    /// A part of the middle by the hash of its bytes. Made when an edit is more than a change, an insertion or a deletion.
    private var table: [Fingerprint: Int]?

    /// A middle of so few bytes is rather decoded than searched.
    private static let searchedBytes = 64 << 10

    init(parts: Parts, cutter: TextCutter) {
        self.parts = parts
        self.cutter = cutter
        count = parts.count
        offsets = parts.offsets
    }

    /// Aligns the texts; nil if the new one cannot be cut.
    mutating func align() -> Alignment? {
        var first = 0
        var offset = cutter.start
        while first < count, stands(first, at: offset) {
            offset += length(first)
            first += 1
        }
        var last = count
        var end = cutter.range.upperBound
        while last > first, end - length(last - 1) >= offset, isSame(last - 1, at: end - length(last - 1)) {
            last -= 1
            end -= length(last)
        }
        if let alignment = align(first..<last, offset, end) { return alignment }
        // Where the common end begins, nothing does in the new text.
        return last == count ? nil : align(first..<count, offset, cutter.range.upperBound)
    }

    /// Aligns what is between the common beginning and the common end; nil if no part ends where the latter begins.
    private mutating func align(_ middle: Range<Int>, _ start: Int, _ end: Int) -> Alignment? {
        self.middle = middle
        used = [Bool](repeating: false, count: middle.count)
        table = nil
        isSearched = end - start > Self.searchedBytes
        var alignment = Alignment(replaced: middle)
        var offset = start
        var next = middle.lowerBound
        while offset < end {
            if let index = expected(next, at: offset) ?? search(next, offset) {
                used[index - middle.lowerBound] = true
                alignment.middle.append(.known(index))
                offset += length(index)
                next = index + 1
            } else if let piece = cutter.piece(at: offset) {
                alignment.middle.append(.fresh)
                alignment.fresh.append(piece)
                offset = piece.range.upperBound
            } else {
                return nil
            }
        }
        alignment.removed = middle.filter { !used[$0 - middle.lowerBound] }
        return offset == end ? alignment : nil
    }

    private func length(_ index: Int) -> Int { offsets[index + 1] - offsets[index] }

    private func isSame(_ index: Int, at offset: Int) -> Bool {
        let end = offset + length(index)
        return offset >= 0 && end <= cutter.text.count
            && Fingerprint(cutter.text, offset..<end) == parts.fingerprint(index)
    }

    /// Whether the part is a part of the new text, too, at an offset where one begins.
    private func stands(_ index: Int, at offset: Int) -> Bool {
        isSame(index, at: offset) && cutter.isBoundary(offset + length(index), last: index == count - 1)
    }

    private func isFree(_ index: Int, at offset: Int) -> Bool {
        middle.contains(index) && !used[index - middle.lowerBound] && stands(index, at: offset)
    }

    /// The part that should be here, or the one behind it, if the former was changed or deleted.
    private func expected(_ next: Int, at offset: Int) -> Int? {
        if isFree(next, at: offset) { return next }
        return isFree(next + 1, at: offset) ? next + 1 : nil
    }

    /// Looks for the part that stands here among all of the middle.
    private mutating func search(_ next: Int, _ offset: Int) -> Int? {
        guard isSearched, !middle.isEmpty, let piece = cutter.piece(at: offset) else { return nil }
        // One part that was changed or inserted: what follows it is known.
        if expected(next, at: piece.range.upperBound) != nil { return nil }
        if table == nil { table = makeTable() }
        guard let index = table?[Fingerprint(cutter.text, piece.range)] else { return nil }
        return isFree(index, at: offset) ? index : nil
    }

    private func makeTable() -> [Fingerprint: Int] {
        var table: [Fingerprint: Int] = [:]
        table.reserveCapacity(middle.count)
        for index in middle.reversed() where !used[index - middle.lowerBound] {
            table[parts.fingerprint(index)] = index
        }
        return table
    }
}
