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

    /// No address, no range.
    public init() {}
}

/// What a change of the cluster's state means for the tables.
public struct DataplaneDelta: Sendable {
    /// The code of all its findings.
    public static let contestedFrontend = "contested-frontend"

    /// The elements that change, by family.
    public var tables: [IPFamily: TableDelta] = [:]
    /// The size class that the largest pool now needs: if it grew, sets, chains and rules are to be added first.
    public var largestExponent: Int
    /// Frontends that more than one Service claims, one finding for each Service that loses one.
    public var findings: [Finding] = []
    /// The Services that `findings` speaks for: what was found before of contested frontends of these is out of date.
    public var settled: Set<ObjectKey> = []
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
    }

    /// What shapes the rules.
    public let options: DataplaneOptions
    /// The largest size class in use or provided for.
    public private(set) var largestExponent: Int
    /// The node's own data as last set.
    public private(set) var node = NodeData()

    private var records: [ObjectKey: Record] = [:]
    private var claims = Claims()
    private var shared: [IPFamily: SharedElements] = [.ipv4: SharedElements(), .ipv6: SharedElements()]

    /// Starts without Services and addresses.
    ///
    /// - Parameter largestExponent: the size class that the tables already provide for.
    public init(options: DataplaneOptions, largestExponent: Int = PoolSize.initialExponent) {
        self.options = options
        self.largestExponent = max(largestExponent, PoolSize.initialExponent)
    }

    /// The number of Services that are served.
    public var serviceCount: Int { records.count }

    /// The schema of a family's table as it has to be for the current state.
    public func schema(_ family: IPFamily) -> TableSchema {
        TableSchema(family: family, options: options, largestExponent: largestExponent)
    }

    /// Slots that are already taken, as the kernel has them: `(family, map, frontend) -> endpoints in slot order`.
    public typealias SlotHint = (IPFamily, SetID, KeyBuilder) -> [Backend]

    /// Replaces, adds or (with nil) removes Services.
    ///
    /// - Parameter slotHint: where to look for the slots of a Service that is new to this value.
    public mutating func update(
        _ changes: [(key: ObjectKey, resolved: ResolvedService?)], slotHint: SlotHint? = nil
    ) -> DataplaneDelta {
        var delta = DataplaneDelta(largestExponent: largestExponent)
        var before: [ObjectKey: Record?] = [:]
        var displaced: [ObjectKey] = []
        for (key, resolved) in changes {
            if before[key] == nil { before[key] = .some(records[key]) }
            let record = resolved.map { place($0, previous: records[key], hint: slotHint) }
            displaced += replace(key, with: record)
        }
        for key in displaced where before[key] == nil { before[key] = .some(records[key]) }
        delta.settled = Set(before.keys)
        for (key, old) in before {
            settleClaims(of: key, findings: &delta.findings)
            emit(key, old: old, new: records[key], into: &delta)
        }
        settleShared(into: &delta)
        delta.largestExponent = largestExponent
        return delta
    }

    /// Sets the node's own addresses and ranges.
    public mutating func setNode(_ new: NodeData) -> DataplaneDelta {
        var delta = DataplaneDelta(largestExponent: largestExponent)
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
        [(.clusterCIDRs, NodeElements.intervals(options.clusterCIDRs, family))]
    }

    // MARK: Records

    private func place(_ resolved: ResolvedService, previous: Record?, hint: SlotHint?) -> Record {
        var resolved = resolved
        let key = resolved.key
        for index in resolved.ports.indices {
            let port = resolved.ports[index]
            let old = previous.flatMap { Self.counterpart(of: port, at: index, in: $0.resolved) }
            resolved.ports[index].clusterPool = SlotPlacement.place(
                port.clusterPool,
                previous: old?.clusterPool ?? hint.map { hinted(port, of: key, local: false, $0) } ?? [])
            resolved.ports[index].localPool = SlotPlacement.place(
                port.localPool, previous: old?.localPool ?? hint.map { hinted(port, of: key, local: true, $0) } ?? [])
        }
        return Record(resolved: resolved)
    }

    private static func counterpart(
        of port: ResolvedServicePort, at index: Int, in old: ResolvedService
    ) -> ResolvedServicePort? {
        func matches(_ other: ResolvedServicePort) -> Bool {
            other.family == port.family && other.transport == port.transport && other.name == port.name
        }
        if index < old.ports.count, matches(old.ports[index]) { return old.ports[index] }
        return old.ports.first(where: matches)
    }

    /// The slots that the kernel has for the pool: those of its first frontend that has any. At a frontend that an
    /// older Service serves, the slots are those of that Service.
    private func hinted(
        _ port: ResolvedServicePort, of service: ObjectKey, local: Bool, _ hint: SlotHint
    ) -> [Backend] {
        for frontend in port.frontends {
            if let owner = claims.owner(Claim(frontend, port)), owner != service { continue }
            let isNodePort = frontend.kind == .nodePort
            let kind: PoolKind
            switch (local, frontend.kind) {
            case (false, .clusterIP): kind = port.internalPolicy == .cluster ? .services : .localServices
            case (true, .clusterIP): kind = port.internalPolicy == .local ? .services : .localServices
            case (false, _): kind = isNodePort ? .nodePorts : .services
            case (true, _): kind = isNodePort ? .localNodePorts : .localServices
            }
            let slots = hint(port.family, kind.slots, ServiceElements.key(of: frontend, port.transport))
            if !slots.isEmpty { return slots }
        }
        return []
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
        let new = Set(record.map { Self.claims(of: $0.resolved) } ?? [])
        for claim in old.map({ Self.claims(of: $0.resolved) }) ?? [] where !new.contains(claim) {
            displaced += claims.remove(claim, by: key, isOlder: isOlder)
        }
        for claim in new {
            displaced += claims.add(claim, by: key, isOlder: isOlder)
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

    private mutating func emit(_ key: ObjectKey, old: Record?, new: Record?, into delta: inout DataplaneDelta) {
        for family in IPFamily.allCases {
            let before = old.map { Self.items(of: key, $0, family) } ?? []
            let after = new.map { Self.items(of: key, $0, family) } ?? []
            if before.isEmpty && after.isEmpty { continue }
            for item in before where item.isShared { shared[family]?.remove(item.set, item.element.key) }
            for item in after where item.isShared { shared[family]?.add(item.set, item.element.key) }
            Self.compare(before, after, into: &delta.tables[family, default: TableDelta()])
        }
        for port in new?.resolved.ports ?? [] {
            // Hints narrow the cluster pool alone, so that the local one can be the larger of the two.
            let count = max(port.clusterPool.count, port.localPool.count)
            largestExponent = max(largestExponent, min(PoolSize.exponent(count), PoolSize.largestExponent))
        }
    }

    private static func items(of key: ObjectKey, _ record: Record, _ family: IPFamily) -> [ServiceElements.Item] {
        var elements = ServiceElements(key)
        for port in record.resolved.ports where port.family == family {
            elements.append(port) { record.lost.isEmpty || !record.lost.contains(Claim($0, port)) }
        }
        return elements.items
    }

    private static func compare(
        _ before: [ServiceElements.Item], _ after: [ServiceElements.Item], into delta: inout TableDelta
    ) {
        var old: [SharedElements.Tag: Element] = [:]
        for item in before where !item.isShared {
            old[SharedElements.Tag(set: item.set, key: item.element.key)] = item.element
        }
        var added: Set<SharedElements.Tag> = []
        for item in after where !item.isShared {
            let tag = SharedElements.Tag(set: item.set, key: item.element.key)
            if !before.isEmpty, let previous = old.removeValue(forKey: tag) {
                if previous == item.element { continue }
                delta.remove(item.set, previous)
            }
            if added.insert(tag).inserted { delta.add(item.set, item.element) }
        }
        for (tag, element) in old { delta.remove(tag.set, element) }
    }

    private mutating func settleShared(into delta: inout DataplaneDelta) {
        for family in IPFamily.allCases {
            shared[family]?.settle(into: &delta.tables[family, default: TableDelta()])
            if delta.tables[family]?.isEmpty == true { delta.tables[family] = nil }
        }
    }
}
