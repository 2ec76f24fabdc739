import DataplaneTestKit
import FairleadTestKit
import NetworkTypes

/// What chance makes of a Service: any type, families, policies, options, and endpoints in any state.
struct RandomService: Sendable {
    private let type: String
    /// Places in the lists of ``Numbers``, in the Service's order of families.
    private let families: [Int]
    private let externalPolicy: String?
    private let internalPolicy: String
    private let hasExternalIPs: Bool
    private let isContested: Bool
    private let port: UInt16
    private let pods: [EndpointShape]
    /// Endpoints on the host network, on the port of the servers there.
    private let nodes: [EndpointShape]
    private let ranges: [String]
    private let isProxied: Bool
    private let hasNodePorts: Bool
    private let isAffine: Bool

    init(_ random: inout SeededGenerator) {
        func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &random)] }
        type = pick(["ClusterIP", "NodePort", "LoadBalancer", "LoadBalancer"])
        families = pick([[0, 1], [0, 1], [1, 0], [0], [1]])
        hasExternalIPs = !random.oneIn(3)
        externalPolicy = type == "ClusterIP" ? nil : pick(["Cluster", "Local"])
        internalPolicy = pick(["Cluster", "Cluster", "Local"])
        isContested = random.oneIn(6)
        port = pick([8080, 8081, 8082])
        let count = pick([0, 1, 1, 2, 3, 5])
        let places = ["local-1", "local-2", "local-3", "remote-1", "remote-2"]
        let isHinted = random.oneIn(4)
        pods = places.shuffled(using: &random).prefix(count).map { place in
            let shape = pick([
                EndpointShape.ready(place), .ready(place), .unspecified(place), .serving(place), .ending(place),
                .notReady(place),
            ])
            return isHinted ? shape.hinted(zones: [pick(["zone-a", "zone-b"])]) : shape
        }
        nodes = random.oneIn(4) ? pick([["node1"], ["node2"], ["node1", "node2"]]).map { .ready($0) } : []
        let narrow = ["198.51.100.10/32", "10.128.1.0/24", "2001:db8:100::10/128", "fd00:10:128:1::/64"]
        ranges = type == "LoadBalancer" && random.oneIn(4) ? narrow : []
        isProxied = random.oneIn(8)
        hasNodePorts = type == "NodePort" || type == "LoadBalancer" && !random.oneIn(4)
        isAffine = random.oneIn(5)
    }

    /// The objects, with these addresses and ports.
    func manifests(_ numbers: Numbers, contested: Numbers) -> String {
        func own(_ addresses: [String]) -> [String] { families.map { addresses[$0] } }
        var service = ServiceManifest(numbers.name)
        service.type = type
        service.clusterIPs = own(numbers.clusterIPs)
        service.externalIPs = hasExternalIPs ? own(numbers.externalIPs) : []
        if isContested { service.externalIPs += own(contested.externalIPs) }
        service.externalPolicy = externalPolicy
        service.internalPolicy = internalPolicy
        service.created = "2026-01-01T00:00:\(10 + numbers.index % 50)Z"
        if type == "LoadBalancer" {
            service.loadBalancerIPs = own(numbers.loadBalancerIPs)
            service.loadBalancerMode = isProxied ? "Proxy" : nil
            if !ranges.isEmpty { service.extra.append("loadBalancerSourceRanges: \(Manifest.list(ranges))") }
            if !hasNodePorts { service.extra.append("allocateLoadBalancerNodePorts: false") }
        }
        if isAffine { service.extra.append("sessionAffinity: ClientIP") }
        service.ports = TransportProtocol.allCases.map {
            ServiceManifest.Port($0.description, $0, 80, nodePort: hasNodePorts ? numbers.nodePort : 0)
        }
        let slices = IPFamily.allCases.flatMap { family in
            [
                Scenario.slice(numbers.name, family, pods, port: port),
                Scenario.slice(numbers.name, family, nodes, suffix: "-nodes", port: 9100),
            ]
        }
        return Manifest.documents([service.yaml] + slices.map(\.yaml))
    }
}
