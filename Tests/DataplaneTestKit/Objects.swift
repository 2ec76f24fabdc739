import KubernetesModel
import NetworkTypes

/// Objects of the API, by hand and by chance.
public enum Objects {
    /// A Service with a ClusterIP of each family and port 80.
    public static func service(_ name: String, created: String = "", clusterIP: Int = 1) -> ClusterObject {
        var service = Service(key: Scene.key(name))
        service.creationTimestamp = created
        service.clusterIPs = Scene.families.map { Scene.address($0, 0, clusterIP) }
        service.ports = [ServicePort(port: 80)]
        return .service(service)
    }

    /// The slice of a Service with these IPv4 endpoints.
    public static func slice(_ name: String, _ numbers: some Sequence<Int>, node: String = "there") -> ClusterObject {
        var slice = EndpointSlice(key: Scene.key("\(name)-1"), serviceName: name, addressFamily: .ipv4)
        slice.ports = [EndpointPort(port: 8080)]
        slice.endpoints = numbers.map { Endpoint(address: Scene.address(.ipv4, 1, $0), nodeName: node) }
        return .endpointSlice(slice)
    }

    /// The node `here` in a zone.
    public static func node(_ zone: String?) -> ClusterObject {
        var node = Node(name: "here")
        node.zone = zone
        return .node(node)
    }

    /// The deletion of an object.
    public static func delete(_ object: ClusterObject) -> ClusterChange { .deleted(object.id) }

    /// Some Services with endpoints: frontends of every kind, in both families.
    public static func cluster(_ random: inout SeededGenerator, count: Int = 12) -> [ClusterObject] {
        (0..<count).flatMap { number in
            [randomService(number, &random)] + (0..<2).map { randomSlice(number, $0, &random) }
        }
    }

    /// Few, so that several Services share one; the last one is more than the API allows.
    private static let timeouts = [10_800, 60, 77, 86_400, 100_000]

    /// A Service with everything by chance: types, addresses, policies, affinity.
    public static func randomService(_ number: Int, _ random: inout SeededGenerator) -> ClusterObject {
        var service = Service(key: Scene.key("s\(number)"))
        service.creationTimestamp = "\(Int.random(in: 1...3, using: &random))"
        service.type = [.clusterIP, .nodePort, .loadBalancer][Int.random(in: 0..<3, using: &random)]
        service.clusterIPs = Scene.families.filter { _ in !random.oneIn(4) }.map { Scene.address($0, 0, number + 1) }
        let external = Int.random(in: 1...3, using: &random)
        if random.oneIn(2) { service.externalIPs = Scene.families.map { Scene.address($0, 2, external) } }
        service.internalTrafficPolicy = random.oneIn(3) ? .local : .cluster
        service.externalTrafficPolicy = random.oneIn(2) ? .local : .cluster
        let nodePort = UInt16.random(in: 30000...30005, using: &random)
        service.ports = [ServicePort(port: 80, nodePort: random.oneIn(2) ? nodePort : 0)]
        service.isHeadless = random.oneIn(12)
        if random.oneIn(3), let seconds = timeouts.randomElement(using: &random) {
            service.sessionAffinity = .clientIP(timeoutSeconds: seconds)
        }
        return .service(service)
    }

    /// The slice of a Service in one family with endpoints by chance.
    public static func randomSlice(_ service: Int, _ part: Int, _ random: inout SeededGenerator) -> ClusterObject {
        let family = Scene.families[part]
        var slice = EndpointSlice(
            key: Scene.key("s\(service)-\(part)"), serviceName: "s\(service)", addressFamily: family)
        slice.ports = [EndpointPort(port: 8080)]
        let count = random.oneIn(5) ? Int.random(in: 0...80, using: &random) : Int.random(in: 0...6, using: &random)
        slice.endpoints = (1...100).shuffled(using: &random).prefix(count).map { number in
            var endpoint = Endpoint(
                address: Scene.address(family, 1, number), nodeName: random.oneIn(3) ? "here" : "there")
            endpoint.isReady = !random.oneIn(6)
            endpoint.isTerminating = random.oneIn(8)
            return endpoint
        }
        return .endpointSlice(slice)
    }
}
