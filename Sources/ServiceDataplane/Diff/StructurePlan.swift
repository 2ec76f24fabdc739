import Netfilter
import NetworkTypes

/// Brings the structure of a table from whatever the kernel has to a schema, around the changes of elements.
///
/// Packets must not notice. So first comes what is missing and what no packet meets yet; then elements, in as many
/// transactions as they need; then one transaction puts all new rules in force and removes what only the old ones used.
/// A set of another form cannot be changed, and not be removed while rules use it: what comes in its place is made under another
/// name (`names`), and once that is in force, recreated under its own. Sets that packets fill have nothing to be loaded:
/// they change with the rules.
struct StructurePlan {
    /// The names of sets that are made under another name for now.
    private(set) var names: [String: String] = [:]
    /// The table as it is to be, with those names.
    private(set) var schema: TableSchema
    private let isNew: Bool
    /// The sets and chains that are there.
    private var sets: Set<String>
    private var chains: Set<String>
    /// Chains that have to be attached in another way.
    private var moved: Set<String>
    /// Sets filled by packets that have to be recreated.
    private var replaced: Set<String> = []
    private let resized: Set<String>
    /// The rules that are known to be in force.
    private var rules: [String: [Rule]] = [:]
    /// What maps of verdicts hold, under the names that they have for now.
    private var verdicts: [SetID: Set<Element>] = [:]

    /// From what was observed.
    init(from observed: ObservedTable, to schema: TableSchema) {
        isNew = !observed.exists
        sets = observed.sets
        chains = observed.chains
        moved = observed.differingChains
        resized = observed.resizableSets
        for set in schema.sets where observed.differingSets.contains(set.name) {
            if set.isDynamic {
                replaced.insert(set.name)
            } else {
                let interim = SetDeclaration.interimNames(of: set.name)
                // One that is there and has the form is filled in part; one that is of no use may be in force.
                names[set.name] =
                    observed.interimSets[set.id] ?? interim.first { !observed.sets.contains($0) } ?? interim[0]
            }
        }
        let target = schema.renaming(names)
        self.schema = target
        let unknown = observed.differingRules.union(observed.differingChains)
        for (chain, renamed) in zip(schema.chains, target.chains)
        where observed.chains.contains(chain.name) && !unknown.contains(chain.name) && chain.rules == renamed.rules {
            rules[chain.name] = chain.rules
        }
        for id in schema.verdicts.keys {
            let found = observed.elements[id]?.map { Element($0.key, data: $0.value.value) } ?? []
            verdicts[id] = Set(found)
        }
    }

    /// What comes before elements: at first, and whenever the schema has grown.
    mutating func provide(_ schema: TableSchema, isFirst: Bool = false) -> [Operation] {
        self.schema = schema.renaming(names)
        var steps: [Operation] = isNew && isFirst ? [.addTable(comment: schema.comment)] : []
        for set in self.schema.sets {
            if sets.insert(set.name).inserted || isFirst && resized.contains(set.name) { steps.append(.addSet(set)) }
        }
        // A base chain acts as soon as it is there.
        let fresh = self.schema.chains.filter { !chains.contains($0.name) && (isNew || $0.hook == nil) }
        for chain in fresh {
            steps.append(.addChain(chain))
            chains.insert(chain.name)
        }
        let changed =
            isNew
            ? self.schema.chains.filter { rules[$0.name] != $0.rules }
            : fresh.filter { chain in !replaced.contains { chain.uses($0) } }
        for chain in changed { steps.append(setRules(chain)) }
        return steps + addVerdicts()
    }

    /// What puts the schema in force and removes everything else.
    mutating func conclude(_ schema: TableSchema) -> [Operation] {
        self.schema = schema.renaming(names)
        var steps: [Operation] = []
        let wanted = Set(self.schema.sets.map(\.name))
        let extraSets = sets.subtracting(wanted).sorted()
        let extraChains = chains.subtracting(self.schema.chains.map(\.name)).sorted()
        let changed = self.schema.chains.filter { chain in
            rules[chain.name] != chain.rules || replaced.contains { chain.uses($0) }
        }
        // Rules hold sets, and the verdicts in rules and maps hold chains.
        if !moved.isEmpty || !replaced.isEmpty {
            steps += changed.filter { chains.contains($0.name) }.map { .flushChain(name: $0.name) }
        }
        steps += extraChains.map { .flushChain(name: $0) }
        for set in self.schema.sets where replaced.contains(set.name) {
            steps += [.deleteSet(name: set.name), .addSet(set)]
        }
        steps += moved.sorted().map { .deleteChain(name: $0) }
        for chain in self.schema.chains where moved.contains(chain.name) || !chains.contains(chain.name) {
            steps.append(.addChain(chain))
        }
        steps += changed.map { setRules($0) }
        moved = []
        steps += addVerdicts() + removeVerdicts()
        steps += extraSets.map { .deleteSet(name: $0) }
        steps += extraChains.map { .deleteChain(name: $0) }
        sets = wanted
        chains = Set(self.schema.chains.map(\.name))
        replaced = []
        return steps
    }

    /// The sets that stand under another name.
    var interimSets: [SetDeclaration] {
        let interim = Set(names.values)
        return schema.sets.filter { interim.contains($0.name) }
    }

    /// Ends the use of other names: sets are to be made under their own, to be filled before `conclude`.
    mutating func restore(_ schema: TableSchema) -> [Operation] {
        for set in schema.sets where names[set.name] != nil { verdicts[set.id] = nil }
        names = [:]
        return provide(schema)
    }

    /// Adds the verdicts that lead to chains which are there as they have to be, in place of others under the same keys.
    private mutating func addVerdicts() -> [Operation] {
        var steps: [Operation] = []
        for set in schema.sets {
            guard let wanted = schema.verdicts[set.id] else { continue }
            let found = verdicts[set.id] ?? []
            let missing = wanted.filter { element in
                !found.contains(element)
                    && set.chain(of: element).map { chains.contains($0) && !moved.contains($0) } ?? false
            }
            let keys = Set(missing.map(\.key))
            let wrong = found.filter { keys.contains($0.key) }
            if !wrong.isEmpty { steps.append(.deleteElements(set, wrong.map { Element($0.key) })) }
            if !missing.isEmpty { steps.append(.addElements(set, missing)) }
            verdicts[set.id] = found.subtracting(wrong).union(missing)
        }
        return steps
    }

    /// Removes the verdicts that the schema does not have: chains cannot go while any leads to them.
    private mutating func removeVerdicts() -> [Operation] {
        var steps: [Operation] = []
        for set in schema.sets {
            guard let wanted = schema.verdicts[set.id] else { continue }
            let extra = (verdicts[set.id] ?? []).subtracting(wanted)
            if !extra.isEmpty { steps.append(.deleteElements(set, extra.map { Element($0.key) })) }
            verdicts[set.id] = Set(wanted)
        }
        return steps
    }

    private mutating func setRules(_ chain: Chain) -> Operation {
        rules[chain.name] = chain.rules
        return .setRules(chain)
    }
}

extension Chain {
    /// Whether any rule looks into the set.
    fileprivate func uses(_ set: String) -> Bool { rules != TableSchema.renaming(rules, [set: ""]) }
}
