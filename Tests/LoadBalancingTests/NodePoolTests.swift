import KubernetesModel
import LoadBalancing
import NetworkTypes
import Testing

/// Which nodes belong in a pool.
struct NodePoolTests {
    @Test("Cluster: every node weighs the same, endpoints or not")
    func cluster() throws {
        let pool = try #require(try Sample(ready: ["node1": 3]).pools().first)
        #expect(pool.standings == ["node1": .everyNode, "node2": .everyNode, "node3": .everyNode])
        #expect(pool.weights == ["node1": 1, "node2": 1, "node3": 1])
        #expect(pool.members.map(\.readyEndpoints) == [3, 0, 0])
    }

    @Test("Local: nodes weigh what they have")
    func local() throws {
        let pool = try #require(
            try Sample(.local, ready: ["node1": 3, "node3": 1], terminating: ["node2": 2]).pools().first)
        #expect(pool.standings == ["node1": .readyEndpoints, "node2": .noEndpoint, "node3": .readyEndpoints])
        #expect(pool.weights == ["node1": 3, "node2": 0, "node3": 1])
    }

    @Test("Local: terminating endpoints keep their nodes in while nothing is ready anywhere")
    func localTerminating() throws {
        let pool = try #require(try Sample(.local, terminating: ["node2": 2]).pools().first)
        #expect(pool.standings == ["node1": .noEndpoint, "node2": .terminatingEndpoints, "node3": .noEndpoint])
        #expect(pool.weights == ["node1": 0, "node2": 2, "node3": 0])
    }

    @Test("Local without endpoints: nobody is in")
    func localEmpty() throws {
        let pool = try #require(try Sample(.local).pools().first)
        #expect(pool.members.allSatisfy { $0.standing == .noEndpoint && $0.weight == 0 })
    }

    @Test("prefer-local: as Local while there are endpoints, else every node")
    func preferLocal() throws {
        var sample = Sample(ready: ["node2": 2])
        sample.service.annotations = [Service.externalTrafficAnnotation: Service.preferLocal]
        #expect(try sample.pools().first?.weights == ["node1": 0, "node2": 2, "node3": 0])
        var empty = Sample()
        empty.service.annotations = sample.service.annotations
        #expect(try empty.pools().first?.weights == ["node1": 1, "node2": 1, "node3": 1])
    }

    @Test("a taint of the operator's takes a node out, and only where it is asked for")
    func drained() throws {
        var sample = Sample(.cluster, ready: ["node1": 1, "node2": 1, "node3": 1])
        sample.nodes[1].taints = ["example.com/drain"]
        #expect(try sample.pools().first?.members.allSatisfy { $0.standing.isIn } == true)
        let taints = try DrainTaints(["example.com/drain"])
        let pool = try #require(try sample.pools(drainTaints: taints).first)
        #expect(pool.standings.filter { !$0.value.isIn } == ["node2": .draining] && pool.weights["node2"] == 0)
    }

    @Test("who is out whatever it has", arguments: [Service.TrafficPolicy.cluster, .local])
    func obstacles(_ policy: Service.TrafficPolicy) throws {
        var sample = Sample(policy, ready: ["node1": 1, "node2": 1, "node3": 1])
        sample.nodes[0].isExcludedFromLoadBalancers = true
        sample.nodes[1].taints = ["ToBeDeletedByClusterAutoscaler"]
        var pool = try #require(try sample.pools().first)
        #expect(pool.standings.filter { !$0.value.isIn } == ["node1": .excluded, "node2": .tainted])
        sample.nodes[1].isBeingDeleted = true
        sample.nodes[2].internalIPs = []
        pool = try #require(try sample.pools().first)
        #expect(pool.standings == ["node1": .excluded, "node2": .beingDeleted, "node3": .noAddress])
        #expect(pool.members.allSatisfy { $0.weight == 0 })
    }

    @Test("a cordoned node stays in, as with Kubernetes' service controller")
    func cordoned() throws {
        var sample = Sample()
        sample.nodes[0].taints = ["node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready"]
        #expect(try sample.pools().first?.weights["node1"] == 1)
    }

    @Test("one pool for each family and port, with ports by name and number")
    func several() throws {
        var sample = Sample()
        sample.service.clusterIPs = ["10.96.0.80", "fd00::80"].compactMap { IPAddress($0) }
        sample.service.ports.append(ServicePort(name: "dns", transport: .udp, port: 53, nodePort: 30053))
        #expect(
            try sample.pools().map { "\($0.family) \($0.port.nodePort)" } == [
                "IPv4 30080", "IPv4 30053", "IPv6 30080", "IPv6 30053",
            ])
        #expect(try sample.pools(port: "53", family: .ipv6).map(\.port.nodePort) == [30053])
        #expect(try sample.pools(port: "dns", family: .ipv4).map(\.family) == [.ipv4])
    }

    @Test("problems name the object and the field")
    func problems() throws {
        func problem(
            _ expected: PoolProblem, port: String? = nil, family: IPFamily? = nil,
            _ change: (inout Sample) -> Void = { _ in }
        ) {
            var sample = Sample()
            change(&sample)
            #expect(throws: expected) { try sample.pools(port: port, family: family) }
        }
        let key = Sample.key
        problem(.noService(key)) { $0.service.key.name = "other" }
        problem(.noNodes) { $0.nodes = [] }
        problem(.wrongType(key, .clusterIP)) { $0.service.type = .clusterIP }
        problem(.noPort(key, "443", known: ["http"]), port: "443")
        problem(.noNodePort(key, port: 80)) { $0.service.ports[0].nodePort = 0 }
        problem(.noFamily(key, .ipv6), family: .ipv6)
        problem(.noClusterIP(key)) { $0.service.clusterIPs = [] }
        #expect("\(PoolProblem.noNodePort(key, port: 80))".contains("default/web: spec.ports: port 80"))
    }
}

