import DataplaneTestKit
import KubernetesModel
import NetworkTypes

/// Makes objects as an API server could have them, with everything by chance.
struct RandomObjects {
    var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    /// An object of the kind.
    mutating func object(_ kind: ObjectID.Kind) -> ClusterObject {
        switch kind {
        case .service: .service(service())
        case .endpointSlice: .endpointSlice(slice())
        case .node: .node(node())
        case .serviceCIDR: .serviceCIDR(serviceCIDR())
        }
    }

    private mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }

    private mutating func name() -> String {
        let length = [1, 8, 15, 16, 17, 40, 63][below(7)]
        return String((0..<length).map { _ in "abcdefghijklmnopqrstuvwxyz0123456789"[below(36)] })
    }

    private mutating func key() -> ObjectKey { ObjectKey(namespace: name(), name: name()) }

    private mutating func address(_ family: IPFamily) -> IPAddress {
        switch family {
        case .ipv4: .v4(IPv4Address(rawValue: 0x0A00_0000 | UInt32(below(1 << 24))))
        case .ipv6: .v6(IPv6Address(high: 0xFD00 << 48 | UInt64(below(1 << 16)), low: random.next()))
        }
    }

    private mutating func families() -> [IPFamily] {
        [[.ipv4], [.ipv6], [.ipv4, .ipv6], [.ipv6, .ipv4]][below(4)]
    }

    private mutating func block(_ family: IPFamily) -> CIDR? {
        CIDR(address(family), prefixLength: below(family.addressBits + 1))
    }

    private mutating func some<Value>(_ most: Int, _ make: (inout RandomObjects) -> Value?) -> [Value] {
        (0..<below(most + 1)).compactMap { _ in make(&self) }
    }

    private mutating func transport() -> TransportProtocol { TransportProtocol.allCases[below(3)] }

    private mutating func timestamp() -> String {
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(1970 + below(130))-\(two(1 + below(12)))-\(two(1 + below(28)))"
        return "\(date)T\(two(below(24))):\(two(below(60))):\(two(below(60)))Z"
    }

    private mutating func service() -> Service {
        var service = Service(key: key())
        service.creationTimestamp = random.oneIn(10) ? "" : timestamp()
        if random.oneIn(5) { service.serviceProxyName = name() }
        if random.oneIn(3) { service.annotations = ["fairlead.dev/\(name())": name()] }
        service.type = Service.ServiceType.allCases[below(4)]
        switch service.type {
        case .externalName: break
        case .clusterIP where random.oneIn(4): service.isHeadless = true
        default: service.clusterIPs = families().map { address($0) }
        }
        service.ports = ports(service.type)
        if service.type != .externalName { fillExternal(&service) }
        service.internalTrafficPolicy = random.oneIn(3) ? .local : .cluster
        if random.oneIn(3) { service.sessionAffinity = .clientIP(timeoutSeconds: 1 + below(86400)) }
        service.publishNotReadyAddresses = random.oneIn(5)
        if random.oneIn(3) { service.trafficDistribution = "PreferSameZone" }
        return service
    }

    private mutating func fillExternal(_ service: inout Service) {
        service.externalIPs = some(2) { $0.address($0.random.oneIn(2) ? .ipv4 : .ipv6) }
        if service.type == .nodePort || service.type == .loadBalancer, random.oneIn(2) {
            service.externalTrafficPolicy = .local
        }
        guard service.type == .loadBalancer else { return }
        if service.externalTrafficPolicy == .local { service.healthCheckNodePort = UInt16(32000 + below(768)) }
        service.loadBalancerSourceRanges = some(3) { $0.block($0.random.oneIn(2) ? .ipv4 : .ipv6) }
        service.loadBalancerIngress = some(3) {
            .init(address: $0.address($0.random.oneIn(2) ? .ipv4 : .ipv6), mode: $0.random.oneIn(3) ? .proxy : .vip)
        }
    }

    private mutating func ports(_ type: Service.ServiceType) -> [ServicePort] {
        let count = 1 + below(4)
        return (0..<count).map { index in
            let node = type == .nodePort || type == .loadBalancer ? 30000 + index * 100 + below(100) : 0
            return ServicePort(
                name: count == 1 && random.oneIn(2) ? "" : "p\(index)", transport: transport(),
                port: UInt16(1 + index * 16000 + below(16000)), nodePort: UInt16(node))
        }
    }

    private mutating func slice() -> EndpointSlice {
        let family: IPFamily? = random.oneIn(10) ? nil : random.oneIn(2) ? .ipv4 : .ipv6
        var slice = EndpointSlice(key: key(), serviceName: random.oneIn(10) ? nil : name(), addressFamily: family)
        slice.isHeadless = random.oneIn(5)
        slice.ports = (0..<below(4)).map {
            EndpointPort(
                name: $0 == 0 ? "" : "p\($0)", transport: transport(),
                port: random.oneIn(5) ? nil : UInt16(1 + below(65535)))
        }
        guard let family else { return slice }
        let (nodes, zones) = ((0..<3).map { _ in name() }, (0..<3).map { _ in name() })
        slice.endpoints = some(20) { $0.endpoint(family, nodes, zones) }
        return slice
    }

    private mutating func endpoint(_ family: IPFamily, _ nodes: [String], _ zones: [String]) -> Endpoint {
        var endpoint = Endpoint(address: address(family))
        endpoint.isReady = random.oneIn(2)
        endpoint.isServing = random.oneIn(2)
        endpoint.isTerminating = random.oneIn(2)
        if !random.oneIn(3) { endpoint.nodeName = nodes[below(3)] }
        if !random.oneIn(3) { endpoint.zone = zones[below(3)] }
        if random.oneIn(2) {
            endpoint.hints = Endpoint.Hints(
                zones: Array(zones.prefix(below(4))), nodes: Array(nodes.prefix(below(4))))
        }
        return endpoint
    }

    private mutating func node() -> Node {
        var node = Node(name: name())
        node.internalIPs = some(2) { $0.address($0.random.oneIn(2) ? .ipv4 : .ipv6) }
        node.externalIPs = some(2) { $0.address($0.random.oneIn(2) ? .ipv4 : .ipv6) }
        node.podCIDRs = some(2) { $0.block($0.random.oneIn(2) ? .ipv4 : .ipv6) }
        if random.oneIn(2) { node.zone = name() }
        node.isBeingDeleted = random.oneIn(4)
        node.isExcludedFromLoadBalancers = random.oneIn(4)
        node.taints = some(3) { "example.com/\($0.name())" }
        return node
    }

    private mutating func serviceCIDR() -> ServiceCIDR {
        ServiceCIDR(name: name(), cidrs: families().compactMap { block($0) })
    }
}

