import Netfilter
import NetworkTypes

/// Elements that several Services can call for; each is in the kernel as long as one does.
struct SharedElements {
    /// The sets that such elements are in.
    static let sets: [SetID] = [.clusterIPs, .externalAddresses, .backends, .localBackends, .hairpin]

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

/// The elements that a change adds to and removes from one table. A changed element is in both.
public struct TableDelta: Sendable {
    /// Elements to add, at the index of their set's identity.
    private var additions: [[Element]] = []
    /// Elements to remove, likewise.
    private var removals: [[Element]] = []

    /// No change.
    public init() {}

    /// Whether nothing changes.
    public var isEmpty: Bool { additions.isEmpty && removals.isEmpty }

    /// Whether elements are added.
    var hasAdditions: Bool { !additions.isEmpty }

    /// How many elements are added.
    var additionCount: Int { additions.reduce(0) { $0 + $1.count } }

    /// Whether elements are removed.
    var hasRemovals: Bool { !removals.isEmpty }

    /// The elements to add, by set.
    public var added: [SetID: [Element]] { Self.bySet(additions) }

    /// The elements to remove, by set.
    public var removed: [SetID: [Element]] { Self.bySet(removals) }

    /// Calls the body for each set that has elements to add.
    func forEachAdded(_ body: (SetID, [Element]) -> Void) { Self.forEach(additions, body) }

    /// Calls the body for each set that has elements to remove.
    func forEachRemoved(_ body: (SetID, [Element]) -> Void) { Self.forEach(removals, body) }

    private static func forEach(_ lists: [[Element]], _ body: (SetID, [Element]) -> Void) {
        for (index, elements) in lists.enumerated() where !elements.isEmpty { body(SetID(UInt16(index)), elements) }
    }

    /// The elements to add to a set.
    func added(to set: SetID) -> [Element] { Self.list(set, additions) }

    /// The elements to remove from a set.
    func removed(from set: SetID) -> [Element] { Self.list(set, removals) }

    private static func list(_ set: SetID, _ lists: [[Element]]) -> [Element] {
        Int(set.rawValue) < lists.count ? lists[Int(set.rawValue)] : []
    }

    mutating func add(_ set: SetID, _ elements: [Element]) { Self.append(elements, set, to: &additions) }

    mutating func remove(_ set: SetID, _ elements: [Element]) { Self.append(elements, set, to: &removals) }

    private static func append(_ elements: [Element], _ set: SetID, to lists: inout [[Element]]) {
        let index = Int(set.rawValue)
        if index >= lists.count { lists += Array(repeating: [], count: max(index + 1, 32) - lists.count) }
        if lists[index].isEmpty { lists[index] = elements } else { lists[index] += elements }
    }

    mutating func add(_ set: SetID, _ element: Element) { Self.append(element, set, to: &additions) }

    mutating func remove(_ set: SetID, _ element: Element) { Self.append(element, set, to: &removals) }

    private static func append(_ element: Element, _ set: SetID, to lists: inout [[Element]]) {
        let index = Int(set.rawValue)
        if index >= lists.count { lists += Array(repeating: [], count: max(index + 1, 32) - lists.count) }
        lists[index].append(element)
    }

    private static func bySet(_ lists: [[Element]]) -> [SetID: [Element]] {
        var result: [SetID: [Element]] = [:]
        for (index, elements) in lists.enumerated() where !elements.isEmpty {
            result[SetID(UInt16(index))] = elements
        }
        return result
    }
}
