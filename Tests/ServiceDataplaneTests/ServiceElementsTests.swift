import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import ServiceDataplane
import ServicePolicy
import Testing

@Suite("Elements: which set holds what")
struct ServiceElementsTests {
    /// A port with every kind of frontend.
    private func port(cluster: [Int], local: [Int]) -> ResolvedServicePort {
        var port = Scene.port(.ipv4, cluster: cluster, local: local)
        port.frontends += [
            Frontend(kind: .externalIP, address: Scene.address(.ipv4, 2, 1), port: 80),
            Frontend(kind: .nodePort, address: nil, port: 30080),
        ]
        port.hairpinAddresses = port.localPool.map(\.address)
        return port
    }

    private func elements(_ port: ResolvedServicePort) throws -> [String: [String]] {
        var fixture = try Fixture()
        try fixture.put(Scene.service("web", port))
        return fixture.elements()
    }

    private static let comment = " comment \"default/web\""
    private static let counter = " counter packets 0 bytes 0"

    @Test("Cluster policies: one pool for each frontend, external ones are masqueraded")
    func clusterPolicies() throws {
        let expected = [
            "frontend-addresses": ["10.0.0.1", "10.0.2.1"], "cluster-ips": ["10.0.0.1"],
            "endpoints": [
                "10.0.0.1 . tcp . 80 . 0 : 10.0.1.1 . 8080", "10.0.0.1 . tcp . 80 . 1 : 10.0.1.2 . 8080",
                "10.0.0.1 . tcp . 80 . 2 : 10.0.1.3 . 8080", "10.0.2.1 . tcp . 80 . 0 : 10.0.1.1 . 8080",
                "10.0.2.1 . tcp . 80 . 1 : 10.0.1.2 . 8080", "10.0.2.1 . tcp . 80 . 2 : 10.0.1.3 . 8080",
            ],
            "services-4": ["10.0.0.1 . tcp . 80" + Self.comment, "10.0.2.1 . tcp . 80" + Self.comment],
            "masquerade-external": ["10.0.2.1 . tcp . 80" + Self.comment], "external-addresses": ["10.0.2.1"],
            "nodeport-endpoints": [
                "tcp . 30080 . 0 : 10.0.1.1 . 8080", "tcp . 30080 . 1 : 10.0.1.2 . 8080",
                "tcp . 30080 . 2 : 10.0.1.3 . 8080",
            ],
            "nodeports-4": ["tcp . 30080" + Self.comment],
            "masquerade-external-nodeports": ["tcp . 30080" + Self.comment],
            "backends": ["10.0.1.1 . tcp . 8080", "10.0.1.2 . tcp . 8080", "10.0.1.3 . tcp . 8080"],
            "hairpin": ["10.0.1.1 . 10.0.1.1"],
        ]
        #expect(try elements(port(cluster: [1, 2, 3], local: [1])) == expected)
    }

