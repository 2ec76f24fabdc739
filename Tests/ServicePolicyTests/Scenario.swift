import KubernetesModel
import NetworkTypes
import ServicePolicy

/// Short ways to say what a scenario consists of. The node is always `here` in zone `east`.
struct Scenario {
    static let node = NodeContext(nodeName: "here", zone: "east")
    static let families: [IPFamily] = [.ipv4, .ipv6]
    static let key = ObjectKey(namespace: "default", name: "web")

    var family: IPFamily
    var port = ServicePort(port: 80)
    var slices: [EndpointSlice] = []

    init(_ family: IPFamily, _ endpoints: Endpoint...) {
        self.family = family
        slices = [Self.slice(family, endpoints)]
    }

    var selection: EndpointSelection {
        EndpointSelection(port: port, family: family, slices: slices, node: Self.node)
    }

    var explanations: [EndpointExplanation] {
        EndpointSelection.explain(port: port, family: family, slices: slices, node: Self.node)
    }

    /// A slice with the unnamed TCP port 8080.
    static func slice(_ family: IPFamily, name: String = "web-1", _ endpoints: [Endpoint]) -> EndpointSlice {
        var slice = EndpointSlice(
            key: ObjectKey(namespace: "default", name: name), serviceName: "web", addressFamily: family)
        slice.ports = [EndpointPort(port: 8080)]
        slice.endpoints = endpoints
        return slice
    }

    /// The address `10.0.0.<number>` or `fd00::<number>`.
    static func address(_ family: IPFamily, _ number: Int) -> IPAddress {
        switch family {
        case .ipv4: .v4(IPv4Address(rawValue: 0x0A00_0000 + UInt32(number)))
        case .ipv6: .v6(IPv6Address(high: 0xFD00 << 48, low: UInt64(number)))
        }
    }

    static func backends(_ family: IPFamily, _ numbers: [Int], port: UInt16 = 8080) -> [Backend] {
        numbers.map { Backend(address: address(family, $0), port: port) }
    }

    /// A Service with a ClusterIP (number 100) in each of the families and one unnamed TCP port 80.
    static func service(_ families: IPFamily...) -> Service {
        var service = Service(key: key)
        service.clusterIPs = families.map { address($0, 100) }
        service.ports = [ServicePort(port: 80, nodePort: 30080)]
        return service
    }
}

extension Endpoint {
    /// What the controller says of an endpoint's life.
    enum Life: CaseIterable {
        case ready, notReady, terminatingServing, terminatingSilent
    }

    static func make(
        _ family: IPFamily, _ number: Int, _ life: Life = .ready, on node: String? = "there", forZones: [String] = [],
        forNodes: [String] = []
    ) -> Endpoint {
        var endpoint = Endpoint(address: Scenario.address(family, number), nodeName: node)
        endpoint.isReady = life == .ready
        endpoint.isServing = life == .ready || life == .terminatingServing
        endpoint.isTerminating = life == .terminatingServing || life == .terminatingSilent
        if !forZones.isEmpty || !forNodes.isEmpty {
            endpoint.hints = Endpoint.Hints(zones: forZones, nodes: forNodes)
        }
        return endpoint
    }
}
