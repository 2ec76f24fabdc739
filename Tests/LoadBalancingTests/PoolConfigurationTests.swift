import Foundation
import KubernetesModel
import LoadBalancing
import NetworkTypes
import Testing

/// Pools in the forms of other load balancers.
@Suite struct PoolConfigurationTests {
    private static func pools(_ sample: Sample, family: IPFamily? = .ipv4) throws -> [NodePool] {
        try sample.pools(family: family)
    }

    private static func sample(_ ready: [String: Int]) -> Sample {
        var sample = Sample(.local, ready: ready)
        sample.service.healthCheckNodePort = 30500
        return sample
    }

    private static func json(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test("nginx: weights, and down for who is out")
    func nginx() throws {
        let text = PoolConfiguration.nginx.text(try Self.pools(Self.sample(["node1": 2, "node2": 1])))
        #expect(
            text == """
                # default/web, port 80/tcp, IPv4
                upstream fairlead__default__web__http__ipv4 {
                    server 172.30.0.11:30080 weight=2; # node1: readyEndpoints
                    server 172.30.0.12:30080 weight=1; # node2: readyEndpoints
                    server 172.30.0.13:30080 down; # node3: noEndpoint
                }

                """)
    }

    @Test("AS3: a member for each node, ratios within the schema's limit, a monitor on the health check port")
    func as3() throws {
        let pools = try Self.pools(Self.sample(["node1": 300, "node2": 1]))
        let declaration = try Self.json(PoolConfiguration.as3.text(pools))
        #expect(declaration["class"] as? String == "ADC")
        let tenant = try #require(declaration["fairlead__default__web"] as? [String: Any])
        let application = try #require(tenant["pools"] as? [String: Any])
        let pool = try #require(application["fairlead__default__web__http__ipv4"] as? [String: Any])
        let members = try #require(pool["members"] as? [[String: Any]])
        #expect(members.map { $0["ratio"] as? Int } == [100, 1, nil])
        #expect(members.map { $0["adminState"] as? String } == [nil, nil, "disable"])
        #expect(members.map { $0["serverAddresses"] as? [String] } == (1...3).map { ["172.30.0.1\($0)"] })
        #expect(members.allSatisfy { $0["servicePort"] as? Int == 30080 })
        let monitor = try #require(
            application["fairlead__default__web__http__ipv4__check"] as? [String: Any])
        #expect(monitor["targetPort"] as? Int == 30500)
        #expect(monitor["send"] as? String == "GET / HTTP/1.1\r\nHost: node\r\nConnection: Close\r\n\r\n")
        #expect(monitor["receive"] as? String == "HTTP/1\\.[01] 200")
    }

    @Test("Envoy: an endpoint for each node that is in; under Cluster the check is the proxy's own")
    func envoy() throws {
        func endpoints(_ sample: Sample) throws -> [[String: Any]] {
            let text = PoolConfiguration.envoy.text(try Self.pools(sample))
            let resource = try #require((try Self.json(text)["resources"] as? [[String: Any]])?.first)
            #expect(resource["cluster_name"] as? String == "fairlead__default__web__http__ipv4")
            let localities = try #require(resource["endpoints"] as? [[String: Any]])
            return localities.flatMap { $0["lb_endpoints"] as? [[String: Any]] ?? [] }
        }
        let local = try endpoints(Self.sample(["node1": 2, "node3": 1]))
        #expect(local.map { $0["load_balancing_weight"] as? Int } == [2, 1])
        let cluster = try endpoints(Sample(.cluster))
        #expect(cluster.count == 3)
        let endpoint = try #require(cluster.first?["endpoint"] as? [String: Any])
        #expect((endpoint["health_check_config"] as? [String: Int]) == ["port_value": 10256])
        #expect(try endpoints(Self.sample([:])).isEmpty)
    }

    @Test("both families, and names that other programs do not take")
    func names() throws {
        var sample = Self.sample(["node1": 1])
        sample.service.clusterIPs = ["10.96.0.80", "fd00::80"].compactMap { IPAddress($0) }
        let text = PoolConfiguration.nginx.text(try Self.pools(sample, family: nil))
        #expect(text.contains("upstream fairlead__default__web__http__ipv6 {"))
        #expect(text.contains("server [fd00:172:30::11]:30080 down;"))
        var pool = try #require(try Self.pools(sample).first)
        pool.service = ObjectKey(namespace: "1-team", name: "web-app")
        pool.port.name = ""
        #expect(PoolConfiguration.nginx.text([pool]).contains("upstream fairlead__1_team__web_app__80__ipv4 {"))
        for index in pool.members.indices { pool.members[index].address = nil }
        #expect(
            PoolConfiguration.nginx.text([pool]).hasSuffix(
                "__ipv4 {\n    server 127.0.0.1:1 down; # no node has an IPv4 address\n}\n"))
    }
}
