import Netfilter
import NetworkTypes

/// Compares elements that are wanted with what was observed of both tables, one after the other.
///
/// The layout is read from the same observation, by `RecoveredLayout`. The observation itself is never changed: what is wanted is
/// claimed, one bit for an element, and what nobody has claimed at the end is superfluous. Elements that come in the order in which
/// they were read are found without a search: what was claimed last is remembered.
struct ObservedComparison: Sendable {
    /// How an element that is wanted compares with what there is.
    enum Match {
        /// It is there.
        case equal
        /// There is one with its key that is other, with this data or end of an interval.
        case different(ElementKey)
        /// There is none with its key, or there was one that has been claimed.
        case absent
    }

    private struct Members {
        let elements: ObservedElements
        private var claimed: [UInt64]
        private var lastClaimed = -1

        init(_ elements: ObservedElements) {
            self.elements = elements
            claimed = Array(repeating: 0, count: (elements.count + 63) / 64)
        }

        mutating func claim(_ position: Int) -> Bool {
            let (word, bit) = (position >> 6, UInt64(1) << UInt64(position & 63))
            let isFree = claimed[word] & bit == 0
            claimed[word] |= bit
            return isFree
        }

        func isClaimed(_ position: Int) -> Bool { claimed[position >> 6] >> UInt64(position & 63) & 1 != 0 }

        mutating func claim(_ element: Element) -> Match {
            guard let position = elements.position(of: element.key, behind: lastClaimed) else { return .absent }
            lastClaimed = position
            guard claim(position) else { return .absent }
            return elements.isEqual(at: position, element) ? .equal : .different(elements.value(at: position))
        }

        func has(_ key: ElementKey) -> Bool { elements.position(of: key) != nil }
    }

    /// At twice the index of a set's identity, and one more for IPv6.
    private var sets: [Members?] = []
    /// What other sets tell of elements that were in force, in the same order.
    private var former: [Members?] = []

    private static func index(_ family: IPFamily, _ set: SetID) -> Int {
        2 * Int(set.rawValue) + (family == .ipv4 ? 0 : 1)
    }

    /// With nothing.
    init() {}

    /// With what was observed.
    init(_ tables: [IPFamily: ObservedTable]) {
        for (family, table) in tables {
            Self.add(table.elements, family, to: &sets)
            Self.add(table.formerElements, family, to: &former)
        }
    }

    private static func add(_ elements: [SetID: ObservedElements], _ family: IPFamily, to sets: inout [Members?]) {
        for (set, elements) in elements where !elements.isEmpty {
            let index = index(family, set)
            if index >= sets.count { sets += Array(repeating: nil, count: index + 1 - sets.count) }
            sets[index] = Members(elements)
        }
    }

    private func hasFormer(_ family: IPFamily, _ set: SetID) -> Bool {
        let index = Self.index(family, set)
        return index < former.count && former[index] != nil
    }

    /// Takes an element that is wanted, and adds to a delta what it takes to have it.
    mutating func want(_ family: IPFamily, _ set: SetID, _ element: Element, _ delta: inout TableDelta) {
        if hasAny(family, set) {
            switch sets[Self.index(family, set)]?.claim(element) ?? .absent {
            case .equal: return
            case .different(let value):
                delta.remove(set, Element(element.key, to: element.keyEnd == nil ? nil : value))
            case .absent: break
            }
            if let end = element.keyEnd {
                // The kernel would refuse an interval that overlaps with another: that cannot wait for the end, and cannot be kept.
                for (key, end) in claimOverlapping(family, set, from: element.key, to: end) {
                    delta.remove(set, Element(key, to: end))
                }
            }
        }
        if hasFormer(family, set) { _ = former[Self.index(family, set)]?.claim(element) }
        delta.add(set, element)
    }

    /// Calls the body for each element that was in force elsewhere, is not here, and was not asked for.
    func forEachFormer(
        _ family: IPFamily, _ set: SetDeclaration, _ body: (Element) -> Void
    ) {
        guard hasFormer(family, set.id), let members = former[Self.index(family, set.id)] else { return }
        for position in 0..<members.elements.count where !members.isClaimed(position) {
            let (key, value) = (members.elements.key(at: position), members.elements.value(at: position))
            if hasAny(family, set.id), sets[Self.index(family, set.id)]?.has(key) == true { continue }
            body(
                Element(
                    key, to: set.isInterval ? value : nil, data: set.isMap ? value : nil,
                    comment: members.elements.comment(at: position)))
        }
    }

    /// Whether the set has any element.
    private func hasAny(_ family: IPFamily, _ set: SetID) -> Bool {
        let index = Self.index(family, set)
        return index < sets.count && sets[index] != nil
    }

    /// Claims intervals that overlap with one, and returns the first and last key of each.
    private mutating func claimOverlapping(
        _ family: IPFamily, _ set: SetID, from first: ElementKey, to last: ElementKey
    ) -> [(key: ElementKey, end: ElementKey)] {
        guard var members = sets[Self.index(family, set)] else { return [] }
        sets[Self.index(family, set)] = nil
        defer { sets[Self.index(family, set)] = members }
        var result: [(key: ElementKey, end: ElementKey)] = []
        for position in 0..<members.elements.count {
            let (key, end) = (members.elements.key(at: position), members.elements.value(at: position))
            if last < key || end < first || members.isClaimed(position) { continue }
            result.append((key, end))
            _ = members.claim(position)
        }
        return result
    }

    /// Calls the body for each element that has not been claimed.
    func forEachUnclaimed(_ family: IPFamily, _ set: SetID, _ body: (ElementKey, ElementKey) -> Void) {
        guard hasAny(family, set), let members = sets[Self.index(family, set)] else { return }
        for position in 0..<members.elements.count where !members.isClaimed(position) {
            body(members.elements.key(at: position), members.elements.value(at: position))
        }
    }
}

/// Takes the elements of Services that go together, and has what the tables lack of them.
public struct PlannedGroup: ElementSink {
    var comparison: ObservedComparison
    /// What changes in the table of each family.
    private(set) var tables = FamilyDeltas()

    init(_ comparison: ObservedComparison) { self.comparison = comparison }

    /// An element that is wanted: it comes unless the table has it.
    public mutating func add(_ family: IPFamily, _ set: SetID, _ element: Element) {
        comparison.want(family, set, element, &tables[family])
    }

    /// What was planned for a Service that has lost a frontend since.
    public mutating func remove(_ family: IPFamily, _ set: SetID, _ element: Element) {
        tables[family].remove(set, element)
    }
}
