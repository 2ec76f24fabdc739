import Netfilter
import NetworkTypes
import ServiceDataplane

/// A look at what the packet path remembers of clients with affinity, for entries that have to go.
///
/// The maps have room for 262,144 clients of each family, and packets change them all the time. So a look has two parts: a dump, which
/// may take seconds, is only good for suspicions and can be taken anywhere; what is suspected is read again by key and removed by
/// the reconciler, a few hundred clients at a time, between two commits.
public struct ClientLook: Sendable {
    /// Clients of one family, by their keys.
    public struct Suspects: Sendable {
        /// The family.
        public var family: IPFamily
        /// Few enough for a look by key that holds nobody up.
        public var keys: [ElementKey]

        /// Names clients.
        public init(family: IPFamily, keys: [ElementKey]) {
            self.family = family
            self.keys = keys
        }
    }

    private let schemas: [TableSchema]
    private let claims: ClientClaims

    /// So many clients are looked at by key and removed in one go.
    static let clientsAtOnce = 256

    init(schemas: [TableSchema], claims: ClientClaims) {
        self.schemas = schemas
        self.claims = claims
    }

    /// Dumps the maps.
    ///
    /// - Parameter kernel: any connection to the tables.
    public func suspects<Kernel: DataplaneKernel>(in kernel: Kernel) throws(Kernel.Failure) -> [Suspects] {
        var result: [Suspects] = []
        for schema in schemas {
            var remembered: [SetID: ObservedElements] = [:]
            for set in schema.sets { remembered[set.id] = try kernel.elements(of: set, in: schema) }
            let keys = claims.suspects(schema.family, in: remembered)
            for start in stride(from: 0, to: keys.count, by: Self.clientsAtOnce) {
                let end = min(start + Self.clientsAtOnce, keys.count)
                result.append(Suspects(family: schema.family, keys: Array(keys[start..<end])))
            }
        }
        return result
    }
}

/// What became of suspects.
public struct ClientVerdicts: Hashable, Sendable {
    /// Clients that were forgotten.
    public var forgotten: [IPFamily: Int] = [:]
    /// Clients of which one of two maps has something: they go if the next look finds them like this.
    public var halves: Set<ElementKey> = []
    /// Clients that could not be judged, as the tables are not in line, or others commit all the time: they need another look.
    public var undecided = 0

    /// None.
    public init() {}

    /// Whether the maps were found as they should be.
    public var isClean: Bool { forgotten.isEmpty && halves.isEmpty && undecided == 0 }

    /// Whether something was found that is still there.
    public var isUnfinished: Bool { !halves.isEmpty || undecided > 0 }

    /// Adds those of other suspects.
    public mutating func add(_ others: ClientVerdicts) {
        forgotten.merge(others.forgotten) { $0 + $1 }
        halves.formUnion(others.halves)
        undecided += others.undecided
    }
}

extension Reconciler {
    /// How often suspects are judged again when somebody else has committed meanwhile.
    private static var judgements: Int { 4 }

    /// A look for clients that are remembered wrongly by what is wanted now. Nil while the kernel does not hold that.
    public func clientLook() -> ClientLook? {
        guard isSynchronized else { return nil }
        return ClientLook(schemas: IPFamily.allCases.map(memories), claims: currentClaims())
    }

    private func memories(_ family: IPFamily) -> TableSchema {
        let schema = desired.schema(family)
        return TableSchema(family: family, name: schema.name, sets: schema.clientMemories, chains: [])
    }

    private func currentClaims() -> ClientClaims {
        let current = claims ?? desired.clientClaims
        claims = current
        return current
    }

