import KubernetesModel
import Netfilter
import NetworkTypes
import ServicePolicy

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
        /// The slots of ports with direct return, by the position of the port.
        var direct: [Int: DirectSlots] = [:]
    }

    /// What shapes the rules.
    public let options: DataplaneOptions
    /// The largest size class in use or provided for.
    public private(set) var largestExponent: Int { didSet { if largestExponent != oldValue { makeSchemas() } } }
    /// The affinity timeouts that there are chains for.
    public internal(set) var timeouts: AffinityTimeouts { didSet { if timeouts != oldValue { makeSchemas() } } }
    /// Whether there are rules for direct return.
    public internal(set) var returnsDirectly = false { didSet { if returnsDirectly != oldValue { makeSchemas() } } }
    /// How many Services have direct return, and whether its rules stay without any.
    var (directUses, sparesDirectReturn) = (0, false)
    /// How many Services need each of them.
    var timeoutUses: [Int: Int] = [:]
    /// Timeouts that stay although no Service needs them; nil while Services are being loaded, when all stay.
    var sparedTimeouts: Set<Int>?
    /// The schema of each family's table, for the current size classes and timeouts.
    private var schemas: [IPFamily: TableSchema] = [:]
    /// The next number for a pool with affinity.
    var nextPool: UInt32
    /// The numbers that were taken over from the kernel.
    var recoveredPools: Set<UInt32> = []
    /// The Services with affinity.
    var affineServices: Set<ObjectKey> = []
    /// The node's own data as last set.
    public private(set) var node = NodeData()

    var records = RecordTable()
    var claims = Claims()
    var shared = SharedElements()
    /// Where the endpoints of Services are whose endpoints change by themselves (`takesEndpoints`), port by port.
    var portIndexes: [ObjectKey: [PortIndex]] = [:]

    /// Starts without Services and addresses.
    ///
    /// - Parameters:
    ///   - largestExponent: the size class that the tables already provide for.
    ///   - timeouts: the affinity timeouts that the tables already provide for, or that will be needed; they stay until
    ///     `retireTimeouts`. Nil if none is known: then each goes with its last Service from the start.
    ///   - nextPool: the first number for a pool with affinity that is free; nil if all are.
    ///   - directReturn: whether the tables already provide for direct return.
    public init(
        options: DataplaneOptions, largestExponent: Int = PoolSize.initialExponent, timeouts: AffinityTimeouts? = nil,
        nextPool: UInt32? = nil, directReturn: Bool = false
    ) {
        self.options = options
        returnsDirectly = directReturn
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
                family: family, options: options, largestExponent: largestExponent, timeouts: timeouts,
                directReturn: returnsDirectly)
        }
    }

    /// Replaces, adds or (with nil) removes Services, and changes the endpoints of others.
    public mutating func update(
        _ changes: [(key: ObjectKey, resolved: ResolvedService?)],
        endpoints: [(key: ObjectKey, changes: [EndpointChanges])] = []
    ) -> DataplaneDelta {
        var delta = DataplaneDelta()
        var nothing = RecoveredLayout()
        delta.effects = update(changes, endpoints: endpoints, recovering: &nothing, into: &delta.tables)
        return delta
    }

    /// Replaces, adds or (with nil) removes Services.
    ///
    /// - Parameters:
    ///   - endpoints: Services of which some endpoints alone change, for each port: those that `takesEndpoints` is true of, and that
    ///     are not among `changes`.
    ///   - layout: where a Service that is new to this value takes its slots and numbers from.
    ///   - sink: takes the elements that come and go: of a Service that is new to this value all.
    public mutating func update(
        _ changes: [(key: ObjectKey, resolved: ResolvedService?)],
        endpoints: [(key: ObjectKey, changes: [EndpointChanges])] = [], recovering layout: inout RecoveredLayout,
        into sink: inout some ElementSink
    ) -> ServiceEffects {
        var effects = ServiceEffects()
        effects.settled.reserveCapacity(changes.count)
        // In the order of the changes: so elements are compared in the order in which they were read.
        var before: [(key: ObjectKey, record: Record?)] = []
        before.reserveCapacity(changes.count)
        var displaced: [ObjectKey] = []
        for (key, resolved) in changes {
            let previous = records[key]
            if effects.settled.insert(key).inserted { before.append((key, previous)) }
            let record = resolved.map { place($0, previous: previous, &layout) }
            note(key, record, previous, &effects)
            displaced += replace(key, previous, with: record)
        }
        for key in displaced where effects.settled.insert(key).inserted { before.append((key, records[key])) }
        var withdrawn: [(IPFamily, SetID, ElementKey)] = []
        for (key, changes) in endpoints {
            // Of a Service that gets or loses a frontend in the same round everything is compared.
            let emits = !effects.settled.contains(key)
            change(changes, of: key, emits: emits, into: &sink, withdrawn: &withdrawn, effects: &effects)
        }
        for (key, old) in before {
            let new = settleClaims(of: key, findings: &effects.findings)
            emit(key, old: old, new: new, into: &sink, withdrawn: &withdrawn)
            effects.staleFlows.note(old: old, new: new)
        }
        for (family, set, key) in withdrawn where shared.withdraw(family, set, key) {
            sink.remove(family, set, Element(key))
        }
        dropUnusedTimeouts()
        dropUnusedDirectReturn()
        for key in effects.settled { records.pack(key) }
        return effects
    }

    /// Sets the node's own addresses and ranges.
    public mutating func setNode(_ new: NodeData) -> DataplaneDelta {
        var delta = DataplaneDelta()
        for family in IPFamily.allCases {
            let pairs = zip(NodeElements.all(node, family), NodeElements.all(new, family))
            for ((set, old), (_, fresh)) in pairs {
                // What is called for before anything is withdrawn never leaves.
                let isShared = SharedElements.sets.contains(set)
                for element in fresh where !old.contains(element) {
                    if !isShared || shared.call(family, set, element.key) { delta.tables.add(family, set, element) }
                }
                for element in old where !fresh.contains(element) {
                    if !isShared || withdraw(family, set, element.key) { delta.tables.remove(family, set, element) }
                }
            }
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
        _ resolved: ResolvedService, previous: Record?, _ layout: inout RecoveredLayout
    ) -> Record {
        var record = Record(resolved: resolved)
        let isAffine = resolved.ports.contains { $0.affinityTimeout != nil }
        for index in resolved.ports.indices {
            let port = resolved.ports[index]
            let old = previous.flatMap { record in
                Self.counterpart(of: port, at: index, in: record.resolved).map { (record, $0) }
            }
            func owns(_ frontend: Frontend) -> Bool {
                claims.owner(Claim(frontend, port)).map { $0 == resolved.key } ?? true
            }
            func place(_ members: [Backend], _ previous: [Backend]?, local: Bool) -> [Backend] {
                previous.map { SlotPlacement.place(members, previous: $0) }
                    ?? layout.place(members, of: port, local: local, owns)
            }
            let pools = old.map { $0.0.resolved.ports[$0.1] }
            let clusterPool = place(port.clusterPool, pools?.clusterPool, local: false)
            let localPool = place(port.localPool, pools?.localPool, local: true)
            // Nothing is copied where nothing moves.
            if clusterPool != port.clusterPool { record.resolved.ports[index].clusterPool = clusterPool }
            if localPool != port.localPool { record.resolved.ports[index].localPool = localPool }
            if let direct = port.directReturn {
                returnsDirectly = true
                let frontend = old == nil ? layout.directFrontend(port, owns) : nil
                record.direct[index] = DirectSlots(port, direct, previous: old.flatMap { $0.0.direct[$0.1] }) { slot in
                    frontend.map { layout.directSlot(slot, of: $0, port.family) } ?? (nil, nil)
                }
            }
            guard isAffine else { continue }
            let numbers = old.flatMap { $0.0.pools.isEmpty ? nil : $0.0.pools[$0.1] }
            record.pools.append(number(port, previous: numbers, &layout, owner: resolved.key))
        }
        return record
    }

    /// The numbers of a port's pools: those that it had, in this value or in the kernel, else new ones.
    private mutating func number(
        _ port: ResolvedServicePort, previous: PoolNumbers?, _ layout: inout RecoveredLayout, owner: ObjectKey
    ) -> PoolNumbers {
        guard let timeout = port.affinityTimeout else { return PoolNumbers() }
        func owns(_ frontend: Frontend) -> Bool {
            claims.owner(Claim(frontend, port)).map { $0 == owner } ?? true
        }
        var numbers = previous ?? PoolNumbers()
        // The kernel would go on with the shorter timeout of what it remembers, and show a longer time left: it refuses to load that.
        if numbers.timeout < timeout { numbers = PoolNumbers() }
        timeouts.insert(timeout)
        numbers.timeout = timeout
        if numbers.cluster == 0 {
            let found = layout.pool(port, local: false, timeout: timeout, owns)
            numbers.cluster = recover(found)
        }
        if numbers.local == 0 {
            let found = layout.pool(port, local: true, timeout: timeout, owns)
            numbers.local = recover(found)
        }
        return numbers
    }

    /// The number that the kernel has for a pool, unless another pool has it already: a frontend may have changed hands
    /// since. Two pools under one number would send each other's clients to the wrong endpoints.
    private mutating func recover(_ found: UInt32?) -> UInt32 {
        if let found, recoveredPools.insert(found).inserted { return found }
        return takeNumber()
    }

    private mutating func takeNumber() -> UInt32 {
        defer { nextPool &+= 1 }
        return nextPool
    }

    /// Keeps track of which Services have affinity, and whether clients have to be forgotten.
    private mutating func note(_ key: ObjectKey, _ new: Record?, _ old: Record?, _ effects: inout ServiceEffects) {
        if new?.pools.isEmpty ?? true { affineServices.remove(key) } else { affineServices.insert(key) }
        directUses += (new?.direct.isEmpty ?? true ? 0 : 1) - (old?.direct.isEmpty ?? true ? 0 : 1)
        countTimeouts(of: old, by: -1)
        countTimeouts(of: new, by: 1)
        guard let old, !old.pools.isEmpty, !effects.leavesStaleClients else { return }
        effects.leavesStaleClients = !old.keepsClients(in: new)
    }

    /// Puts a record in place and moves its claims. Returns other Services that claim what changes hands by it.
    private mutating func replace(_ key: ObjectKey, _ old: Record?, with record: Record?) -> [ObjectKey] {
        records[key] = record
        portIndexes[key] = nil
        if let old, let record, Self.sameClaims(old.resolved, record.resolved) {
            if !old.lost.isEmpty { records[key]?.lost = old.lost }
            return []
        }
        var displaced: [ObjectKey] = []
        let creation = (key: key, time: (record ?? old)?.resolved.creationTime ?? CreationTime(""))
        func isOlder(_ left: ObjectKey, _ right: ObjectKey) -> Bool {
            func rank(_ other: ObjectKey) -> (CreationTime, ObjectKey) {
                let time = other == creation.key ? creation.time : records[other]?.resolved.creationTime
                return (time ?? CreationTime(""), other)
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

    /// Notes which frontends of a Service an older one serves. Returns its record as it is then.
    private mutating func settleClaims(of key: ObjectKey, findings: inout [Finding]) -> Record? {
        guard var record = records[key] else { return nil }
        var lost: Set<Claim> = []
        for port in record.resolved.ports {
            for frontend in port.frontends {
                let claim = Claim(frontend, port)
                guard let owner = claims.owner(claim), owner != key else { continue }
                lost.insert(claim)
                findings.append(Self.contested(frontend, port, loser: key, winner: owner))
            }
        }
        if lost != record.lost {
            record.lost = lost
            records[key] = record
        }
        return record
    }

    // MARK: Elements

    private mutating func emit(
        _ key: ObjectKey, old: Record?, new: Record?, into sink: inout some ElementSink,
        withdrawn: inout [(IPFamily, SetID, ElementKey)]
    ) {
        for family in IPFamily.allCases {
            if old == nil, let new {
                emit(key, new, family, into: &sink)
                continue
            }
            let before = old.map { items(of: key, $0, family) } ?? []
            let after = new.map { items(of: key, $0, family) } ?? []
            emit(before, after, family, into: &sink, withdrawn: &withdrawn)
        }
        for port in new?.resolved.ports ?? [] { provide(for: port) }
    }

    /// Hands over what differs between elements of a Service before and after.
    mutating func emit(
        _ before: [ElementList.Item], _ after: [ElementList.Item], _ family: IPFamily,
        into sink: inout some ElementSink, withdrawn: inout [(IPFamily, SetID, ElementKey)]
    ) {
        if before.isEmpty && after.isEmpty { return }
        for item in before where item.isShared { withdrawn.append((family, item.set, item.element.key)) }
        for item in after where item.isShared && shared.call(family, item.set, item.element.key) {
            sink.add(family, item.set, item.element)
        }
        Self.compare(before, after, family, into: &sink)
    }

    /// Sees to it that the tables have the size classes of a port's pools.
    mutating func provide(for port: ResolvedServicePort) {
        // Hints narrow the cluster pool alone, so that the local one can be the larger of the two.
        let count = max(port.clusterPool.count, port.localPool.count)
        largestExponent = max(largestExponent, min(PoolSize.exponent(count), PoolSize.largestExponent))
    }

    /// A Service that is new to this value: its elements go to the sink as they are made.
    private mutating func emit(
        _ key: ObjectKey, _ record: Record, _ family: IPFamily, into sink: inout some ElementSink
    ) {
        guard record.resolved.ports.contains(where: { $0.family == family }) else { return }
        // Both are moved and not copied: writing to what has a second owner would copy it.
        var first = FirstCalls(family: family, shared: shared, sink: consume sink)
        shared = SharedElements()
        for index in record.resolved.ports.indices where record.resolved.ports[index].family == family {
            let (usable, transport) = (record.resolved.ports[index].usable, record.resolved.ports[index].transport)
            first.shared.expect(family, .backends, usable.indices) { ServiceElements.key(of: usable[$0], transport) }
        }
        make(key, record, family, into: &first)
        shared = first.shared
        sink = first.sink
    }

    /// Hands on the elements of a Service, those that Services share only if nobody has called for them before.
    private struct FirstCalls<Sink: ElementSink>: ServiceElementSink {
        let family: IPFamily
        var shared: SharedElements
        var sink: Sink

        mutating func take(_ set: SetID, _ element: Element, isShared: Bool) {
            if isShared, !shared.call(family, set, element.key) { return }
            sink.add(family, set, element)
        }
    }

    /// The record of a Service.
    func record(_ key: ObjectKey) -> Record? { records[key] }

    /// The elements of a Service in one family.
    func items(of key: ObjectKey, _ record: Record, _ family: IPFamily) -> [ElementList.Item] {
        var list = ElementList()
        make(key, record, family, into: &list)
        return list.items
    }

    private func make(_ key: ObjectKey, _ record: Record, _ family: IPFamily, into sink: inout some ServiceElementSink)
    {
        var elements = ServiceElements(key, options)
        for (index, port) in record.resolved.ports.enumerated() where port.family == family {
            elements.make(
                port, pools: record.pools.isEmpty ? PoolNumbers() : record.pools[index],
                direct: record.direct[index], into: &sink
            ) {
                record.lost.isEmpty || !record.lost.contains(Claim($0, port))
            }
        }
    }
}
