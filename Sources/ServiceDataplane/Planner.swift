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
    /// What the tables already have: `Dataplane.update` takes it over, and claims what is as it has to be.
    public var installed = InstalledElements()
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
        for family in IPFamily.allCases {
            let schema = dataplane.schema(family)
            let table = tables[family] ?? ObservedTable()
            var structure = StructurePlan(from: table, to: schema)
            lead(family, structure.provide(schema, isFirst: true))
            structures[family] = structure
            installed.add(table.elements, family)
            installed.addFormer(table.formerElements, family)
        }
        for family in IPFamily.allCases {
            for (set, elements) in dataplane.optionElements(family) {
                installed.claimFormer(family, set, elements)
                for element in elements { want(family, set, element) }
            }
        }
    }

    /// Takes the next group of Services, or the node's data.
    public mutating func take(_ delta: DataplaneDelta, of dataplane: Dataplane) {
        grow(to: dataplane)
        let coming = delta.tables.values.reduce(0) { $0 + $1.additionCount }
        if builder.weight > 0, builder.weight + coming > limit { seal() }
        for family in IPFamily.allCases {
            guard let table = delta.tables[family] else { continue }
            table.forEachAdded { set, elements in
                installed.claimFormer(family, set, elements)
                if !installed.hasAny(family, set) {
                    builder.add(family, set, elements)
                } else {
                    for element in elements { want(family, set, element) }
                }
            }
        }
        if builder.weight >= limit { seal() }
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
                installed.forEachFormer(family, set) { element in
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
                installed.forEachUnclaimed(family, set.id) { key, value in
                    if keeps(family, set.id, key) { return }
                    builder.remove(family, set.id, Element(key, to: set.isInterval ? value : nil))
                    if builder.weight >= limit { seal() }
                }
            }
        }
        installed = InstalledElements()
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
        for (key, record) in dataplane.records {
            for (family, sets) in interim {
                for item in dataplane.items(of: key, record, family) where sets.contains(item.set) {
                    if item.isShared, !isNew(family, item.set, item.element.key) { continue }
                    builder.add(family, item.set, item.element)
                }
            }
            if builder.weight >= limit { seal() }
            for transaction in drain() { try emit(transaction) }
        }
        for (family, sets) in interim {
            let own = NodeElements.all(dataplane.node, family) + dataplane.optionElements(family)
            for (set, elements) in own where sets.contains(set) { builder.add(family, set, elements) }
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

    private mutating func want(_ family: IPFamily, _ set: SetID, _ element: Element) {
        switch installed.claim(family, set, element) {
        case .equal: return
        case .different(let value):
            builder.remove(family, set, Element(element.key, to: element.keyEnd == nil ? nil : value))
        case .absent: break
        }
        if let end = element.keyEnd { makeRoom(family, set, from: element.key, to: end) }
        builder.add(family, set, element)
    }

    /// Removes intervals that overlap with a new one, which the kernel would refuse: they cannot wait for the end of the
    /// plan, and cannot be kept.
    private mutating func makeRoom(_ family: IPFamily, _ set: SetID, from first: ElementKey, to last: ElementKey) {
        for (key, end) in installed.claimOverlapping(family, set, from: first, to: last) {
            builder.remove(family, set, Element(key, to: end))
        }
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
                    timeouts: previous.timeouts)
                let plan = SchemaPlan(from: old, to: schema(family))
                builder.lead(family, plan.leading)
                builder.trail(family, plan.trailing)
            }
        }
        for (family, table) in delta.tables { builder.take(family, table) }
        return builder.seal { schema($0) }
    }

    /// What decides the structure of the tables beside the options.
    public struct Provision: Hashable, Sendable {
        var largestExponent: Int
        var timeouts: AffinityTimeouts
    }

    /// What the tables provide for now.
    public var provision: Provision { Provision(largestExponent: largestExponent, timeouts: timeouts) }

    /// The affinity timeouts that tables with these sets and chains provide for, and these.
    public static func timeouts(
        providedBy names: some Sequence<Set<String>>, and needed: Set<Int>
    ) -> AffinityTimeouts { AffinityTimeouts(AffinityTimeouts.provided(by: names).union(needed)) }

    /// The largest size class that tables with these sets provide for.
    public static func largestExponent(providedBy names: some Sequence<Set<String>>) -> Int {
        let exponents = PoolSize.initialExponent...PoolSize.largestExponent
        return names.flatMap { sets in
            exponents.filter { sets.contains(PoolKind.services.membersName(exponent: $0)) }
        }.max() ?? PoolSize.initialExponent
    }
}
