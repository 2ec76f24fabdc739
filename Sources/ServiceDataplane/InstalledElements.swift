import Netfilter
import NetworkTypes

/// What was observed of both tables' elements, and which of it a plan has come across.
///
/// The observation itself is never changed: a plan marks what it claims, one bit for an element. Elements that are asked for in
/// the order in which they were read are found without a search: what was claimed last, and what was read last, are remembered.
public struct InstalledElements: Sendable {
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
        private var lastRead = -1

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

        mutating func claimIfEqual(_ element: Element) -> Bool {
            guard let position = elements.position(of: element.key, behind: lastClaimed) else { return false }
            lastClaimed = position
            return elements.isEqual(at: position, element) && claim(position)
        }

        mutating func value(_ key: ElementKey) -> ElementKey? {
            guard let position = elements.position(of: key, behind: lastRead) else { return nil }
            lastRead = position
            return elements.value(at: position)
        }
    }

    /// Nothing.
    init() {}

    /// At twice the index of a set's identity, and one more for IPv6.
    private var sets: [Members?] = []
    /// What other sets tell of elements that were in force, in the same order.
    private var former: [Members?] = []

    private static func index(_ family: IPFamily, _ set: SetID) -> Int {
        2 * Int(set.rawValue) + (family == .ipv4 ? 0 : 1)
    }

    /// Takes over a table's elements.
    mutating func add(_ elements: [SetID: ObservedElements], _ family: IPFamily) {
        Self.add(elements, family, to: &sets)
    }

    /// Takes over what tells of elements that were in force.
    mutating func addFormer(_ elements: [SetID: ObservedElements], _ family: IPFamily) {
        Self.add(elements, family, to: &former)
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

    /// Notes that an element is asked for that was in force elsewhere.
    mutating func claimFormer(_ family: IPFamily, _ set: SetID, _ elements: [Element]) {
        guard hasFormer(family, set) else { return }
        let index = Self.index(family, set)
        for element in elements { _ = former[index]?.claim(element) }
    }

    /// Calls the body for each element that was in force elsewhere, is not here, and was not asked for.
    mutating func forEachFormer(
        _ family: IPFamily, _ set: SetDeclaration, _ body: (Element) -> Void
    ) {
        guard hasFormer(family, set.id), let members = former[Self.index(family, set.id)] else { return }
        for position in 0..<members.elements.count where !members.isClaimed(position) {
            let (key, value) = (members.elements.key(at: position), members.elements.value(at: position))
            if hasAny(family, set.id), sets[Self.index(family, set.id)]?.value(key) != nil { continue }
            body(
                Element(
                    key, to: set.isInterval ? value : nil, data: set.isMap ? value : nil,
                    comment: members.elements.comment(at: position)))
        }
    }

    /// Whether the set has any element.
    func hasAny(_ family: IPFamily, _ set: SetID) -> Bool {
        let index = Self.index(family, set)
        return index < sets.count && sets[index] != nil
    }

    /// The data of an element, or the end of its interval, here or where it was in force; nil if there is none with the key.
    mutating func value(_ family: IPFamily, _ set: SetID, _ key: ElementKey) -> ElementKey? {
        if hasAny(family, set), let value = sets[Self.index(family, set)]?.value(key) { return value }
        return hasFormer(family, set) ? former[Self.index(family, set)]?.value(key) : nil
    }

    /// Compares an element that is wanted with what there is, and claims that.
    mutating func claim(_ family: IPFamily, _ set: SetID, _ element: Element) -> Match {
        guard hasAny(family, set) else { return .absent }
        return sets[Self.index(family, set)]?.claim(element) ?? .absent
    }

    /// Claims an element that is there just as it is wanted. False if there is none such, or if it has been claimed.
    mutating func claimIfEqual(_ family: IPFamily, _ set: SetID, _ element: Element) -> Bool {
        guard hasAny(family, set) else { return false }
        return sets[Self.index(family, set)]?.claimIfEqual(element) ?? false
    }

    /// Claims intervals that overlap with one, and returns the first and last key of each.
    mutating func claimOverlapping(
        _ family: IPFamily, _ set: SetID, from first: ElementKey, to last: ElementKey
    ) -> [(key: ElementKey, end: ElementKey)] {
        guard hasAny(family, set), var members = sets[Self.index(family, set)] else { return [] }
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
