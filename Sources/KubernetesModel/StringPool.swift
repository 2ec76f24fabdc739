/// Equal strings of one load share their storage: 100,000 endpoints name the same few hundred nodes and zones.
///
/// A direct-mapped cache rather than a set: bounded, and a miss costs one allocation, as without it.
package struct StringPool: Sendable {
    /// Enough for the names of the nodes of a large cluster.
    package static let usualCapacity = 4096
    /// Up to this length a Swift string needs no allocation.
    private static let inlineLength = 15

    private let capacity: Int
    private var slots: [String] = []

    /// Makes an empty pool; it takes its memory with the first long string.
    package init(capacity: Int = usualCapacity) { self.capacity = max(capacity, 1) }

    /// The string with these bytes; what is not UTF-8 is replaced by U+FFFD.
    package mutating func string(_ bytes: UnsafeRawBufferPointer) -> String {
        if bytes.count <= Self.inlineLength { return String(decoding: bytes, as: UTF8.self) }
        if slots.isEmpty { slots = [String](repeating: "", count: capacity) }
        let slot = Int(truncatingIfNeeded: bytes.mixed % UInt64(capacity))
        if slots[slot].hasBytes(bytes) { return slots[slot] }
        let string = String(decoding: bytes, as: UTF8.self)
        slots[slot] = string
        return string
    }
}

extension UnsafeRawBufferPointer {
    /// A number that differs for most different texts, and in each process: nobody can choose texts that have the same one, to
    /// make a cache of no use.
    package var mixed: UInt64 {
        var hasher = Hasher()
        hasher.combine(bytes: self)
        return UInt64(truncatingIfNeeded: hasher.finalize())
    }

    /// Whether the bytes are the same.
    package func hasBytes(_ other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        var offset = 0
        while count - offset >= 8 {
            let word = loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            if word != other.loadUnaligned(fromByteOffset: offset, as: UInt64.self) { return false }
            offset += 8
        }
        while offset < count {
            if self[offset] != other[offset] { return false }
            offset += 1
        }
        return true
    }
}

extension String {
    /// Whether the text is these bytes.
    fileprivate func hasBytes(_ bytes: UnsafeRawBufferPointer) -> Bool {
        utf8.withContiguousStorageIfAvailable { UnsafeRawBufferPointer($0).hasBytes(bytes) } ?? false
    }
}
