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
    private var schemas: [IPFamily: TableSchema] = [:]
    /// Whether everything has to be in one transaction, because a table is made anew in place of another.
    private var isAtomic = false
    private var sealed: [Transaction] = []

    /// Starts from what was observed; the tables' structure is planned at once.
    public init(
        _ dataplane: Dataplane, observed tables: [IPFamily: ObservedTable], limit: Int = Planner.elementsPerTransaction
    ) {
        self.limit = limit
        builder = TransactionBuilder(tableName: dataplane.options.tableName)
        for family in IPFamily.allCases {
            let schema = dataplane.schema(family)
            let table = tables[family] ?? ObservedTable()
            let plan = SchemaPlan(from: table, to: schema)
            schemas[family] = schema
            builder.lead(family, plan.leading)
            builder.trail(family, plan.trailing)
            isAtomic = isAtomic || plan.isRebuild
            if !plan.isRebuild { installed.add(table.elements, family) }
        }
        for family in IPFamily.allCases {
            for (set, elements) in dataplane.optionElements(family) {
                for element in elements { want(family, set, element) }
            }
        }
    }

    /// Takes the next group of Services, or the node's data.
    public mutating func take(_ delta: DataplaneDelta, of dataplane: Dataplane) {
        grow(to: dataplane)
        for family in IPFamily.allCases {
            guard let table = delta.tables[family] else { continue }
            table.forEachAdded { set, elements in
                if !installed.hasAny(family, set) {
                    builder.add(family, set, elements)
                } else {
                    for element in elements { want(family, set, element) }
                }
            }
        }
        if builder.elementCount >= limit, !isAtomic { seal() }
    }

    /// Ends the plan: removes what nobody asked for.
    ///
    /// - Parameters:
    ///   - dataplane: its schema as it is now; sets that it has no longer go with all that is in them.
    ///   - keeps: elements that are to stay although nobody asked for them.
    public mutating func finish(
        _ dataplane: Dataplane, keeping keeps: (IPFamily, SetID, ElementKey) -> Bool = { _, _, _ in false }
    ) {
        for family in IPFamily.allCases {
            let schema = dataplane.schema(family)
            if let old = schemas[family] {
                let plan = SchemaPlan(from: old, to: schema)
                builder.lead(family, plan.leading)
                builder.trail(family, plan.trailing)
            }
            schemas[family] = schema
            for set in schema.sets where schema.verdicts[set.id] == nil {
                installed.forEachUnclaimed(family, set.id) { key, value in
                    if keeps(family, set.id, key) { return }
                    builder.remove(family, set.id, Element(key, to: set.isInterval ? value : nil))
                }
            }
        }
        installed = InstalledElements()
        seal()
    }

    /// The transactions that are ready to be carried out, in order.
    public mutating func drain() -> [Transaction] {
        defer { sealed = [] }
        return sealed
    }

    private mutating func seal() {
        if let transaction = builder.seal(schema: {
            schemas[$0] ?? TableSchema(family: $0, name: "", sets: [], chains: [])
        }) {
            sealed.append(transaction)
        }
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
            guard let old = schemas[family],
                old.sets.count < schema.sets.count || old.chains.count < schema.chains.count
            else { continue }
            builder.lead(family, SchemaPlan(from: old, to: schema).leading)
            schemas[family] = schema
        }
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
