import KubernetesModel
import Netfilter
import NetworkTypes
import ServicePolicy

/// What the node itself contributes to the tables' data.
public struct NodeData: Hashable, Sendable {
    /// The addresses of this node that accept node ports.
    public var nodePortAddresses: [IPAddress] = []
    /// The ranges that ClusterIPs are allocated from.
    public var serviceCIDRs: [CIDR] = []
    /// The ranges whose addresses count as in the cluster.
    public var clusterCIDRs: [CIDR] = []

    /// No address, no range.
    public init() {}
}

/// What a change of the cluster's state means for the tables.
public struct DataplaneDelta: Sendable {
    /// The code of all its findings.
    public static let contestedFrontend = "contested-frontend"

    /// The elements that change, by family.
    public var tables: [IPFamily: TableDelta] = [:]
    /// Whether clients may be remembered for endpoints that their pool has no longer.
    public var leavesStaleClients = false
    /// Frontends that more than one Service claims, one finding for each Service that loses one.
    public var findings: [Finding] = []
    /// The Services that `findings` speaks for: what was found before of contested frontends of these is out of date.
    public var settled: Set<ObjectKey> = []
    /// The flows that may not go on as they are, once the tables are changed.
    public var staleFlows = StaleFlows()
}

/// The desired state of both tables, kept as compact per-Service records: elements are made when they are needed.
///
/// A change of one Service costs the elements of that Service, whatever the size of the cluster.
public struct Dataplane: Sendable {
    struct Record: Sendable {
        /// As policy resolved it, but with the pools in the order of their slots.
        var resolved: ResolvedService
        /// Frontends that an older Service serves.
        var lost: Set<Claim> = []
        /// The numbers of each port's pools, if any port has affinity.
        var pools: [PoolNumbers] = []
    }

    /// What shapes the rules.
    public let options: DataplaneOptions
    /// The largest size class in use or provided for.
    public private(set) var largestExponent: Int { didSet { if largestExponent != oldValue { makeSchemas() } } }
    /// The affinity timeouts that there are rules for.
    public internal(set) var timeouts: AffinityTimeouts { didSet { if timeouts != oldValue { makeSchemas() } } }
    /// How many Services need each of them.
    var timeoutUses: [Int: Int] = [:]
    /// Timeouts that stay although no Service needs them; nil while Services are being loaded, when all stay.
    var sparedTimeouts: Set<Int>?
    /// The schema of each family's table, for the current size classes and timeouts.
    private var schemas: [IPFamily: TableSchema] = [:]
    /// The next number for a pool with affinity.
    var nextPool: UInt32
    /// The numbers that were taken over from the kernel.
    private var recoveredPools: Set<UInt32> = []
    /// The Services with affinity.
    var affineServices: Set<ObjectKey> = []
    /// The node's own data as last set.
    public private(set) var node = NodeData()

    private(set) var records: [ObjectKey: Record] = [:]
    private(set) var claims = Claims()
    private var shared = SharedElements()

    /// Starts without Services and addresses.
    ///
    /// - Parameters:
    ///   - largestExponent: the size class that the tables already provide for.
    ///   - timeouts: the affinity timeouts that the tables already provide for, or that will be needed; they stay until
    ///     `retireTimeouts`. Nil if none is known: then each goes with its last Service from the start.
    ///   - nextPool: the first number for a pool with affinity that is free; nil if all are.
    public init(
        options: DataplaneOptions, largestExponent: Int = PoolSize.initialExponent, timeouts: AffinityTimeouts? = nil,
        nextPool: UInt32? = nil
    ) {
        self.options = options
        self.nextPool = nextPool ?? AffinitySchema.firstPool
        self.timeouts = timeouts ?? AffinityTimeouts()
        sparedTimeouts = timeouts == nil ? [] : nil
        self.largestExponent = max(largestExponent, PoolSize.initialExponent)
        makeSchemas()
    }

    /// The number of Services that are served.
    public var serviceCount: Int { records.count }

    /// The schema of a family's table as it has to be for the current state.
    public func schema(_ family: IPFamily) -> TableSchema {
        schemas[family] ?? TableSchema(family: family, options: options)
    }

