import KubernetesModel
import Netfilter
import NetworkTypes
import ServicePolicy

/// Brings the kernel's tables from whatever they hold to the state of a `Dataplane`, by the difference alone.
///
/// Services are handed over in groups. Each group's elements stay together in one transaction, so that every Service is
/// whole after each commit, however many commits a first load takes. What the kernel has and nobody asked for goes last.
public struct Planner {
    /// How many elements a transaction has at the most, unless one group alone has more. The kernel's hash tables grow
    /// between transactions only: one huge batch into a fresh table makes long chains (docs/performance.md).
    public static let elementsPerTransaction = 10_000

    private let limit: Int
    /// What the tables have, and which of it is wanted.
    private var comparison: ObservedComparison
    private var builder: TransactionBuilder
    private var structures: [IPFamily: StructurePlan] = [:]
    private var sealed: [Transaction] = []
    /// Elements that nobody asked for and that stay, in sets that stand under another name for now.
    private var carried: [IPFamily: [SetID: [Element]]] = [:]

    /// Starts from what was observed; what the tables lack of their structure comes first.
    public init(
        _ dataplane: Dataplane, observed tables: [IPFamily: ObservedTable], limit: Int = Planner.elementsPerTransaction
    ) {
        self.limit = limit
        builder = TransactionBuilder(tableName: dataplane.options.tableName)
        comparison = ObservedComparison(tables)
        for family in IPFamily.allCases {
            let schema = dataplane.schema(family)
            let table = tables[family] ?? ObservedTable()
            var structure = StructurePlan(from: table, to: schema)
            lead(family, structure.provide(schema, isFirst: true))
            structures[family] = structure
        }
        var group = beginGroup()
        for family in IPFamily.allCases {
            for (set, elements) in dataplane.optionElements(family) {
                for element in elements { group.add(family, set, element) }
            }
        }
        collect(group)
    }

    /// Begins a group of Services whose elements stay together. It has to come back by `take`.
    public mutating func beginGroup() -> PlannedGroup {
        defer { comparison = ObservedComparison() }
        return PlannedGroup(comparison)
    }

    /// Takes a group with all the elements that its Services want.
    public mutating func take(_ group: consuming PlannedGroup, of dataplane: Dataplane) {
        grow(to: dataplane)
        let coming = IPFamily.allCases.reduce(0) { $0 + group.tables[$1].additionCount }
        if builder.weight > 0, builder.weight + coming > limit { seal() }
        collect(group)
        if builder.weight >= limit { seal() }
    }

    /// Takes the node's data.
    public mutating func take(_ delta: DataplaneDelta, of dataplane: Dataplane) {
        var group = beginGroup()
        for family in IPFamily.allCases {
            delta.tables[family].forEachAdded { set, elements in
                for element in elements { group.add(family, set, element) }
            }
        }
        take(group, of: dataplane)
    }

    private mutating func collect(_ group: consuming PlannedGroup) {
        for family in IPFamily.allCases { builder.take(family, group.tables[family]) }
        comparison = group.comparison
    }

    /// Ends the plan: puts the rules in force, and removes what nobody asked for.
    ///
    /// - Parameters:
    ///   - dataplane: its schema as it is now; sets that it has no longer go with all that is in them.
    ///   - keeps: elements that are to stay although nobody asked for them.
    public mutating func finish(
        _ dataplane: Dataplane, keeping keeps: (IPFamily, SetID, ElementKey) -> Bool = { _, _, _ in false }
    ) {
        grow(to: dataplane)
        for family in IPFamily.allCases {
            let schema = schema(family)
            for set in schema.sets where schema.verdicts[set.id] == nil {
                comparison.forEachFormer(family, set) { element in
                    guard keeps(family, set.id, element.key) else { return }
                    builder.add(family, set.id, element)
                    carried[family, default: [:]][set.id, default: []].append(element)
                }
            }
        }
        // A packet that goes by the old rules while they are replaced still needs what these look for.
        if conclude(dataplane) { seal() }
        for family in IPFamily.allCases {
            let schema = schema(family)
            for set in schema.sets where schema.verdicts[set.id] == nil {
                comparison.forEachUnclaimed(family, set.id) { key, value in
                    if keeps(family, set.id, key) { return }
                    builder.remove(family, set.id, Element(key, to: set.isInterval ? value : nil))
                    if builder.weight >= limit { seal() }
                }
            }
        }
        comparison = ObservedComparison()
        seal()
    }

