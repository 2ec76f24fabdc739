import Netfilter
import NetworkTypes

/// The steps that turn a table structure that is in force into another, in one transaction with the elements that change: what
/// has to come before them, and what after.
struct SchemaPlan {
    /// Steps before any element changes.
    private(set) var leading: [Operation] = []
    /// Steps after the elements have changed: removals.
    private(set) var trailing: [Operation] = []

    /// From a structure that is in force to one with more or fewer sets and chains and with other rules.
    init(from old: TableSchema, to schema: TableSchema) {
        let sets = Set(old.sets.map(\.name))
        let chains = Dictionary(uniqueKeysWithValues: old.chains.map { ($0.name, $0.rules) })
        for set in schema.sets where !sets.contains(set.name) { leading.append(.addSet(set)) }
        for chain in schema.chains where chains[chain.name] == nil { leading.append(.addChain(chain)) }
        for chain in schema.chains where chains[chain.name] != chain.rules { leading.append(.setRules(chain)) }
        for set in schema.sets {
            if let wanted = schema.verdicts[set.id] { compare(old.verdicts[set.id] ?? [], wanted, set) }
        }
        let left = Set(schema.chains.map(\.name))
        let gone = old.chains.map(\.name).filter { !left.contains($0) }
        let kept = Set(schema.sets.map(\.name))
        trailing += gone.map { .flushChain(name: $0) }
        trailing += old.sets.map(\.name).filter { !kept.contains($0) }.map { .deleteSet(name: $0) }
        trailing += gone.map { .deleteChain(name: $0) }
    }

    /// What a map of verdicts has to hold comes once the chains are there, and what it has beyond that goes before chains go.
    private mutating func compare(_ found: [Element], _ wanted: [Element], _ set: SetDeclaration) {
        let (old, new) = (Set(found), Set(wanted))
        let keys = Set(wanted.map(\.key))
        let wrong = found.filter { keys.contains($0.key) && !new.contains($0) }
        let missing = wanted.filter { !old.contains($0) }
        let extra = found.filter { !keys.contains($0.key) }
        func keysOnly(_ elements: [Element]) -> [Element] { elements.map { Element($0.key) } }
        if !wrong.isEmpty { leading.append(.deleteElements(set, keysOnly(wrong))) }
        if !missing.isEmpty { leading.append(.addElements(set, missing)) }
        if !extra.isEmpty { trailing.append(.deleteElements(set, keysOnly(extra))) }
    }
}
