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
        conclude(dataplane)
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
    private mutating func conclude(_ dataplane: Dataplane) {
        for family in IPFamily.allCases {
            let operations = structures[family]?.conclude(dataplane.schema(family)) ?? []
            makeRoom(for: operations)
            builder.trail(family, operations)
        }
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
    /// The transaction for a change of a state that is in the kernel already; nil if nothing changes there.
    ///
    /// - Parameter previous: what the tables provided for before the change.
    public func transaction(for delta: DataplaneDelta, previous: Provision) -> Transaction? {
        var builder = TransactionBuilder(tableName: options.tableName)
        if previous != provision {
            for family in IPFamily.allCases {
                let old = TableSchema(
                    family: family, options: options, largestExponent: previous.largestExponent,
                    timeouts: previous.timeouts, directReturn: previous.directReturn)
                let plan = SchemaPlan(from: old, to: schema(family))
                builder.lead(family, plan.leading)
                builder.trail(family, plan.trailing)
            }
        }
        for family in IPFamily.allCases { builder.take(family, delta.tables[family]) }
        return builder.seal { schema($0) }
    }
}
