import Netfilter
import NetworkTypes

/// Takes what changes: elements that come and elements that go, in the order of the Services.
public protocol ElementSink {
    /// An element comes. It may be in the kernel already.
    mutating func add(_ family: IPFamily, _ set: SetID, _ element: Element)
    /// An element goes.
    mutating func remove(_ family: IPFamily, _ set: SetID, _ element: Element)
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

/// What changes in both tables.
public struct FamilyDeltas: ElementSink, Sendable {
    private var ipv4 = TableDelta()
    private var ipv6 = TableDelta()

    /// No change.
    public init() {}

    /// What changes in the table of a family.
    public subscript(family: IPFamily) -> TableDelta {
        get { family == .ipv4 ? ipv4 : ipv6 }
        _modify { if family == .ipv4 { yield &ipv4 } else { yield &ipv6 } }
    }

    /// Whether nothing changes.
    public var isEmpty: Bool { ipv4.isEmpty && ipv6.isEmpty }

    /// An element comes.
    public mutating func add(_ family: IPFamily, _ set: SetID, _ element: Element) { self[family].add(set, element) }

    /// An element goes.
    public mutating func remove(_ family: IPFamily, _ set: SetID, _ element: Element) {
        self[family].remove(set, element)
    }
}
