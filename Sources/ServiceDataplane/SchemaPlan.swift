import Netfilter
import NetworkTypes

/// The steps that turn a table structure that is in force into another, in one transaction with the elements that change: what
/// has to come before them, and what after.
struct SchemaPlan {
    /// Steps before any element changes.
    private(set) var leading: [Operation] = []
    /// Steps after the elements have changed: removals.
    private(set) var trailing: [Operation] = []
    /// From a structure that is in force to one with more or fewer sets and with other rules. No chain ever goes.
    init(from old: TableSchema, to schema: TableSchema) {
        let sets = Set(old.sets.map(\.name))
        let chains = Dictionary(uniqueKeysWithValues: old.chains.map { ($0.name, $0.rules) })
        for set in schema.sets where !sets.contains(set.name) { leading.append(.addSet(set)) }
        for chain in schema.chains where chains[chain.name] == nil { leading.append(.addChain(chain)) }
        for chain in schema.chains where chains[chain.name] != chain.rules { leading.append(.setRules(chain)) }
        let kept = Set(schema.sets.map(\.name))
        trailing += old.sets.map(\.name).filter { !kept.contains($0) }.map { .deleteSet(name: $0) }
    }
}
