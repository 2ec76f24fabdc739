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
    /// The elements that change, by family.
    public var tables: [IPFamily: TableDelta] = [:]
    /// The size class that the largest pool now needs: if it grew, sets, chains and rules are to be added first.
    public var largestExponent: Int
    /// Frontends that more than one Service claims, one finding for each Service that loses one.
    public var findings: [Finding] = []
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
    }

    /// What shapes the rules.
    public let options: DataplaneOptions
    /// The largest size class in use or provided for.
    public private(set) var largestExponent: Int
    /// The node's own data as last set.
    public private(set) var node = NodeData()

    private(set) var records: [ObjectKey: Record] = [:]
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
        var withdrawn: [(IPFamily, SetID, ElementKey)] = []
        for (key, old) in before {
            settleClaims(of: key, findings: &delta.findings)
            emit(key, old: old, new: records[key], into: &delta, withdrawn: &withdrawn)
            delta.staleFlows.note(old: old, new: records[key])
        }
        for (family, set, key) in withdrawn where shared[family]?.withdraw(set, key) == true {
            delta.tables[family, default: TableDelta()].remove(set, Element(key))
        }
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
        for index in resolved.ports.indices {
            let port = resolved.ports[index]
            let old = previous.flatMap { Self.counterpart(of: port, at: index, in: $0.resolved) }
            resolved.ports[index].clusterPool = SlotPlacement.place(
                port.clusterPool, previous: old?.clusterPool ?? hint.map { Self.hinted(port, local: false, $0) } ?? [])
            resolved.ports[index].localPool = SlotPlacement.place(
                port.localPool, previous: old?.localPool ?? hint.map { Self.hinted(port, local: true, $0) } ?? [])
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

    /// The slots that the kernel has for the pool: those of its first frontend that has any.
    private static func hinted(_ port: ResolvedServicePort, local: Bool, _ hint: SlotHint) -> [Backend] {
        for frontend in port.frontends {
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

    /// Puts a record in place and moves its claims. Returns other Services whose frontends change hands by it.
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
            if let other = claims.remove(claim, by: key, isOlder: isOlder) { displaced.append(other) }
        }
        for claim in new {
            if let other = claims.add(claim, by: key, isOlder: isOlder) { displaced.append(other) }
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
            .error, code: "contested-frontend", subject: ObjectID(kind: .service, key: loser),
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
            let before = old.map { Self.items(of: key, $0, family) } ?? []
            let after = new.map { Self.items(of: key, $0, family) } ?? []
            if before.isEmpty && after.isEmpty { continue }
            var table = delta.tables.removeValue(forKey: family) ?? TableDelta()
            for item in before where item.isShared { withdrawn.append((family, item.set, item.element.key)) }
            for item in after where item.isShared && shared[family]?.call(item.set, item.element.key) == true {
                table.add(item.set, item.element)
            }
            Self.compare(before, after, into: &table)
            if !table.isEmpty { delta.tables[family] = table }
        }
        for port in new?.resolved.ports ?? [] {
            largestExponent = max(
                largestExponent, min(PoolSize.exponent(port.clusterPool.count), PoolSize.largestExponent))
        }
    }

    private static func items(of key: ObjectKey, _ record: Record, _ family: IPFamily) -> [ServiceElements.Item] {
        var elements = ServiceElements(key)
        for port in record.resolved.ports where port.family == family {
            elements.append(port) { record.lost.isEmpty || !record.lost.contains(Claim($0, port)) }
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
