import Logging
import Netfilter
import NetlinkTransport
import NetworkTypes

/// The kernel, and how long it took: for the debug line of `apply`.
final class TimedKernel: DataplaneKernel {
    private let kernel: NftablesKernel
    private let clock = ContinuousClock()
    /// Reading what there is.
    private(set) var observing = Duration.zero
    /// Encoding transactions and having them carried out, most of it beside the planning.
    private(set) var committing = Duration.zero

    init(_ kernel: NftablesKernel) { self.kernel = kernel }

    var elementCapacity: Int { kernel.elementCapacity }

    func generation() throws(NetlinkError) -> UInt32 { try kernel.generation() }

    func ownership(ofTable name: String) throws(NetlinkError) -> [IPFamily: TableOwnership] {
        try kernel.ownership(ofTable: name)
    }

    func observe(
        tableName: String, guesses: ElementGuesses, schemas: ([IPFamily: Set<String>]) -> [TableSchema]
    ) throws(NetlinkError) -> Observation {
        let start = clock.now
        defer { observing += clock.now - start }
        return try kernel.observe(tableName: tableName, guesses: guesses, schemas: schemas)
    }

    func commit(_ transaction: Transaction, expecting generation: UInt32?) throws(NetlinkError) {
        let start = clock.now
        defer { committing += clock.now - start }
        try kernel.commit(transaction, expecting: generation)
    }

    func submit(
        _ transaction: Transaction, expecting generation: UInt32?, done: @escaping (Duration) -> Void
    ) throws(NetlinkError) {
        try kernel.submit(transaction, expecting: generation) { [unowned self] duration in
            committing += duration
            done(duration)
        }
    }

    func settle() throws(NetlinkError) { try kernel.settle() }

    func elements(of set: SetDeclaration, in schema: TableSchema) throws(NetlinkError) -> ObservedElements {
        let start = clock.now
        defer { observing += clock.now - start }
        return try kernel.elements(of: set, in: schema)
    }

    func elements(
        of set: SetDeclaration, in schema: TableSchema, keys: [ElementKey]
    ) throws(NetlinkError) -> [ElementKey: ObservedElement] {
        let start = clock.now
        defer { observing += clock.now - start }
        return try kernel.elements(of: set, in: schema, keys: keys)
    }

    func discard(
        _ elements: [(set: SetDeclaration, elements: [Element])], in schema: TableSchema, expecting generation: UInt32
    ) throws(NetlinkError) -> Int {
        let start = clock.now
        defer { committing += clock.now - start }
        return try kernel.discard(elements, in: schema, expecting: generation)
    }

    func check(_ transaction: Transaction) throws(NetlinkError) { try kernel.check(transaction) }
}

/// Where the time of a one-shot command goes.
struct PhaseTimes {
    private let clock = ContinuousClock()
    private var last: ContinuousClock.Instant
    private var phases: [(name: String, duration: Duration)] = []

    init() { last = clock.now }

    /// Ends a phase; `parts` of it are told apart.
    mutating func end(_ name: String, parts: [(String, Duration)] = []) {
        let now = clock.now
        phases += parts
        phases.append((name, parts.reduce(now - last) { $0 - $1.1 }))
        last = now
    }

    /// One line with the milliseconds of each phase.
    func report(_ logger: Logger) {
        let text = phases.map { "\($0.name)=\(Double($0.duration / .microseconds(10)).rounded() / 100)" }
        logger.debug("time in ms: \(text.joined(separator: " "))")
    }
}