    private mutating func makeSchemas() {
        for family in IPFamily.allCases {
            schemas[family] = TableSchema(
                family: family, options: options, largestExponent: largestExponent, timeouts: timeouts)
        }
    }

    /// Replaces, adds or (with nil) removes Services.
    ///
    /// - Parameter installed: where to look for the slots and numbers of a Service that is new to this value.
    public mutating func update(
        _ changes: [(key: ObjectKey, resolved: ResolvedService?)], installed: InstalledState? = nil
    ) -> DataplaneDelta {
        var delta = DataplaneDelta()
        var before: [ObjectKey: Record?] = [:]
        var displaced: [ObjectKey] = []
        for (key, resolved) in changes {
            if before[key] == nil { before[key] = .some(records[key]) }
            let previous = records[key]
            let record = resolved.map { place($0, previous: previous, installed) }
            note(key, record, previous, &delta)
            displaced += replace(key, with: record)
        }
        for key in displaced where before[key] == nil { before[key] = .some(records[key]) }
        var withdrawn: [(IPFamily, SetID, ElementKey)] = []
        delta.settled = Set(before.keys)
        for (key, old) in before {
            settleClaims(of: key, findings: &delta.findings)
            emit(key, old: old, new: records[key], into: &delta, withdrawn: &withdrawn)
            delta.staleFlows.note(old: old, new: records[key])
        }
        for (family, set, key) in withdrawn where shared.withdraw(family, set, key) {
            delta.tables[family, default: TableDelta()].remove(set, Element(key))
        }
        dropUnusedTimeouts()
        return delta
    }

    /// Counts what Services that are left as they are share with others, so that it does not go with one of those, and
    /// keeps the numbers of their pools for them.
    public mutating func share(with retained: RetainedServices, in tables: [IPFamily: ObservedTable]) {
        retained.forEachShared(in: tables) { _ = shared.call($0, $1, $2) }
        recoveredPools.formUnion(retained.poolNumbers)
    }

    /// Makes room for so many Services, and for what they share as far as the tables have it already.
    public mutating func reserve(services: Int, _ tables: [IPFamily: ObservedTable]) {
        records.reserveCapacity(services)
        claims.reserveCapacity(services)
        for (family, table) in tables {
            for set in SharedElements.sets {
                if let count = table.elements[set]?.count { shared.reserve(family, set, count) }
            }
        }
    }

    /// Sets the node's own addresses and ranges.
    public mutating func setNode(_ new: NodeData) -> DataplaneDelta {
        var delta = DataplaneDelta()
        for family in IPFamily.allCases {
            var table = TableDelta()
            let pairs = zip(NodeElements.all(node, family), NodeElements.all(new, family))
            for ((set, old), (_, fresh)) in pairs {
                for element in old where !fresh.contains(element) { table.remove(set, element) }
                for element in fresh where !old.contains(element) { table.add(set, element) }
            }
            if !table.isEmpty { delta.tables[family] = table }
        }
        node = new
        return delta
    }

    /// The elements that follow from the options alone.
    public func optionElements(_ family: IPFamily) -> [(set: SetID, elements: [Element])] {
        guard options.servesLocalhostNodePorts, family == .ipv4 else { return [] }
        let loopback = CIDR(.v4(IPv4Address(rawValue: 127 << 24)), prefixLength: 8)
        return [(.loopback, NodeElements.intervals(loopback.map { [$0] } ?? [], family))]
    }

    // MARK: Records

    private mutating func place(
        _ resolved: ResolvedService, previous: Record?, _ installed: InstalledState?
    ) -> Record {
        var record = Record(resolved: resolved)
        let isAffine = resolved.ports.contains { $0.affinityTimeout != nil }
        for index in resolved.ports.indices {
            let port = resolved.ports[index]
            let old = previous.flatMap { record in
                Self.counterpart(of: port, at: index, in: record.resolved).map { (record, $0) }
            }
            let owns = { [claims] (frontend: Frontend) in
                claims.owner(Claim(frontend, port)).map { $0 == resolved.key } ?? true
            }
            let pools = old.map { $0.0.resolved.ports[$0.1] }
            record.resolved.ports[index].clusterPool = SlotPlacement.place(
                port.clusterPool, previous: pools?.clusterPool ?? installed?.slots(port, local: false, owns) ?? [])
            record.resolved.ports[index].localPool = SlotPlacement.place(
                port.localPool, previous: pools?.localPool ?? installed?.slots(port, local: true, owns) ?? [])
            guard isAffine else { continue }
            let numbers = old.flatMap { $0.0.pools.isEmpty ? nil : $0.0.pools[$0.1] }
            record.pools.append(number(port, previous: numbers, installed, owns))
        }
        return record
    }

