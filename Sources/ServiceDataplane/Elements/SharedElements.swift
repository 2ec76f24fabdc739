import Netfilter
import NetworkTypes

/// Elements that several Services can call for; each is in the kernel as long as one does.
struct SharedElements {
    /// The sets that such elements are in.
    static let sets: [SetID] = [
        .frontendAddresses, .clusterIPs, .externalAddresses, .backends, .localBackends, .hairpin,
    ]

    /// How many Service ports call for each element, at twice the index of its set's identity, one more for IPv6.
    private var counts: [KeyCounts?] = []

    private static func index(_ family: IPFamily, _ set: SetID) -> Int {
        2 * Int(set.rawValue) + (family == .ipv4 ? 0 : 1)
    }

    /// Makes room for so many elements of a set.
    mutating func reserve(_ family: IPFamily, _ set: SetID, _ count: Int) {
        counts(at: Self.index(family, set), Self.keyBytes(set, family))
        counts[Self.index(family, set)]?.reserveCapacity(count)
    }

    private mutating func counts(at index: Int, _ keyBytes: Int) {
        while counts.count <= index { counts.append(nil) }
        if counts[index] == nil { counts[index] = KeyCounts(keyBytes: keyBytes) }
    }

    /// Notes a call. True if it is the first one: the element has to come.
    ///
    /// In a round of changes all calls are noted before any is withdrawn, so that an element which one Service gives up
    /// and another takes on never leaves.
    mutating func call(_ family: IPFamily, _ set: SetID, _ key: ElementKey) -> Bool {
        let index = Self.index(family, set)
        counts(at: index, Self.keyBytes(set, family))
        return counts[index]?.increment(key) == 1
    }

    /// Calls for these elements will follow.
    mutating func expect(_ family: IPFamily, _ set: SetID, _ keys: Range<Int>, _ key: (Int) -> ElementKey) {
        let index = Self.index(family, set)
        if index < counts.count { counts[index]?.fetch(keys, key) }
    }

    /// Withdraws a call. True if it was the last one: the element has to go.
    mutating func withdraw(_ family: IPFamily, _ set: SetID, _ key: ElementKey) -> Bool {
        let index = Self.index(family, set)
        guard index < counts.count, counts[index] != nil else { return false }
        return counts[index]?.decrement(key) == 0
    }

    /// The width of the keys: an endpoint, an address, or an address twice.
    private static func keyBytes(_ set: SetID, _ family: IPFamily) -> Int {
        let address = family.addressBits / 8
        return set == .hairpin ? 2 * address : address + 8
    }
}
