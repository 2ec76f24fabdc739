import Netfilter
import NetworkTypes
import Telemetry

/// A kernel that keeps count of what is read from it and written to it.
public final class MeteredKernel<Base: DataplaneKernel>: DataplaneKernel {
    private let base: Base

    /// What went to the kernel so far.
    public private(set) var meter = KernelMeter()

    /// Meters a kernel.
    public init(_ base: Base) { self.base = base }

    /// The kernel's own.
    public var elementCapacity: Int { base.elementCapacity }

    /// The kernel's own.
    public func generation() throws(Base.Failure) -> UInt32 { try base.generation() }

    /// The kernel's own.
    public func ownership(ofTable name: String) throws(Base.Failure) -> [IPFamily: TableOwnership] {
        try base.ownership(ofTable: name)
    }

    /// Reads the tables, and the number of elements that each set has.
    public func observe(
        tableName: String, guesses: ElementGuesses, schemas: ([IPFamily: Set<String>]) -> [TableSchema]
    ) throws(Base.Failure) -> Observation {
        var known: [TableSchema] = []
        let observation = try base.observe(tableName: tableName, guesses: guesses) { names in
            known = schemas(names)
            return known
        }
        var counts: [IPFamily: [String: Int]] = [:]
        for schema in known {
            guard let table = observation.tables[schema.family], table.exists else { continue }
            for set in schema.sets where table.sets.contains(set.name) && !set.isDynamic {
                counts[schema.family, default: [:]][set.name] = table.elements[set.id]?.count ?? 0
            }
        }
        meter.observed(counts)
        return observation
    }

    /// Carries a transaction out and counts it.
    public func commit(_ transaction: Transaction, expecting generation: UInt32?) throws(Base.Failure) {
        let clock = ContinuousClock()
        let start = clock.now
        try base.commit(transaction, expecting: generation)
        count(transaction, clock.now - start)
    }

    /// Submits a transaction and counts it once it is carried out.
    public func submit(
        _ transaction: Transaction, expecting generation: UInt32?, done: @escaping (Duration) -> Void
    ) throws(Base.Failure) {
        try base.submit(transaction, expecting: generation) { [unowned self] duration in
            count(transaction, duration)
            done(duration)
        }
    }

    /// The kernel's own.
    public func settle() throws(Base.Failure) { try base.settle() }

    private func count(_ transaction: Transaction, _ duration: Duration) {
        meter.committed(size: transaction.elementCount, duration: duration)
        for step in transaction.steps { count(step) }
    }

    private func count(_ step: Transaction.Step) {
        switch step.operation {
        case .addSet(let set):
            if !set.isDynamic { meter.add(0, to: set.name, step.family) }
        case .addElements(let set, let elements): meter.add(elements.count, to: set.name, step.family)
        case .deleteElements(let set, let elements): meter.add(-elements.count, to: set.name, step.family)
        // Of what packets have added; it may be gone already.
        case .destroyElements: return
        case .deleteSet(let name): meter.remove(name, step.family)
        case .deleteTable: meter.removeAll(step.family)
        case .addTable, .claimTable, .addChain, .setRules, .deleteChain, .flushChain: return
        }
    }

    /// The kernel's own.
    public func elements(of set: SetDeclaration, in schema: TableSchema) throws(Base.Failure) -> ObservedElements {
        try base.elements(of: set, in: schema)
    }

    /// The kernel's own.
    public func elements(
        of set: SetDeclaration, in schema: TableSchema, keys: [ElementKey]
    ) throws(Base.Failure) -> [ElementKey: ObservedElement] { try base.elements(of: set, in: schema, keys: keys) }

    /// The kernel's own; what packets have added is not counted.
    public func discard(
        _ elements: [(set: SetDeclaration, elements: [Element])], in schema: TableSchema, expecting generation: UInt32
    ) throws(Base.Failure) -> Int { try base.discard(elements, in: schema, expecting: generation) }

    /// Judges a transaction without carrying it out.
    public func check(_ transaction: Transaction) throws(Base.Failure) { try base.check(transaction) }
}
