import Netfilter
import NetworkTypes

/// The steps that turn one table structure into another: what has to come before the elements change, and what after.
struct SchemaPlan {
    /// Steps before any element changes.
    private(set) var leading: [Operation] = []
    /// Steps after the elements have changed: removals.
    private(set) var trailing: [Operation] = []
    /// Whether the table is made anew, so that elements which were observed are gone.
    private(set) var isRebuild = false

    /// From what the kernel has.
    init(from observed: ObservedTable, to schema: TableSchema) {
        guard observed.exists else {
            create(schema)
            return
        }
        guard observed.differingSets.isEmpty, observed.differingChains.isEmpty else {
            leading.append(.deleteTable)
            isRebuild = true
            create(schema)
            return
        }
        for set in schema.sets where !observed.sets.contains(set.name) { leading.append(.addSet(set)) }
        let missing = schema.chains.filter { !observed.chains.contains($0.name) }
        leading += missing.map { .addChain($0) }
        for chain in schema.chains
        where !observed.chains.contains(chain.name) || observed.differingRules.contains(chain.name) {
            leading.append(.setRules(chain))
        }
        for set in schema.sets {
            let found = observed.elements[set.id]?.map { Element($0.key, data: $0.value.value) } ?? []
            if let wanted = schema.verdicts[set.id] { compare(found, wanted, set) }
        }
        let extra = observed.chains.subtracting(schema.chains.map(\.name)).sorted()
        // Rules hold sets, and the verdicts in maps hold chains.
        trailing += extra.map { .flushChain(name: $0) }
        trailing += observed.sets.subtracting(schema.sets.map(\.name)).sorted().map { .deleteSet(name: $0) }
        trailing += extra.map { .deleteChain(name: $0) }
    }

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

    private mutating func create(_ schema: TableSchema) {
        leading.append(.addTable(comment: schema.comment))
        leading += schema.sets.map { .addSet($0) }
        leading += schema.chains.map { .addChain($0) }
        leading += schema.chains.map { .setRules($0) }
        for set in schema.sets {
            if let verdicts = schema.verdicts[set.id] { leading.append(.addElements(set, verdicts)) }
        }
    }
}
