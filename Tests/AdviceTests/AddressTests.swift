import Advice
import FairleadTestKit
import KubernetesModel
import NetworkTypes
import Testing

/// Addresses and ports that several Services, or a Service and nodes, claim.
@Suite struct AddressTests {
    /// Another Service of type LoadBalancer with externalTrafficPolicy Local.
    private static func balanced(_ name: String, address: IPAddress, port: UInt16 = 81, check: UInt16 = 32001)
        -> Service
    {
        var other = Scene.service(name, "10.96.0.2")
        other.type = .loadBalancer
        other.externalTrafficPolicy = .local
        other.healthCheckNodePort = check
        other.loadBalancerIngress = [.init(address: address)]
        other.ports[0].port = port
        other.ports[0].nodePort = 30081
        return other
    }

    static let shared = [
        Case("an address that is shared under Local, with endpoints on different nodes", [.sharedAddressSplit]) {
            $0.balance(.local)
            $0.others = [(balanced("other", address: "10.250.0.1"), ["node3"])]
        },
        Case("a shared address with endpoints of both on one node, and of one on another", [.sharedAddressSplit]) {
            $0.balance(.local)
            $0.others = [(balanced("other", address: "10.250.0.1"), ["node1"])]
        },
        Case("a shared address with endpoints on the same nodes") {
            $0.balance(.local)
            $0.others = [(balanced("other", address: "10.250.0.1"), ["node1", "node2"])]
        },
        Case("a shared address where the other Service has policy Cluster") {
            $0.balance(.local)
            var other = balanced("other", address: "10.250.0.1")
            other.externalTrafficPolicy = .cluster
            $0.others = [(other, ["node3"])]
        },
        Case("a shared address where the other Service has no endpoint at all") {
            $0.balance(.local)
            $0.others = [(balanced("other", address: "10.250.0.1"), [])]
        },
        Case("an address of one's own") {
            $0.balance(.local)
            $0.others = [(balanced("other", address: "10.250.0.2"), ["node3"])]
        },
        Case("a shared address of a load balancer that asks for each port's endpoints") {
            $0.balance(.local) { $0.loadBalancerClass = "f5.com/ingresslink" }
            $0.options.loadBalancer = .azure
            $0.others = [(balanced("other", address: "10.250.0.1"), ["node3"])]
        },
    ]

    static let checks = [
        Case("an older Service has the health check port", [.contestedHealthCheckPort]) {
            $0.balance(.local)
            var other = balanced("other", address: "10.250.0.2", check: 32000)
            other.creationTimestamp = "2025-01-01T00:00:00Z"
            $0.others = [(other, ["node1", "node2"])]
        },
        Case("a younger Service does not have it") {
            $0.balance(.local)
            var other = balanced("other", address: "10.250.0.2", check: 32000)
            other.creationTimestamp = "2027-01-01T00:00:00Z"
            $0.others = [(other, ["node1", "node2"])]
        },
        Case("the health check port is another's node port", [.contestedHealthCheckPort]) {
            $0.balance(.local)
            var other = Scene.service("other", "10.96.0.2")
            other.type = .nodePort
            other.ports[0].nodePort = 32000
            $0.others = [(other, ["node1", "node2"])]
        },
        Case("the health check port is the Service's own node port", [.contestedHealthCheckPort]) {
            $0.balance(.local)
            $0.service.healthCheckNodePort = 30080
        },
        Case("a UDP node port of that number is no matter") {
            $0.balance(.local)
            var other = Scene.service("other", "10.96.0.2")
            other.type = .nodePort
            other.ports[0].nodePort = 32000
            other.ports[0].transport = .udp
            $0.others = [(other, ["node1", "node2"])]
        },
    ]

    /// node1 has 172.31.0.11, and so on.
    private static func addressed() -> [Node] {
        (1...3).map { index in
            var node = Scene.node("node\(index)")
            node.internalIPs = [IPAddress("172.31.0.1\(index)")].compactMap { $0 }
            return node
        }
    }

    static let nodes = [
        Case("an external IP that is a node's, on the port of its kubelet", [.nodePortTaken]) {
            $0.nodes = addressed()
            $0.service.externalIPs = ["172.31.0.11"]
            $0.service.ports[0].port = 10_250
        },
        Case("a load balancer IP that is a node's, on the port of the API server", [.nodePortTaken]) {
            $0.nodes = addressed()
            $0.balance()
            $0.service.loadBalancerIngress = [.init(address: "172.31.0.12")]
            $0.service.ports[0].port = 6443
        },
        Case("an external IP that is a node's, on another port") {
            $0.nodes = addressed()
            $0.service.externalIPs = ["172.31.0.11"]
        },
        Case("SSH on an address that is no node's") {
            $0.nodes = addressed()
            $0.service.externalIPs = ["10.250.0.9"]
            $0.service.ports[0].port = 22
        },
        Case("that port over another protocol") {
            $0.nodes = addressed()
            $0.service.externalIPs = ["172.31.0.11"]
            $0.service.ports[0].port = 22
            $0.service.ports[0].transport = .udp
        },
        Case("load balancer IPs of nodes without an endpoint under Local", [.nodeAddressWithoutEndpoint]) {
            $0.nodes = addressed()
            $0.balance(.local)
            $0.service.loadBalancerIngress = [.init(address: "172.31.0.11"), .init(address: "172.31.0.13")]
        },
        Case("load balancer IPs of nodes that all have an endpoint") {
            $0.nodes = addressed()
            $0.balance(.local)
            $0.service.loadBalancerIngress = [.init(address: "172.31.0.11"), .init(address: "172.31.0.12")]
        },
        Case("load balancer IPs of nodes under Cluster") {
            $0.nodes = addressed()
            $0.balance()
            $0.service.loadBalancerIngress = [.init(address: "172.31.0.13")]
        },
        Case("node addresses that nodes do not capture (ipMode Proxy)") {
            $0.nodes = addressed()
            $0.balance(.local)
            $0.service.loadBalancerIngress = [.init(address: "172.31.0.13", mode: .proxy)]
        },
    ]

    @Test("claims of addresses and ports: what is found, and nothing else", arguments: shared + checks + nodes)
    func claims(_ example: Case) {
        #expect(Set(example.advice.map(\.code)) == example.expected)
    }

    @Test("a shared address without a common node is an error that both Services get, with some in common a warning")
    func severity() throws {
        let apart = Self.shared[0]
        var scene = Scene()
        apart.change(&scene)
        let findings = scene.advisor.findings().filter { $0.code == .sharedAddressSplit }
        #expect(findings.map(\.severity) == [.error, .error])
        #expect(Set(findings.map(\.object.key.name)) == ["web", "other"])
        let partly = Self.shared[1].advice
        #expect(partly.map(\.severity) == [.warning])
        #expect(partly.first?.nodes == ["node2"])
    }
}
