import APIServerKit
import FairleadTestKit
import KubernetesModel
import NetworkTypes
import Testing

/// `fairlead lb-pool` over a Kubernetes API.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct PoolAPITests {
    private static let key = ObjectKey(namespace: "default", name: "web")

    /// A Service with endpoints on nodes, and another one that is of no interest.
    private func objects(_ counts: [String: Int]) -> [ClusterObject] {
        var service = Service(key: Self.key)
        service.type = .loadBalancer
        service.clusterIPs = ["10.96.0.80"]
        service.externalTrafficPolicy = .local
        service.ports = [ServicePort(name: "http", port: 80, nodePort: 30080)]
        var slice = EndpointSlice(key: ObjectKey(namespace: "default", name: "web-1"), serviceName: "web")
        slice.ports = [EndpointPort(name: "http", port: 8080)]
        for (node, count) in counts.sorted(by: { $0.key < $1.key }) {
            for _ in 0..<count {
                let address = IPv4Address(rawValue: 0x0A80_0100 + UInt32(slice.endpoints.count))
                slice.endpoints.append(Endpoint(address: .v4(address), nodeName: node))
            }
        }
        var other = service
        other.key.name = "other"
        var nodes = [Node(name: "node1"), Node(name: "node2")]
        nodes[0].internalIPs = ["172.30.0.11"]
        nodes[1].internalIPs = ["172.30.0.12"]
        return [.service(service), .endpointSlice(slice), .service(other)] + nodes.map { .node($0) }
    }

    private static func weights(_ line: Substring) -> [String] {
        line.split(separator: "\"weight\":").dropFirst().compactMap { $0.split(separator: ",").first.map(String.init) }
    }

    @Test("once, and followed; only one Service is asked for")
    func overTheAPI() async throws {
        let namespace = try NetworkNamespace("api")
        let server = try await FakeAPIServer(in: namespace)
        server.cluster.apply(objects(["node1": 2]))
        let arguments = ["lb-pool", "default/web", "--master", server.url]
        let once = try await FairleadCommand().run(arguments, in: namespace).requireSuccess()
        let lines = once.standardOutput.split(separator: "\n")
        #expect(lines.count == 1 && lines.map(Self.weights) == [["2", "0"]])
        let watch = try await FairleadCommand().start(arguments + ["--watch"], in: namespace)
        try await watch.waitForOutput("\"weight\":2")
        server.cluster.apply(objects(["node1": 1, "node2": 3]))
        try await watch.waitForOutput("\"weight\":3")
        var excluded = Node(name: "node2")
        excluded.internalIPs = ["172.30.0.12"]
        excluded.isExcludedFromLoadBalancers = true
        server.cluster.apply([.node(excluded)])
        try await watch.waitForOutput("\"reason\":\"excluded\"")
        // What is deleted is not known any more, and that is said; the last pool stays what it was.
        server.cluster.delete(ObjectID(kind: .service, key: Self.key))
        try await watch.waitForOutput("Service default/web: there is none")
        watch.signal(15)
        #expect(try await watch.waitForEnd().status == 0)
        let printed = watch.output.split(separator: "\n").filter { $0.hasPrefix("{") }.map(Self.weights)
        #expect(
            printed.first == ["2", "0"] && printed.last == ["1", "0"] && printed.contains(["1", "3"]), "\(printed)")
        for request in server.requests where request.kind == .service {
            #expect(request.query["fieldSelector"] == "metadata.name=web,metadata.namespace=default")
        }
        for request in server.requests where request.kind == .endpointSlice {
            #expect(request.query["labelSelector"]?.hasSuffix("kubernetes.io/service-name=web") == true)
        }
        #expect(!server.requests.contains { $0.kind == .serviceCIDR })
    }
}
