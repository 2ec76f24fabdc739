import Netfilter
import NetworkTypes
import ServiceDataplane

/// Compares tables as packets would: the order of a pool's slots makes no difference.
public enum TableComparison {
    private static let slotMaps = Set(PoolKind.allCases.map(\.slotsName))

    /// The names of sets with other elements. In maps of slots, the order within a pool is free; so are the numbers of pools
    /// with affinity, as long as the same frontends share one. Which endpoint had a slot before follows from what happened.
    public static func difference(
        _ left: SimulatedTable, _ right: SimulatedTable, _ family: IPFamily
    ) -> [String] {
        let isAffinityEqual = affinePools(left) == affinePools(right)
        return Set(left.sets.keys).union(right.sets.keys).subtracting(earlierMaps).sorted().filter { name in
            if isOfAffinity(name) { return !isAffinityEqual }
            let (old, new) = (left.sets[name]?.elements ?? [:], right.sets[name]?.elements ?? [:])
            guard slotMaps.contains(name), let set = left.sets[name]?.declaration else { return old != new }
            return pools(old, set, family).mapValues(Set.init) != pools(new, set, family).mapValues(Set.init)
        }
    }

    private static let earlierMaps = ["direct-earlier", "direct-error-earlier"]

    /// What is wrong with slots of direct return, in words: a slot belongs to one endpoint, here or elsewhere, and the one that had it
    /// before is another one; ICMP errors find the same.
    public static func badDirectSlots(_ table: SimulatedTable, _ family: IPFamily) -> [String] {
        func elements(_ set: String) -> [ElementKey: ElementData?] {
            (table.sets[set]?.elements ?? [:]).mapValues(\.data)
        }
        let (owners, targets, earlier) = (
            elements("direct-owners"), elements("direct-targets"), elements("direct-earlier")
        )
        let here = Set(elements("direct-here").keys)
        var faults: [String] = []
        if !here.isDisjoint(with: owners.keys) { faults.append("here and elsewhere") }
        if !here.isSuperset(of: targets.keys) { faults.append("an endpoint here of a slot elsewhere") }
        if here.count + owners.count != elements("direct-frontends").count * SlotTable.slotCount {
            faults.append("\(here.count) slots here, \(owners.count) elsewhere")
        }
        if earlier.contains(where: { owners[$0.key] == $0.value }) {
            faults.append("an owner that had the slot before")
        }
        if owners != elements("direct-error-owners") { faults.append("other owners for ICMP errors") }
        if earlier != elements("direct-error-earlier") { faults.append("other former owners for ICMP errors") }
        let frontends = [
            ("direct-frontends", "direct-error-frontends"), ("direct-by-address", "direct-error-by-address"),
        ]
        for (own, ofErrors) in frontends where Set(elements(own).keys) != Set(elements(ofErrors).keys) {
            faults.append("other frontends for ICMP errors")
        }
        return faults
    }

    private static let stickyTimeouts = "sticky-timeouts"

    private static func isOfAffinity(_ name: String) -> Bool { name.hasPrefix("sticky") }

    /// A frontend of a pool with affinity, or the timeout of its number.
    private struct Mention: Hashable {
        var set: String
        var frontend: ElementKey?
        var timeout: ElementData?
    }

    /// Everything that is said of each pool with affinity, without its number.
    private static func affinePools(_ table: SimulatedTable) -> Set<Set<Mention>> {
        var mentions: [UInt32: Set<Mention>] = [:]
        for (name, set) in table.sets where isOfAffinity(name) {
            for element in set.elements.values {
                let isTimeout = name == stickyTimeouts
                let mention = Mention(
                    set: name, frontend: isTimeout ? nil : element.key, timeout: isTimeout ? element.data : nil)
                let number = isTimeout ? element.key : element.data ?? ElementData()
                mentions[number[0], default: []].insert(mention)
            }
        }
        return Set(mentions.values)
    }

    /// The endpoints of each frontend; a hole in the slots makes an impossible endpoint.
    private static func pools(
        _ elements: [ElementKey: Element], _ set: SetDeclaration, _ family: IPFamily
    ) -> [ElementKey: [ElementData]] {
        let offset = set.key.dropLast().map { $0 }.width(family)
        var slots: [ElementKey: [UInt32: ElementData]] = [:]
        for element in elements.values {
            var frontend = element.key
            frontend[offset] = 0
            slots[frontend, default: [:]][UInt32(bigEndian: element.key[offset])] = element.data
        }
        return slots.mapValues { slots in (0..<UInt32(slots.count)).map { slots[$0] ?? ElementData() } }
    }

    /// Kinds of pools with a frontend that is not in exactly one size class, the right one, or with a hole in its slots.
    public static func badPools(_ table: SimulatedTable, _ family: IPFamily) -> [PoolKind] {
        PoolKind.allCases.filter { kind in
            guard let map = table.sets[kind.slotsName] else { return true }
            let pools = pools(map.elements, map.declaration, family)
            var classes: [ElementKey: [Int]] = [:]
            for exponent in 0...PoolSize.largestExponent {
                for key in (table.sets[kind.membersName(exponent: exponent)]?.elements ?? [:]).keys {
                    classes[key, default: []].append(exponent)
                }
            }
            let expected = pools.mapValues { [PoolSize.exponent($0.count)] }
            let hasHole = pools.values.contains { $0.contains(ElementData()) }
            return classes != expected || hasHole
        }
    }
}
