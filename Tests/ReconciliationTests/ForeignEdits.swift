import DataplaneTestKit
import Netfilter
import NetworkTypes
import ServiceDataplane

/// What other programs may do to the tables.
enum ForeignEdit: CaseIterable {
    case elementDeleted, slotDeleted, slotChanged, commentChanged, setEmptied, tableDeleted, extraElement, extraChain
    case extraSet, changedRule, missingSet, missingChain, otherDeclaration, otherHook, extraRange

    /// Whether the slots of a pool may be lost.
    var canMoveSlots: Bool {
        switch self {
        case .slotDeleted, .slotChanged, .setEmptied, .tableDeleted, .missingSet, .otherDeclaration, .otherHook: true
        default: false
        }
    }

    func apply(to ruleset: inout SimulatedRuleset, _ random: inout SeededGenerator) {
        guard var table = ruleset.tables[.ipv4] else { return }
        switch self {
        case .elementDeleted: change(&table, "backends", &random) { $0.elements[$1] = nil }
        case .slotDeleted: change(&table, "endpoints", &random) { $0.elements[$1] = nil }
        case .slotChanged: change(&table, "endpoints", &random) { $0.elements[$1]?.data = ElementData() }
        case .commentChanged: change(&table, "reject-services", &random) { $0.elements[$1]?.comment = "mine" }
        case .setEmptied: table.sets["endpoints"]?.elements = [:]
        case .extraElement: add(Element(ElementKey()), to: "cluster-ips", of: &table)
        case .extraRange:
            var key = ElementKey()
            key[0] = 1
            add(Element(key, to: key), to: "cluster-cidrs", of: &table)
        case .extraChain: table.chains["foreign"] = Chain("foreign", rules: [[.accept]])
        case .extraSet:
            table.sets["foreign"] = SimulatedSet(SetDeclaration(SetID(9000), "foreign", key: [.sourcePort]))
        case .changedRule: table.chains["refuse"]?.rules.insert([.accept], at: 0)
        case .missingSet: remove("endpoints", from: &table)
        case .missingChain:
            table.chains["services"]?.rules.removeAll { $0.contains(.goto("nodeports")) }
            table.chains["nodeports"] = nil
        case .otherDeclaration: table.sets["backends"]?.declaration.countsPackets = true
        case .otherHook: table.chains["nat-output"]?.hook?.priority = 0
        case .tableDeleted:
            ruleset.tables[.ipv4] = nil
            return
        }
        ruleset.tables[.ipv4] = table
    }

    private func add(_ element: Element, to set: String, of table: inout SimulatedTable) {
        table.sets[set]?.elements[element.key] = element
    }

    private func change(
        _ table: inout SimulatedTable, _ set: String, _ random: inout SeededGenerator,
        _ body: (inout SimulatedSet, ElementKey) -> Void
    ) {
        guard let key = table.sets[set]?.elements.keys.sorted().randomElement(using: &random) else { return }
        table.sets[set].map {
            var set = $0
            body(&set, key)
            table.sets[set.declaration.name] = set
        }
    }

    private func remove(_ set: String, from table: inout SimulatedTable) {
        table.sets[set] = nil
        for (name, chain) in table.chains {
            let uses = { (rule: Rule) in
                rule.contains { if case .destinationNAT(_, set) = $0 { true } else { false } }
            }
            if chain.rules.contains(where: uses) { table.chains[name]?.rules.removeAll(where: uses) }
        }
    }
}