    /// The numbers of a port's pools: those that it had, in this value or in the kernel, else new ones.
    private mutating func number(
        _ port: ResolvedServicePort, previous: PoolNumbers?, _ installed: InstalledState?,
        _ owns: (Frontend) -> Bool
    ) -> PoolNumbers {
        guard let timeout = port.affinityTimeout else { return PoolNumbers() }
        var numbers = previous ?? PoolNumbers()
        numbers.timeout = timeouts.position(of: timeout)
        if numbers.cluster == 0 { numbers.cluster = recover(installed?.pool(port, local: false, owns)) }
        if numbers.local == 0 { numbers.local = recover(installed?.pool(port, local: true, owns)) }
        return numbers
    }

    /// The number that the kernel has for a pool, unless another pool has it already: a frontend may have changed hands
    /// since. Two pools under one number would send each other's clients to the wrong endpoints.
    private mutating func recover(_ installed: UInt32?) -> UInt32 {
        if let installed, recoveredPools.insert(installed).inserted { return installed }
        return takeNumber()
    }

    private mutating func takeNumber() -> UInt32 {
        defer { nextPool &+= 1 }
        return nextPool
    }

    /// Keeps track of which Services have affinity, and whether clients have to be forgotten.
    private mutating func note(_ key: ObjectKey, _ new: Record?, _ old: Record?, _ delta: inout DataplaneDelta) {
        if new?.pools.isEmpty ?? true { affineServices.remove(key) } else { affineServices.insert(key) }
        countTimeouts(of: old, by: -1)
        countTimeouts(of: new, by: 1)
        guard let old, !old.pools.isEmpty, !delta.leavesStaleClients else { return }
        delta.leavesStaleClients = !old.keepsClients(in: new)
    }

    private static func counterpart(
        of port: ResolvedServicePort, at index: Int, in old: ResolvedService
    ) -> Int? {
        func matches(_ other: ResolvedServicePort) -> Bool {
            other.family == port.family && other.transport == port.transport && other.name == port.name
        }
        return index < old.ports.count && matches(old.ports[index]) ? index : old.ports.firstIndex(where: matches)
    }

    /// Puts a record in place and moves its claims. Returns other Services that claim what changes hands by it.
    private mutating func replace(_ key: ObjectKey, with record: Record?) -> [ObjectKey] {
        let old = records[key]
        records[key] = record
        if let old, let record, Self.sameClaims(old.resolved, record.resolved) {
            records[key]?.lost = old.lost
            return []
        }
        var displaced: [ObjectKey] = []
        let creation = (key: key, time: (record ?? old)?.resolved.creationTimestamp ?? "")
        let isOlder = { [records] (left: ObjectKey, right: ObjectKey) -> Bool in
            func rank(_ other: ObjectKey) -> (String, ObjectKey) {
                (other == creation.key ? creation.time : records[other]?.resolved.creationTimestamp ?? "", other)
            }
            return rank(left) < rank(right)
        }
        if let old {
            let new = Set(record.map { Self.claims(of: $0.resolved) } ?? [])
            for claim in Self.claims(of: old.resolved) where !new.contains(claim) {
                displaced += claims.remove(claim, by: key, isOlder: isOlder)
            }
        }
        for port in record?.resolved.ports ?? [] {
            for frontend in port.frontends {
                displaced += claims.add(Claim(frontend, port), by: key, isOlder: isOlder)
            }
        }
        return displaced
    }

    private static func sameClaims(_ old: ResolvedService, _ new: ResolvedService) -> Bool {
        guard old.creationTimestamp == new.creationTimestamp, old.ports.count == new.ports.count else { return false }
        return zip(old.ports, new.ports).allSatisfy {
            $0.frontends == $1.frontends && $0.transport == $1.transport && $0.family == $1.family
        }
    }

