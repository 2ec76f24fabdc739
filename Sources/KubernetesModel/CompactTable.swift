/// What a `CompactTable` holds.
package protocol CompactTableEntry: Sendable {
    /// What the entry is found by.
    associatedtype Key: Hashable

    /// What the entry is found by; part of the entry.
    var key: Key { get }
}

/// Entries that are found by a key which is part of them: as a dictionary, in less than half its memory.
package struct CompactTable<Entry: CompactTableEntry>: Sendable {
    // An entry keeps its place until it is removed; then the place is used again.
    @usableFromInline var places = ChunkedList<Entry?>()
    @usableFromInline var vacant: [Int32] = []
    @usableFromInline var index = PositionIndex()

    /// Makes an empty table.
    @inlinable package init() {}

    /// How many entries there are.
    @inlinable package var count: Int { index.count }

    /// The entries, in no particular order.
    @inlinable package var values: some Sequence<Entry> { places.lazy.compactMap { $0 } }

    /// Makes room for so many entries.
    @inlinable package mutating func reserveCapacity(_ capacity: Int) { index.reserveCapacity(capacity) }

    /// The entry with a key. One that is set has that key.
    @inlinable package subscript(key: Entry.Key) -> Entry? {
        get {
            guard let position = position(of: key, PositionIndex.hash(key)) else { return nil }
            return places[position]
        }
        set {
            let hash = PositionIndex.hash(key)
            if let position = position(of: key, hash) {
                places[position] = newValue
                if newValue == nil { release(position, hash) }
            } else if let newValue {
                index.insert(take(newValue), hash)
            }
        }
    }

    /// Takes an entry out: who has it then is its only owner.
    @inlinable package mutating func removeValue(forKey key: Entry.Key) -> Entry? {
        let hash = PositionIndex.hash(key)
        guard let position = position(of: key, hash) else { return nil }
        let entry = places[position]
        places[position] = nil
        release(position, hash)
        return entry
    }

    @inlinable func position(of key: Entry.Key, _ hash: UInt32) -> Int? {
        index.position(hash) { places[$0]?.key == key }
    }

    @inlinable mutating func take(_ entry: Entry) -> Int {
        if let position = vacant.popLast() {
            places[Int(position)] = entry
            return Int(position)
        }
        places.append(entry)
        return places.count - 1
    }

    @inlinable mutating func release(_ position: Int, _ hash: UInt32) {
        index.remove(position, hash)
        vacant.append(Int32(truncatingIfNeeded: position))
    }
}