extension String {
    /// The character at a place.
    fileprivate subscript(place: Int) -> Character { self[index(startIndex, offsetBy: place)] }
}

extension RandomObjects {
    /// The object with what only advice reads, made by chance.
    mutating func addDetails(to object: ClusterObject) -> ClusterObject {
        switch object {
        case .service(var service):
            var details = ServiceDetails()
            details.labels = ["app": "x\(random.next() % 9)"]
            details.labels["service.kubernetes.io/service-proxy-name"] = service.serviceProxyName
            details.annotations = service.annotations
            details.annotations["example.com/y"] = "z\(random.next() % 9)"
            details.loadBalancerClass = random.oneIn(2) ? "example.com/class" : nil
            details.allocatesNodePorts = random.oneIn(2)
            if random.oneIn(2) { details.ingressHostnames = ["a.example", "b.example"] }
            service.details = .read(details)
            return .service(service)
        case .node(var node):
            var details = NodeDetails()
            details.labels = ["pool": "x\(random.next() % 9)"]
            details.labels["topology.kubernetes.io/zone"] = node.zone
            if node.isExcludedFromLoadBalancers {
                details.labels["node.kubernetes.io/exclude-from-external-load-balancers"] = ""
            }
            details.providerID = random.oneIn(2) ? "aws:///z/i-\(random.next() % 9)" : nil
            details.isUnschedulable = random.oneIn(2)
            node.details = .read(details)
            return .node(node)
        default: return object
        }
    }
}
