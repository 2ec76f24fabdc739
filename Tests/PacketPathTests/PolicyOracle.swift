import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import PacketPath
import ServiceDataplane
import ServicePolicy

/// A random cluster on a node, with its tables, and what policy says of packets: a second reading of the rules of the API,
/// which knows no set and no chain.
struct PolicyOracle {
    var options: DataplaneOptions
    var node = NodeData()
    var own: Set<IPAddress> = []
    private(set) var services: [ResolvedService] = []
    private var tables: [IPFamily: Interpreter] = [:]

    /// What must become of a packet. The endpoints are those with the source kept, and those without.
    enum Expected: Equatable {
        /// One of these, by the slot of the flow.
        case direct(Set<End>)
        case reaches(kept: Set<Backend>, masqueraded: Set<Backend>)
        case refused
        case dropped
        case untouched
    }

    /// One thing that can become of a packet.
    enum End: Hashable {
        case reaches(Backend, masqueraded: Bool)
        case handedOn(IPAddress)
        case refused
        case dropped
        case untouched
    }

    /// - Parameter directReturn: whether Services have direct return: fewer, for each frontend has thousands of slots.
    init(seed: UInt64, options: DataplaneOptions, directReturn: Bool = false) {
        self.options = options
        var cluster = RandomServices(
            seed: seed, count: directReturn ? 8 : 30, mostEndpoints: directReturn ? 8 : 100, directReturn: directReturn)
        for family in Scene.families {
            let prefix = family == .ipv4 ? 28 : 124
            node.nodePortAddresses.append(Scene.address(family, 5, 1))
            node.serviceCIDRs += [CIDR(Scene.address(family, 0, 0), prefixLength: prefix)].compactMap { $0 }
            // Some endpoints (block 1) are pods in it, and callers of block 6.
            node.clusterCIDRs += [CIDR(Scene.address(family, 1, 0), prefixLength: family == .ipv4 ? 26 : 122)]
                .compactMap { $0 }
            own.formUnion([Scene.address(family, 5, 1), Scene.address(family, 5, 2), Scene.address(family, 1, 3)])
        }
        for key in cluster.keys {
            var service = cluster.service(key)
            for index in service.ports.indices {
                Self.decorate(&service.ports[index], &cluster.random, keepsLocal: directReturn)
            }
            services.append(service)
        }
        fill()
    }

    /// What the generator leaves out.
    private static func decorate(
        _ port: inout ResolvedServicePort, _ random: inout SeededGenerator, keepsLocal: Bool
    ) {
        port.noEndpointAction = random.oneIn(2) ? .reject : random.oneIn(2) ? .drop : .pass
        if random.oneIn(3) { port.affinityTimeout = random.oneIn(2) ? 60 : 10800 }
        if random.oneIn(3) {
            let block = CIDR(Scene.address(port.family, 6, 0), prefixLength: port.family == .ipv4 ? 30 : 126)
            port.sourceRanges = [block].compactMap { $0 }
        }
        if keepsLocal { return }
        port.localUsable = port.usable.filter { _ in random.oneIn(2) }
    }

    private mutating func fill() {
        var dataplane = Dataplane(options: options)
        var deltas = [dataplane.setNode(node)]
        deltas.append(dataplane.update(services.map { ($0.key, $0) }))
        for family in Scene.families {
            var elements: [SetID: [Element]] = [:]
            for (set, fixed) in dataplane.optionElements(family) { elements[set] = fixed }
            for delta in deltas { elements.merge(delta.tables[family].added) { $0 + $1 } }
            let state = TableState(schema: dataplane.schema(family), elements: elements)
            tables[family] = Interpreter(Ruleset(state), ownAddresses: own)
        }
    }

    /// The frontends with direct return that are theirs who ask for it.
    var directFrontends: [(frontend: Frontend, transport: TransportProtocol)] {
        services.flatMap(\.ports).flatMap { port in
            port.frontends.filter { port.directReturn != nil && $0.servesDirectReturn }.map { ($0, port.transport) }
        }
    }

    func outcomes(_ packet: Packet) -> [PacketOutcome] { tables[packet.family]?.outcomes(of: packet) ?? [] }

    // MARK: Policy

    private struct Claimed {
        var service: ResolvedService
        var port: ResolvedServicePort
        var frontend: Frontend
    }

    private func owner(_ address: IPAddress?, _ packet: Packet) -> Claimed? {
        var all: [Claimed] = []
        for service in services {
            for port in service.ports where port.family == packet.family && port.transport == packet.transport {
                for frontend in port.frontends where frontend.address == address && frontend.port == packet.port {
                    all.append(Claimed(service: service, port: port, frontend: frontend))
                }
            }
        }
        return all.min {
            ($0.service.creationTime, $0.service.key) < ($1.service.creationTime, $1.service.key)
        }
    }