    @Test("External Local with a local endpoint: a second pool, no masquerading")
    func externalLocal() throws {
        var port = port(cluster: [1, 2], local: [2])
        port.externalPolicy = .local
        let found = try elements(port)
        let expected = [
            "external-local": ["10.0.2.1 . tcp . 80" + Self.comment],
            "external-local-nodeports": ["tcp . 30080" + Self.comment],
            "local-endpoints": ["10.0.2.1 . tcp . 80 . 0 : 10.0.1.2 . 8080"],
            "local-services-1": ["10.0.2.1 . tcp . 80" + Self.comment],
            "local-nodeport-endpoints": ["tcp . 30080 . 0 : 10.0.1.2 . 8080"],
            "local-nodeports-1": ["tcp . 30080" + Self.comment],
            "services-2": ["10.0.0.1 . tcp . 80" + Self.comment, "10.0.2.1 . tcp . 80" + Self.comment],
            "nodeports-2": ["tcp . 30080" + Self.comment],
        ]
        for (set, elements) in expected { #expect(found[set] == elements) }
        #expect(found.keys.filter { $0.hasPrefix("masquerade") || $0.hasPrefix("drop") } == [])
    }

    @Test("External Local with endpoints only elsewhere: outside traffic is dropped, with a counter")
    func externalLocalElsewhere() throws {
        var port = port(cluster: [1, 2], local: [])
        port.externalPolicy = .local
        let found = try elements(port)
        #expect(found["drop-outside-services"] == ["10.0.2.1 . tcp . 80" + Self.counter + Self.comment])
        #expect(found["drop-outside-nodeports"] == ["tcp . 30080" + Self.counter + Self.comment])
        #expect(found["external-local"] == ["10.0.2.1 . tcp . 80" + Self.comment])
        #expect(found["nodeports-2"] == ["tcp . 30080" + Self.comment])
        #expect(found["local-endpoints"] == nil && found["local-nodeport-endpoints"] == nil)
    }

    @Test("Internal Local: the ClusterIP leads to the local pool, or drops")
    func internalLocal() throws {
        var port = Scene.port(.ipv4, cluster: [1, 2], local: [2])
        port.internalPolicy = .local
        var found = try elements(port)
        #expect(found["endpoints"] == ["10.0.0.1 . tcp . 80 . 0 : 10.0.1.2 . 8080"])
        #expect(found["services-1"] == ["10.0.0.1 . tcp . 80" + Self.comment])
        #expect(found["backends"]?.count == 2)
        port.localPool = []
        found = try elements(port)
        #expect(found["drop-services"] == ["10.0.0.1 . tcp . 80" + Self.counter + Self.comment])
        #expect(Set(found.keys) == ["drop-services", "frontend-addresses", "cluster-ips", "backends"])
    }

    @Test("Without an endpoint every frontend rejects, whatever the policies", arguments: [false, true])
    func noEndpoint(isLocal: Bool) throws {
        var port = port(cluster: [], local: [])
        port.internalPolicy = isLocal ? .local : .cluster
        port.externalPolicy = isLocal ? .local : .cluster
        let reject = Self.counter + Self.comment
        let expected = [
            "cluster-ips": ["10.0.0.1"], "reject-nodeports": ["tcp . 30080" + reject],
            "reject-services": ["10.0.0.1 . tcp . 80" + reject, "10.0.2.1 . tcp . 80" + reject],
            "external-addresses": ["10.0.2.1"], "frontend-addresses": ["10.0.0.1", "10.0.2.1"],
        ]
        #expect(try elements(port) == expected)
    }

    @Test("Without an endpoint a Service may ask for silence, or to be left to routes", arguments: [false, true])
    func otherActions(isLocal: Bool) throws {
        var port = port(cluster: [], local: [])
        port.externalPolicy = isLocal ? .local : .cluster
        let comment = Self.counter + Self.comment
        let addresses = [
            "cluster-ips": ["10.0.0.1"], "external-addresses": ["10.0.2.1"],
            "frontend-addresses": ["10.0.0.1", "10.0.2.1"],
        ]
        port.noEndpointAction = .drop
        let dropped = [
            "drop-empty-services": ["10.0.0.1 . tcp . 80" + comment, "10.0.2.1 . tcp . 80" + comment],
            "drop-empty-nodeports": ["tcp . 30080" + comment],
        ]
        #expect(try elements(port) == addresses.merging(dropped) { $1 })
        port.noEndpointAction = .pass
        let passed = ["reject-services": ["10.0.0.1 . tcp . 80" + comment]]
        #expect(try elements(port) == addresses.merging(passed) { $1 })
    }

    @Test("Under pass a Local policy without an endpoint here drops nothing from outside")
    func passElsewhere() throws {
        var port = port(cluster: [2], local: [])
        port.externalPolicy = .local
        #expect(Set(try elements(port).keys).isSuperset(of: ["drop-outside-services", "drop-outside-nodeports"]))
        port.noEndpointAction = .pass
        let found = try elements(port)
        #expect(found.keys.allSatisfy { !$0.hasPrefix("drop-") } && found["external-local"]?.count == 1)
    }

    @Test("IPv6 goes to its own table, and only there")
    func ipv6() throws {
        var fixture = try Fixture()
        try fixture.put(Scene.service("web", Scene.port(.ipv6, cluster: [1])))
        #expect(fixture.elements(.ipv4) == [:])
        let expected = [
            "frontend-addresses": ["fd00::1"], "cluster-ips": ["fd00::1"],
            "services-1": ["fd00::1 . tcp . 80" + Self.comment],
            "endpoints": ["fd00::1 . tcp . 80 . 0 : fd00::1:1 . 8080"], "backends": ["fd00::1:1 . tcp . 8080"],
        ]
        #expect(fixture.elements(.ipv6) == expected)
    }

    @Test("The comment names the port, and is never longer than nft takes")
    func comments() throws {
        var fixture = try Fixture()
        var port = Scene.port(.ipv4, cluster: [])
        port.name = "https"
        let long = ObjectKey(namespace: String(repeating: "n", count: 63), name: String(repeating: "s", count: 63))
        try fixture.put(
            Scene.service("web", port),
            ResolvedService(key: long, ports: [Scene.port(.ipv4, clusterIP: 2, cluster: [])])
        )
        let comments = fixture.ruleset.elements(.ipv4, "reject-services").values.compactMap(\.comment)
        #expect(Set(comments) == ["default/web:https", long.description])
        port.frontends[0].address = Scene.address(.ipv4, 0, 3)
        try fixture.put(ResolvedService(key: long, ports: [port]))
        let cut = try #require(
            fixture.ruleset.elements(.ipv4, "reject-services").values.compactMap(\.comment).max {
                $0.count < $1.count
            })
        #expect(cut.utf8.count < Element.commentCapacity)
        #expect("\(long):https".hasPrefix(cut))
    }

