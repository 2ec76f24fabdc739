import Advice
import FairleadTestKit
import KubernetesModel
import NetworkTypes
import Testing

/// A cluster with one Service in question, `demo/web`, which nothing is wrong with until a case changes it: ClusterIP only, a
/// pod on node1 and one on node2, three nodes of one's own without zones.
struct Scene: Sendable {
    var service = Self.service("web", "10.96.0.1")
    /// The nodes that pods of the Service run on, one entry for each ready pod.
    var pods = ["node1", "node2"]
    /// What the endpoints are besides ready; the index is that of the pod.
    var adjust: @Sendable (Int, inout Endpoint) -> Void = { _, _ in }
    var nodes = (1...3).map { Self.node("node\($0)") }
    /// Other Services, with the nodes of their pods.
    var others: [(service: Service, pods: [String])] = []
    var options = AdviceOptions()
    var findings: [Finding] = []

    static let key = ObjectKey(namespace: "demo", name: "web")

    static func service(_ name: String, _ address: String) -> Service {
        var service = Service(key: ObjectKey(namespace: "demo", name: name))
        service.creationTimestamp = "2026-01-01T00:00:00Z"
        service.clusterIPs = [IPAddress(address)].compactMap { $0 }
        service.ports = [ServicePort(name: "http", port: 80)]
        service.details = .read(ServiceDetails())
        return service
    }

    static func node(
        _ name: String, zone: String? = nil, provider: String? = nil, labels: [String: String] = [:]
    ) -> Node {
        var node = Node(name: name)
        node.zone = zone
        var details = NodeDetails()
        details.labels = labels
        details.providerID = provider.map { "\($0):///somewhere/\(name)" }
        node.details = .read(details)
        return node
    }

    /// Nodes of a cloud.
    static func cloud(_ provider: String, labels: [String: String] = [:]) -> [Node] {
        (1...3).map { node("node\($0)", provider: provider, labels: labels) }
    }

    /// Nodes in zones, numbered from 1.
    static func zones(_ zones: String...) -> [Node] {
        zones.enumerated().map { node("node\($0 + 1)", zone: $1) }
    }

    private static func slice(_ service: Service, _ pods: [String], _ subnet: Int) -> EndpointSlice {
        var slice = EndpointSlice(
            key: ObjectKey(namespace: service.key.namespace, name: "\(service.key.name)-1"),
            serviceName: service.key.name)
        slice.ports = service.ports.map { EndpointPort(name: $0.name, transport: $0.transport, port: 8080) }
        slice.endpoints = pods.enumerated().compactMap { index, node in
            let text = "10.128.\(subnet).\(index + 1)"
            return IPAddress(text).map { Endpoint(address: $0, nodeName: node) }
        }
        return slice
    }

    var objects: [ClusterObject] {
        var slice = Self.slice(service, pods, 0)
        for index in slice.endpoints.indices { adjust(index, &slice.endpoints[index]) }
        var objects: [ClusterObject] = [.service(service), .endpointSlice(slice)] + nodes.map { .node($0) }
        for (index, other) in others.enumerated() {
            objects += [.service(other.service), .endpointSlice(Self.slice(other.service, other.pods, index + 1))]
        }
        return objects
    }

    var advisor: Advisor {
        var cluster = ClusterState()
        _ = cluster.apply(objects.map { .applied($0) })
        return Advisor(cluster, options: options, findings: findings)
    }

    /// What is found of the Service in question.
    var advice: [AdviceFinding] { advisor.findings(of: [Self.key]) }
}

extension Scene {
    /// The Service as type LoadBalancer, with a node port and an address.
    mutating func balance(
        _ policy: Service.TrafficPolicy = .cluster, _ change: (inout ServiceDetails) -> Void = { _ in }
    ) {
        service.type = .loadBalancer
        service.externalTrafficPolicy = policy
        if policy == .local { service.healthCheckNodePort = 32000 }
        service.ports[0].nodePort = 30080
        service.loadBalancerIngress = [.init(address: "10.250.0.1")]
        details(change)
    }

    mutating func details(_ change: (inout ServiceDetails) -> Void) {
        var details = service.details.value ?? ServiceDetails()
        change(&details)
        service.details = .read(details)
    }

    mutating func restrict(_ ranges: String...) {
        service.loadBalancerSourceRanges = ranges.compactMap { CIDR($0) }
    }
}

/// A change of the cluster, and the codes that the Service in question then gets.
struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var expected: Set<AdviceCode>
    var change: @Sendable (inout Scene) -> Void

    init(_ name: String, _ expected: Set<AdviceCode> = [], _ change: @escaping @Sendable (inout Scene) -> Void) {
        self.name = name
        self.expected = expected
        self.change = change
    }

    var testDescription: String { name }

    var advice: [AdviceFinding] {
        var scene = Scene()
        change(&scene)
        return scene.advice
    }
}