/// A Service and three nodes.
struct Sample {
    static let key = ObjectKey(namespace: "default", name: "web")
    var service = Service(key: Self.key)
    var nodes: [Node] = []
    var slice = EndpointSlice(key: ObjectKey(namespace: "default", name: "web-1"), serviceName: "web")

    init(
        _ policy: Service.TrafficPolicy = .cluster, ready: [String: Int] = [:], terminating: [String: Int] = [:]
    ) {
        service.type = .loadBalancer
        service.clusterIPs = ["10.96.0.80"].compactMap { IPAddress($0) }
        service.externalTrafficPolicy = policy
        service.ports = [ServicePort(name: "http", port: 80, nodePort: 30080)]
        for number in 1...3 {
            var node = Node(name: "node\(number)")
            node.internalIPs = ["172.30.0.1\(number)", "fd00:172:30::1\(number)"].compactMap { IPAddress($0) }
            nodes.append(node)
        }
        slice.ports = [EndpointPort(name: "http", port: 8080)]
        for (name, count) in ready { add(count, to: name, isTerminating: false) }
        for (name, count) in terminating { add(count, to: name, isTerminating: true) }
    }

    private mutating func add(_ count: Int, to node: String, isTerminating: Bool) {
        for _ in 0..<count {
            let address = IPv4Address(rawValue: 0x0A80_0100 + UInt32(slice.endpoints.count))
            var endpoint = Endpoint(address: .v4(address), nodeName: node)
            (endpoint.isReady, endpoint.isTerminating) = (!isTerminating, isTerminating)
            slice.endpoints.append(endpoint)
        }
    }

    func pools(
        port: String? = nil, family: IPFamily? = nil, drainTaints: DrainTaints = DrainTaints()
    ) throws -> [NodePool] {
        var cluster = ClusterState()
        _ = cluster.apply(
            nodes.map { .applied(.node($0)) } + [.applied(.service(service)), .applied(.endpointSlice(slice))])
        var request = PoolRequest(service: Self.key, port: port, family: family)
        request.drainTaints = drainTaints
        return try cluster.pools(request)
    }
}

extension NodePool {
    var weights: [String: Int] { Dictionary(uniqueKeysWithValues: members.map { ($0.node, $0.weight) }) }
    var standings: [String: Standing] { Dictionary(uniqueKeysWithValues: members.map { ($0.node, $0.standing) }) }
}
