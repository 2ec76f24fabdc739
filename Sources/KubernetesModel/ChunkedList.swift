/// A list that grows in pieces: unlike an array, which doubles, it leaves room for a few hundred elements at the most, and never
/// copies those that it has.
package struct ChunkedList<Element: Sendable>: Sendable, RandomAccessCollection, MutableCollection {
    /// Elements in a piece, as a power of two.
    @inlinable static var shift: Int { 8 }
    @inlinable static var size: Int { 1 << shift }

    /// Full but for the last one.
    @usableFromInline var chunks: [[Element]] = []
    @usableFromInline var total = 0

    /// Makes an empty list.
    @inlinable package init() {}

    /// How many elements there are.
    @inlinable package var count: Int { total }

    /// 0.
    @inlinable package var startIndex: Int { 0 }
    /// The number of elements.
    @inlinable package var endIndex: Int { total }

    /// The element at a position. It is changed in place.
    @inlinable package subscript(position: Int) -> Element {
        _read { yield chunks[position >> Self.shift][position & (Self.size - 1)] }
        _modify { yield &chunks[position >> Self.shift][position & (Self.size - 1)] }
    }

    /// Adds an element at the end.
    @inlinable package mutating func append(_ element: Element) {
        if total & (Self.size - 1) == 0 {
            chunks.append([])
            // A small list may stay one.
            if total > 0 { chunks[chunks.count - 1].reserveCapacity(Self.size) }
        }
        chunks[chunks.count - 1].append(element)
        total += 1
    }
}