    private static func claims(of service: ResolvedService) -> [Claim] {
        service.ports.flatMap { port in port.frontends.map { Claim($0, port) } }
    }

    private mutating func settleClaims(of key: ObjectKey, findings: inout [Finding]) {
        guard let record = records[key] else { return }
        var lost: Set<Claim> = []
        for port in record.resolved.ports {
            for frontend in port.frontends {
                let claim = Claim(frontend, port)
                guard let owner = claims.owner(claim), owner != key else { continue }
                lost.insert(claim)
                findings.append(Self.contested(frontend, port, loser: key, winner: owner))
            }
        }
        if lost != record.lost { records[key]?.lost = lost }
    }

    private static func contested(
        _ frontend: Frontend, _ port: ResolvedServicePort, loser: ObjectKey, winner: ObjectKey
    ) -> Finding {
        let place = frontend.address.map { "\($0) \(port.transport) port \(frontend.port)" }
        return Finding(
            .error, code: DataplaneDelta.contestedFrontend, subject: ObjectID(kind: .service, key: loser),
            field: frontend.kind == .nodePort ? "spec.ports[].nodePort" : "spec.ports[].port",
            message: "\(place ?? "node port \(frontend.port) \(port.transport)") is served by the older Service "
                + "\(winner), this one has no effect there; remove it from one of the two")
    }

    // MARK: Elements

    private mutating func emit(
        _ key: ObjectKey, old: Record?, new: Record?, into delta: inout DataplaneDelta,
        withdrawn: inout [(IPFamily, SetID, ElementKey)]
    ) {
        for family in IPFamily.allCases {
            let before = old.map { items(of: key, $0, family) } ?? []
            let after = new.map { items(of: key, $0, family) } ?? []
            if before.isEmpty && after.isEmpty { continue }
            var table = delta.tables.removeValue(forKey: family) ?? TableDelta()
            for item in before where item.isShared { withdrawn.append((family, item.set, item.element.key)) }
            for item in after where item.isShared && shared.call(family, item.set, item.element.key) {
                table.add(item.set, item.element)
            }
            Self.compare(before, after, into: &table)
            if !table.isEmpty { delta.tables[family] = table }
        }
        for port in new?.resolved.ports ?? [] {
            // Hints narrow the cluster pool alone, so that the local one can be the larger of the two.
            let count = max(port.clusterPool.count, port.localPool.count)
            largestExponent = max(largestExponent, min(PoolSize.exponent(count), PoolSize.largestExponent))
        }
    }

    /// The record of a Service.
    func record(_ key: ObjectKey) -> Record? { records[key] }

    func items(of key: ObjectKey, _ record: Record, _ family: IPFamily) -> [ServiceElements.Item] {
        var elements = ServiceElements(key, listsLocalBackends: options.preservesLocalSource)
        for (index, port) in record.resolved.ports.enumerated() where port.family == family {
            elements.append(port, pools: record.pools.isEmpty ? PoolNumbers() : record.pools[index]) {
                record.lost.isEmpty || !record.lost.contains(Claim($0, port))
            }
        }
        return elements.items
    }

    /// What differs between the elements of a Service before and after. A Service has no element twice: policy leaves
    /// each frontend to one of its ports.
    private static func compare(
        _ before: [ServiceElements.Item], _ after: [ServiceElements.Item], into delta: inout TableDelta
    ) {
        if before.isEmpty {
            for item in after where !item.isShared { delta.add(item.set, item.element) }
            return
        }
        var old: [ElementID: Element] = [:]
        old.reserveCapacity(before.count)
        for item in before where !item.isShared { old[ElementID(set: item.set, key: item.element.key)] = item.element }
        for item in after where !item.isShared {
            if let previous = old.removeValue(forKey: ElementID(set: item.set, key: item.element.key)) {
                if previous == item.element { continue }
                delta.remove(item.set, previous)
            }
            delta.add(item.set, item.element)
        }
        for (id, element) in old { delta.remove(id.set, element) }
    }

    private struct ElementID: Hashable {
        var set: SetID
        var key: ElementKey
    }
}
