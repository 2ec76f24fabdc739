import Netfilter
import NetworkTypes

/// Elements that several Services can call for; each is in the kernel as long as one does.
struct SharedElements {
    /// How many Service ports call for each element, by set.
    private var counts: [SetID: [ElementKey: UInt32]] = [:]

    /// Notes a call. True if it is the first one: the element has to come.
    ///
    /// In a round of changes all calls are noted before any is withdrawn, so that an element which one Service gives up
    /// and another takes on never leaves.
    mutating func call(_ set: SetID, _ key: ElementKey) -> Bool {
        Self.increment(&counts[set, default: [:]][key, default: 0]) == 1
    }

    /// In place, so that the key is hashed once.
    private static func increment(_ count: inout UInt32) -> UInt32 {
        count += 1
        return count
    }

    /// Withdraws a call. True if it was the last one: the element has to go.
    mutating func withdraw(_ set: SetID, _ key: ElementKey) -> Bool {
        guard let count = counts[set]?[key] else { return false }
        counts[set]?[key] = count > 1 ? count - 1 : nil
        return count == 1
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

    /// The elements to add, by set.
    public var added: some Sequence<(set: SetID, elements: [Element])> { Self.bySet(additions) }

    /// The elements to remove, by set.
    public var removed: some Sequence<(set: SetID, elements: [Element])> { Self.bySet(removals) }

    mutating func add(_ set: SetID, _ element: Element) { Self.append(element, set, to: &additions) }

    mutating func remove(_ set: SetID, _ element: Element) { Self.append(element, set, to: &removals) }

    private static func append(_ element: Element, _ set: SetID, to lists: inout [[Element]]) {
        let index = Int(set.rawValue)
        if index >= lists.count { lists += Array(repeating: [], count: max(index + 1, 32) - lists.count) }
        lists[index].append(element)
    }

    private static func bySet(_ lists: [[Element]]) -> some Sequence<(set: SetID, elements: [Element])> {
        lists.enumerated().lazy.filter { !$1.isEmpty }.map { (set: SetID(UInt16($0)), elements: $1) }
    }
}