    /// Whether some Service has the address as a ClusterIP on a port that no older one takes from it.
    private func isClusterIP(_ address: IPAddress) -> Bool {
        services.contains { service in
            service.ports.contains { port in
                port.frontends.contains { frontend in
                    guard frontend.kind == .clusterIP, frontend.address == address else { return false }
                    let packet = Packet(from: address, to: address, frontend.port, port.transport, origin: .node)
                    return owner(address, packet)?.service.key == service.key
                }
            }
        }
    }

    private func isOutside(_ packet: Packet) -> Bool {
        switch options.localDetector {
        case .clusterCIDRs, .nodeCIDRs: !node.clusterCIDRs.contains { $0.contains(packet.source) }
        case .bridge(let name): packet.origin != .interface(name)
        case .interfacePrefix(let prefix):
            if case .interface(let name) = packet.origin { !name.hasPrefix(prefix) } else { true }
        }
    }

    /// What becomes of a packet to an address that no frontend of the port has, or one that is left to routes.
    private func unowned(_ destination: IPAddress) -> Expected {
        if isClusterIP(destination) { return .refused }
        return node.serviceCIDRs.contains { $0.contains(destination) } ? .dropped : .untouched
    }

    func expected(_ packet: Packet) -> Expected { decide(packet).expected }

    /// The endpoints that it is spread over, each as often as it has slots.
    func pool(_ packet: Packet) -> [Backend] { decide(packet).pool }

    private func decide(_ packet: Packet) -> (expected: Expected, pool: [Backend]) {
        let isNodePort = node.nodePortAddresses.contains(packet.destination)
        guard let place = owner(packet.destination, packet) ?? (isNodePort ? owner(nil, packet) : nil) else {
            return (unowned(packet.destination), [])
        }
        let port = place.port
        if place.frontend.kind == .loadBalancerIP, let ranges = port.sourceRanges,
            !ranges.contains(where: { $0.contains(packet.source) })
        {
            return (.dropped, [])
        }
        let passes = port.noEndpointAction == .pass && place.frontend.isExternal
        if let direct = port.directReturn, place.frontend.servesDirectReturn, isDirect(packet) {
            return (.direct(ends(direct, packet, place)), [])
        }
        // None is usable, or all that are have weight 0.
        if port.clusterPool.isEmpty {
            if passes { return (unowned(packet.destination), []) }
            return (port.noEndpointAction == .drop ? .dropped : .refused, [])
        }
        let isBound: Bool
        if place.frontend.isExternal {
            let isForeign =
                packet.origin != .node && (isOutside(packet) || !options.localDetector.isActive(packet.family))
            isBound = port.externalPolicy == .local && (isForeign || options.strictLocal)
        } else {
            isBound = port.internalPolicy == .local
        }
        let pool = isBound ? port.localPool : port.clusterPool
        if pool.isEmpty { return (passes ? unowned(packet.destination) : .dropped, []) }
        let masqueraded = Set(pool.filter { isMasqueraded(packet, place, $0) })
        return (.reaches(kept: Set(pool).subtracting(masqueraded), masqueraded: masqueraded), pool)
    }

    /// Direct return is for packets from elsewhere that are from outside the cluster.
    private func isDirect(_ packet: Packet) -> Bool {
        packet.origin != .node
            && (isOutside(packet) || !options.localDetector.isActive(packet.family) || options.strictLocal)
    }

    /// The endpoint of the slot if it is here, else its address; where the policy keeps flows here, any endpoint here.
    private func ends(_ direct: DirectReturn, _ packet: Packet, _ place: Claimed) -> Set<End> {
        let port = place.port
        let here = Set(port.localUsable.map(\.address))
        func reached(_ backend: Backend) -> End {
            .reaches(backend, masqueraded: isMasqueraded(packet, place, backend))
        }
        let refusal: End = port.noEndpointAction == .reject ? .refused : .dropped
        let local = direct.members.filter { here.contains($0.address) }.map {
            direct.spread.isDrained ? refusal : reached($0)
        }
        if direct.keepsLocal { return Set(local + port.localPool.map(reached)) }
        let elsewhere = direct.members.filter { !here.contains($0.address) }.map { End.handedOn($0.address) }
        return Set(local + elsewhere)
    }

    private func isMasqueraded(_ packet: Packet, _ place: Claimed, _ backend: Backend) -> Bool {
        // It never leaves the node.
        if packet.origin != .node && own.contains(backend.address) { return false }
        let ports = services.flatMap(\.ports).filter { $0.family == packet.family }
        let isHairpin =
            packet.source == backend.address && ports.contains { $0.hairpinAddresses.contains(backend.address) }
        if isHairpin { return true }
        if isClusterIP(packet.destination) {
            if options.masqueradeAll { return true }
            if options.localDetector.isActive(packet.family), isOutside(packet) { return true }
        }
        let isNode = own.contains(packet.source)
        guard place.frontend.isExternal else { return false }
        let isLocal = ports.contains { $0.transport == packet.transport && $0.localUsable.contains(backend) }
        if options.preservesLocalSource, !isNode, isLocal { return false }
        let isDirect = place.port.directReturn != nil && place.frontend.servesDirectReturn && isDirect(packet)
        return !isDirect && place.port.externalPolicy == .cluster || isNode
    }
}
