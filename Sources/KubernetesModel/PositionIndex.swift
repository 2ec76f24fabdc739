/// Where things stand in a list, by the hash of what they are found by.
///
/// A dictionary holds a copy of each key, and room for up to 2.7 of them; this takes 11 to 16 bytes for each thing, whatever its key is.
/// Whoever has the list says whether what was found is what was meant: different keys may have the same hash.
package struct PositionIndex: Sendable {
    /// A position, one more, in the lower half, its hash in the upper one; 0 where nothing is. What is not where its hash says stands
    /// behind that, without a gap.
    private var places: [UInt64] = []
    /// How many positions there are.
    package private(set) var count = 0

    /// Makes an empty index.
    package init() {}

    /// What stands for a key; another one in each process, so that nobody can choose keys which have the same.
    @inlinable package static func hash(_ key: some Hashable) -> UInt32 {
        var hasher = Hasher()
        hasher.combine(key)
        return UInt32(truncatingIfNeeded: hasher.finalize())
    }

    /// Makes room for so many positions.
    package mutating func reserveCapacity(_ capacity: Int) {
        let needed = capacity + capacity / 3 + 1
        if needed > places.count { grow(to: needed) }
    }

    /// The first position with the hash that is the right one; nil if there is none.
    package func position(_ hash: UInt32, where isRight: (Int) -> Bool) -> Int? {
        guard let place = place(hash, where: isRight) else { return nil }
        return Self.position(places[place])
    }

    /// Adds a position.
    package mutating func insert(_ position: Int, _ hash: UInt32) {
        if (count + 1) * 4 > places.count * 3 { grow(to: max(8, places.count + places.count / 2)) }
        put(UInt64(hash) << 32 | UInt64(truncatingIfNeeded: position + 1))
        count += 1
    }

    /// Removes a position; one with the hash has to be there.
    package mutating func remove(_ position: Int, _ hash: UInt32) {
        guard let place = place(hash, where: { $0 == position }) else { return }
        count -= 1
        places[place] = 0
        // What stands behind and would not be found over the gap moves back.
        var free = place
        var current = next(place)
        while places[current] != 0 {
            if distance(home(places[current]), current) >= distance(free, current) {
                places[free] = places[current]
                places[current] = 0
                free = current
            }
            current = next(current)
        }
    }

    /// How many places are looked at to find a position: for tests of how they spread.
    package func probes(_ position: Int, _ hash: UInt32) -> Int {
        place(hash) { $0 == position }.map { distance(home(UInt64(hash) << 32), $0) + 1 } ?? 0
    }

    private static func position(_ entry: UInt64) -> Int { Int(entry & 0xFFFF_FFFF) - 1 }

    private func place(_ hash: UInt32, where isRight: (Int) -> Bool) -> Int? {
        if places.isEmpty { return nil }
        var place = home(UInt64(hash) << 32)
        while places[place] != 0 {
            if places[place] >> 32 == UInt64(hash), isRight(Self.position(places[place])) { return place }
            place = next(place)
        }
        return nil
    }

    /// Where the search begins: places in proportion to the hash, however many there are.
    private func home(_ entry: UInt64) -> Int { Int(((entry >> 32) * UInt64(places.count)) >> 32) }

    private func next(_ place: Int) -> Int { place + 1 == places.count ? 0 : place + 1 }

    private func distance(_ from: Int, _ to: Int) -> Int { to >= from ? to - from : to - from + places.count }

    private mutating func put(_ entry: UInt64) {
        var place = home(entry)
        while places[place] != 0 { place = next(place) }
        places[place] = entry
    }

    private mutating func grow(to size: Int) {
        let old = places
        places = [UInt64](repeating: 0, count: size)
        for entry in old where entry != 0 { put(entry) }
    }
}