    /// Gives sets that were made under another name their own, by making them once more.
    ///
    /// - Parameter emit: takes the transactions that follow those of `finish`.
    public mutating func settle<Failure: Error>(
        _ dataplane: Dataplane, emit: (Transaction) throws(Failure) -> Void
    ) throws(Failure) {
        var interim: [IPFamily: Set<SetID>] = [:]
        for family in IPFamily.allCases {
            guard let sets = structures[family]?.interimSets, !sets.isEmpty else { continue }
            interim[family] = Set(sets.map(\.id))
            lead(family, structures[family]?.restore(dataplane.schema(family)) ?? [])
        }
        if interim.isEmpty { return }
        var seen: [IPFamily: [SetID: Set<ElementKey>]] = [:]
        func isNew(_ family: IPFamily, _ set: SetID, _ key: ElementKey) -> Bool {
            seen[family, default: [:]][set, default: []].insert(key).inserted
        }
        for record in dataplane.records.values {
            for (family, sets) in interim {
                for item in dataplane.items(of: record.resolved.key, record, family) where sets.contains(item.set) {
                    if item.isShared, !isNew(family, item.set, item.element.key) { continue }
                    builder.add(family, item.set, item.element)
                }
            }
            if builder.weight >= limit { seal() }
            for transaction in drain() { try emit(transaction) }
        }
        for (family, sets) in interim {
            let own = NodeElements.all(dataplane.node, family) + dataplane.optionElements(family)
            for (set, elements) in own where sets.contains(set) {
                builder.add(family, set, elements.filter { isNew(family, set, $0.key) })
            }
            for (set, elements) in carried[family] ?? [:] where sets.contains(set) {
                for element in elements where isNew(family, set, element.key) { builder.add(family, set, element) }
            }
        }
        conclude(dataplane)
        seal()
        for transaction in drain() { try emit(transaction) }
    }

    /// The transactions that are ready to be carried out, in order.
    public mutating func drain() -> [Transaction] {
        defer { sealed = [] }
        return sealed
    }

    private mutating func seal() {
        let schemas = structures.mapValues(\.schema)
        let transaction = builder.seal { schemas[$0] ?? TableSchema(family: $0, name: "", sets: [], chains: []) }
        if let transaction { sealed.append(transaction) }
    }

    /// Adds what a larger pool needs. The order matters: sets and chains first, then elements that use them.
    private mutating func grow(to dataplane: Dataplane) {
        for family in IPFamily.allCases {
            let schema = dataplane.schema(family)
            guard let old = structures[family]?.schema,
                old.sets.count < schema.sets.count || old.chains.count < schema.chains.count
            else { continue }
            builder.lead(family, structures[family]?.provide(schema) ?? [])
        }
    }

    /// Begins a transaction with changes of structure, a new one if they do not fit the one that is collected.
    private mutating func lead(_ family: IPFamily, _ operations: [Operation]) {
        makeRoom(for: operations)
        builder.lead(family, operations)
    }

    /// Ends the transaction that is collected with the new rules of each family. Those of one come in force at once.
    ///
    /// - Returns: whether anything of the structure changes.
    @discardableResult
    private mutating func conclude(_ dataplane: Dataplane) -> Bool {
        var isChanged = false
        for family in IPFamily.allCases {
            let operations = structures[family]?.conclude(dataplane.schema(family)) ?? []
            isChanged = isChanged || !operations.isEmpty
            makeRoom(for: operations)
            builder.trail(family, operations)
        }
        return isChanged
    }

    private mutating func makeRoom(for operations: [Operation]) {
        guard builder.weight > 0, !operations.isEmpty else { return }
        if builder.weight + TransactionBuilder.weight(operations) > limit { seal() }
    }

    private func schema(_ family: IPFamily) -> TableSchema {
        structures[family]?.schema ?? TableSchema(family: family, name: "", sets: [], chains: [])
    }
}

extension Dataplane {
    /// The transactions for a change of a state that is in the kernel already, in order; none if nothing changes there.
    ///
    /// Rules and elements never change in one transaction. The kernel chooses the rules for a packet when it comes to a base chain,
    /// and the elements of a set when a rule looks into it. A packet that passes meanwhile would go by the old rules and the new
    /// elements, and miss those of sets that its rules do not know yet. So rules that are needed come before the elements, and rules
    /// that are not needed any more go after them.
    ///
    /// - Parameter previous: what the tables provided for before the change.
    public func transactions(for delta: DataplaneDelta, previous: Provision) -> [Transaction] {
        let all = previous.union(provision)
        var builder = TransactionBuilder(tableName: options.tableName)
        for family in IPFamily.allCases { builder.take(family, delta.tables[family]) }
        // The schemas of now are there already.
        let elements = builder.seal {
            all == provision ? schema($0) : TableSchema(family: $0, options: options, provision: all)
        }
        return [restructuring(from: previous, to: all), elements, restructuring(from: all, to: provision)].compactMap {
            $0
        }
    }

    private func restructuring(from old: Provision, to new: Provision) -> Transaction? {
        if old == new { return nil }
        var builder = TransactionBuilder(tableName: options.tableName)
        func schema(_ family: IPFamily, _ provision: Provision) -> TableSchema {
            TableSchema(family: family, options: options, provision: provision)
        }
        for family in IPFamily.allCases {
            let plan = SchemaPlan(from: schema(family, old), to: schema(family, new))
            builder.lead(family, plan.leading)
            builder.trail(family, plan.trailing)
        }
        return builder.seal { schema($0, new) }
    }
}

extension TableSchema {
    fileprivate init(family: IPFamily, options: DataplaneOptions, provision: Dataplane.Provision) {
        self.init(
            family: family, options: options, largestExponent: provision.largestExponent, timeouts: provision.timeouts,
            directReturn: provision.directReturn)
    }
}
