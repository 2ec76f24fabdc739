import Netfilter
import NetworkTypes

/// Elements that several Services can call for; each is in the kernel as long as one does.
struct SharedElements {
    /// How many Service ports call for each element.
    private var counts: [Tag: UInt32] = [:]
    /// The counts before the current round of changes, for the elements it touched.
    private var touched: [Tag: UInt32] = [:]

    struct Tag: Hashable {
        var set: SetID
        var key: ElementKey
    }

    mutating func add(_ set: SetID, _ key: ElementKey) {
        let tag = Tag(set: set, key: key)
        let before = counts[tag, default: 0]
        if touched[tag] == nil { touched[tag] = before }
        counts[tag] = before + 1
    }

    mutating func remove(_ set: SetID, _ key: ElementKey) {
        let tag = Tag(set: set, key: key)
        guard let before = counts[tag] else { return }
        if touched[tag] == nil { touched[tag] = before }
        counts[tag] = before > 1 ? before - 1 : nil
    }

    /// Ends a round: the elements that have to come and to go since the last one.
    mutating func settle(into delta: inout TableDelta) {
        for (tag, before) in touched {
            let now = counts[tag, default: 0]
            if before == 0, now > 0 { delta.add(tag.set, Element(tag.key)) }
            if before > 0, now == 0 { delta.remove(tag.set, Element(tag.key)) }
        }
        touched.removeAll(keepingCapacity: touched.count < 1 << 16)
    }
}

/// The elements that a change adds to and removes from one table. A changed element is in both.
public struct TableDelta: Sendable {
    /// Elements to add, by set.
    public private(set) var added: [SetID: [Element]] = [:]
    /// Elements to remove, by set.
    public private(set) var removed: [SetID: [Element]] = [:]

    /// No change.
    public init() {}

    /// Whether nothing changes.
    public var isEmpty: Bool { added.isEmpty && removed.isEmpty }

    mutating func add(_ set: SetID, _ element: Element) { added[set, default: []].append(element) }
    mutating func remove(_ set: SetID, _ element: Element) { removed[set, default: []].append(element) }
}