    /// Looks at suspects by key and removes what is stale by what is wanted now, whatever was wanted when they came under suspicion.
    ///
    /// No commit comes between the reading and the removal: own ones wait their turn, and the removal names the generation that was
    /// before the reading. Packets change no generation. One can bring a client that was stale back to life only if its entry expires
    /// in that moment and the client opens a connection in the same moment; it then has to be told its endpoint once more.
    ///
    /// - Parameter halves: clients that the look before has found in one of two maps only.
    public func forget(
        _ suspects: ClientLook.Suspects, halves: Set<ElementKey>
    ) throws(Kernel.Failure) -> ClientVerdicts {
        var verdicts = ClientVerdicts()
        let schema = memories(suspects.family)
        for _ in 0..<Self.judgements {
            guard isSynchronized else { break }
            let before = try kernel.generation()
            let (stale, found, changed) = try judge(suspects.keys, in: schema, halves)
            (verdicts.halves, verdicts.undecided) = (found, changed)
            let count = Set(stale.flatMap { $0.elements.map(\.key) }).count
            if count == 0 { return verdicts }
            do throws(Kernel.Failure) {
                let transactions = try kernel.discard(stale, in: schema, expecting: before)
                verdicts.forgotten[suspects.family] = count
                // Own commits only: what somebody else commits meanwhile is for `verify` to see.
                if before == generation { generation = before &+ UInt32(transactions) }
                return verdicts
            } catch {
                guard error.isStaleGeneration else { throw error }
            }
        }
        verdicts.undecided = suspects.keys.count
        return verdicts
    }

    /// The elements that have to go, the clients of which there is half, and how many changed meanwhile.
    private typealias Judgement = (
        stale: [(set: SetDeclaration, elements: [Element])], halves: Set<ElementKey>, changed: Int
    )

    /// Reads clients by key.
    private func judge(
        _ keys: [ElementKey], in schema: TableSchema, _ halves: Set<ElementKey>
    ) throws(Kernel.Failure) -> Judgement {
        let claims = currentClaims()
        guard let first = schema.sets.first(where: { $0.id == .affinity }) else { return ([], [], 0) }
        let second = schema.sets.first { $0.id == .affinityPort }
        let addresses = try kernel.elements(of: first, in: schema, keys: keys)
        var ports: [ElementKey: ObservedElement] = [:]
        var again = addresses
        if let second {
            ports = try kernel.elements(of: second, in: schema, keys: keys)
            // Two maps cannot be read in one moment. What the first one has before and after is what it had in the moment of the second:
            // an element's data never changes, as long as it is there.
            again = try kernel.elements(of: first, in: schema, keys: keys)
        }
        var stale: (first: [Element], second: [Element]) = ([], [])
        var found: Set<ElementKey> = []
        var changed = 0
        for key in keys {
            guard addresses[key] == again[key] else {
                changed += 1
                continue
            }
            switch claims.verdict(key, schema.family, address: addresses[key]?.value, port: ports[key]?.value) {
            case .gone, .live: continue
            case .half where !halves.contains(key): found.insert(key)
            case .half, .stale:
                if addresses[key] != nil { stale.first.append(Element(key)) }
                if ports[key] != nil { stale.second.append(Element(key)) }
            }
        }
        var elements = [(set: first, elements: stale.first)]
        if let second { elements.append((second, stale.second)) }
        return (elements, found, changed)
    }

    /// Looks until a look finds nothing, or so often: for who commits once.
    ///
    /// - Parameter pause: waits between two looks.
    public func forgetStaleClients(looks: Int, pause: () -> Void) throws(Kernel.Failure) -> ClientVerdicts {
        var all = ClientVerdicts()
        var halves: Set<ElementKey> = []
        for number in 0..<looks {
            if number > 0 { pause() }
            var verdicts = ClientVerdicts()
            guard let look = clientLook() else { break }
            for suspects in try look.suspects(in: kernel) { verdicts.add(try forget(suspects, halves: halves)) }
            all.forgotten.merge(verdicts.forgotten) { $0 + $1 }
            (all.halves, all.undecided) = (verdicts.halves, verdicts.undecided)
            if verdicts.isClean { break }
            halves = verdicts.halves
        }
        return all
    }
}
