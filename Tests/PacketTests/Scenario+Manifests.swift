import FairleadTestKit
import NetworkTypes

extension Scenario {
    /// Everything that the API server would have for the scenario.
    func objects(_ numbers: Numbers) -> Objects {
        var service = ServiceManifest(numbers.name)
        service.type = "LoadBalancer"
        service.clusterIPs = numbers.clusterIPs
        service.externalIPs = numbers.externalIPs
        service.loadBalancerIPs = numbers.loadBalancerIPs
        service.externalPolicy = externalPolicy
        service.internalPolicy = internalPolicy
        service.created = "2026-01-01T00:00:00Z"
        service.ports = TransportProtocol.allCases.map {
            ServiceManifest.Port($0.description, $0, 80, nodePort: numbers.nodePort)
        }
        var objects = Objects(
            services: [service],
            slices: IPFamily.allCases.map { Self.slice(numbers.name, $0, endpoints) })
        adjust(&objects, numbers)
        return objects
    }

    /// A slice with one port for each protocol, named as the Service's ports are.
    static func slice(
        _ service: String, _ family: IPFamily, _ endpoints: [EndpointShape], suffix: String = "", port: UInt16 = 8080
    ) -> SliceManifest {
        let name = "\(service)-\(family.description.lowercased())\(suffix)"
        var slice = SliceManifest(name, service: service, family: family)
        slice.ports = TransportProtocol.allCases.map { SliceManifest.Port($0.description, $0, port) }
        slice.endpoints = endpoints.map { shape in
            var endpoint = SliceManifest.Endpoint(
                address(of: shape.host, family), node: shape.node, conditions: shape.conditions)
            (endpoint.zoneHints, endpoint.nodeHints) = (shape.zoneHints, shape.nodeHints)
            return endpoint
        }
        return slice
    }

    /// The address plan of ``ClusterTopology``.
    static func address(of host: String, _ family: IPFamily) -> IPAddress {
        let number = Int(host.suffix(1)) ?? 0
        switch (host.dropLast(), family) {
        case ("local-", .ipv4): return IPAddress(stringLiteral: "10.128.1.\(10 + number)")
        case ("local-", .ipv6): return IPAddress(stringLiteral: "fd00:10:128:1::\(10 + number)")
        case ("remote-", .ipv4): return IPAddress(stringLiteral: "10.128.2.\(10 + number)")
        case ("remote-", .ipv6): return IPAddress(stringLiteral: "fd00:10:128:2::\(10 + number)")
        case ("node", .ipv4): return IPAddress(stringLiteral: "172.30.0.\(10 + number)")
        default: return IPAddress(stringLiteral: "fd00:172:30::\(10 + number)")
        }
    }

    /// The manifests of all scenarios; the first one has index 1.
    static func manifests(_ scenarios: [Scenario], cluster: String = Manifest.cluster) -> String {
        let documents = scenarios.enumerated().flatMap { offset, scenario in
            let objects = scenario.objects(Numbers(index: offset + 1))
            return objects.services.map(\.yaml) + objects.slices.map(\.yaml)
        }
        return Manifest.documents([cluster] + documents)
    }
}