    @Test("An element that several Services call for stays until the last one goes")
    func shared() throws {
        var fixture = try Fixture()
        func service(_ name: String, _ clusterIP: Int, port number: UInt16 = 80) -> ResolvedService {
            var port = Scene.port(.ipv4, clusterIP: clusterIP, cluster: [1], number: number)
            port.hairpinAddresses = port.usable.map(\.address)
            return Scene.service(name, port)
        }
        let sets = ["backends", "hairpin", "cluster-ips"]
        func counts() -> [Int] { sets.map { fixture.ruleset.elements(.ipv4, $0).count } }
        try fixture.put(service("a", 1), service("b", 1, port: 443))
        #expect(counts() == [1, 1, 1])
        try fixture.put(service("c", 2))
        #expect(counts() == [1, 1, 2])
        try fixture.remove("a")
        #expect(counts() == [1, 1, 2])
        // One goes and one comes in the same step: the shared elements are not touched.
        let delta = try fixture.update([(Scene.key("b"), nil), (Scene.key("d"), service("d", 1))])
        #expect(delta.tables[.ipv4].removed[.backends] == nil && delta.tables[.ipv4].added[.backends] == nil)
        try fixture.remove("c")
        try fixture.remove("d")
        #expect(fixture.elements() == [:])
    }

    @Test("An address that a Service and the node both have stays as long as one of them does")
    func sharedAddress() throws {
        var fixture = try Fixture()
        var node = NodeData()
        node.nodePortAddresses = ["10.0.2.1", "10.0.9.1"].compactMap { IPAddress($0) }
        func addresses() -> [String]? { fixture.elements()["frontend-addresses"] }
        try fixture.setNode(node)
        #expect(addresses() == ["10.0.2.1", "10.0.9.1"])
        try fixture.put(Scene.service("web", port(cluster: [1], local: [1])))
        #expect(addresses() == ["10.0.0.1", "10.0.2.1", "10.0.9.1"])
        node.nodePortAddresses = []
        try fixture.setNode(node)
        #expect(addresses() == ["10.0.0.1", "10.0.2.1"])
        node.nodePortAddresses = ["10.0.2.1"].compactMap { IPAddress($0) }
        try fixture.setNode(node)
        try fixture.remove("web")
        #expect(addresses() == ["10.0.2.1"])
    }

    @Test("Ranges of the node never overlap and never touch")
    func ranges() throws {
        let blocks = ["10.1.0.0/16", "10.0.0.0/16", "10.0.3.0/24", "192.168.0.0/24", "fd00::/64"]
        var fixture = try Fixture()
        var node = NodeData()
        node.clusterCIDRs = blocks.compactMap { CIDR($0) }
        try fixture.setNode(node)
        #expect(fixture.elements()["cluster-cidrs"] == ["10.0.0.0/15", "192.168.0.0/24"])
        #expect(fixture.elements(.ipv6)["cluster-cidrs"] == ["fd00::/64"])
        node.serviceCIDRs = ["10.96.0.0/16", "0.0.0.0/0"].compactMap { CIDR($0) }
        node.nodePortAddresses = ["172.30.0.1", "172.30.0.1", "fd00::1"].compactMap { IPAddress($0) }
        try fixture.setNode(node)
        #expect(fixture.elements()["service-cidrs"] == ["0.0.0.0/0"])
        #expect(fixture.elements()["nodeport-addresses"] == ["172.30.0.1"])
        node.serviceCIDRs.removeLast()
        node.nodePortAddresses = []
        try fixture.setNode(node)
        #expect(fixture.elements()["service-cidrs"] == ["10.96.0.0/16"])
        #expect(fixture.elements()["nodeport-addresses"] == nil)
    }
}
