import KubernetesModel
import LoadBalancing
import NetworkTypes
import Testing

/// What HAProxy is told, and what it says.
struct HAProxyPlanTests {
    private static let local = Sample(.local, ready: ["node1": 3, "node2": 1])

    private static func plan(
        _ servers: [HAProxyServer], _ sample: Sample = local, options: String = ""
    ) throws -> HAProxyPlan {
        let pool = try #require(try sample.pools().first)
        return HAProxyPlan(pool, servers: servers, backend: "web", options: options)
    }

    private static func server(
        _ number: Int, port: UInt16 = 30080, weight: Int = 1, _ decisions: HAProxyServer.Decisions = []
    ) -> HAProxyServer {
        HAProxyServer(
            name: "node\(number)", address: IPAddress("172.30.0.1\(number)"), port: port, weight: weight,
            decisions: decisions)
    }

    @Test("an empty backend gets the nodes that are in, their checks running, and no others")
    func empty() throws {
        #expect(
            try Self.plan([], options: "check  inter 1s").commands == [
                "add server web/node1 172.30.0.11:30080 weight 3 check inter 1s", "enable health web/node1",
                "set server web/node1 state ready",
                "add server web/node2 172.30.0.12:30080 weight 1 check inter 1s", "enable health web/node2",
                "set server web/node2 state ready",
            ])
    }

    @Test("a backend that is as it should be is told nothing")
    func settled() throws {
        let servers = [Self.server(1, weight: 3), Self.server(2), Self.server(3, weight: 9, .drain)]
        #expect(try Self.plan(servers).commands.isEmpty)
    }

    @Test("who comes, comes before who goes")
    func order() throws {
        let servers = [Self.server(1, weight: 3, .drain), Self.server(2, port: 1), Self.server(3)]
        #expect(
            try Self.plan(servers).commands == [
                "set server web/node1 state ready", "set server web/node2 addr 172.30.0.12 port 30080",
                "set server web/node3 state drain",
            ])
    }

    @Test("maintenance is the operator's, a place that the configuration has disabled is not")
    func maintenance() throws {
        let plan = try Self.plan([
            Self.server(1, weight: 3, .maintenance), Self.server(2, [.maintenance, .configuredMaintenance]),
            Self.server(3, .maintenance),
        ])
        #expect(plan.commands == ["set server web/node2 state ready"])
        #expect(plan.leftAlone == ["node1", "node3"])
    }

    @Test("a server that no node has the name of is drained")
    func stranger() throws {
        let servers = [Self.server(1, weight: 3), Self.server(2), Self.server(3, .drain), Self.server(4)]
        #expect(try Self.plan(servers).commands == ["set server web/node4 state drain"])
    }

    @Test("weights beyond HAProxy's greatest keep their proportion")
    func weights() throws {
        let commands = try Self.plan([], Sample(.local, ready: ["node1": 1000, "node2": 500, "node3": 1])).commands
        #expect(
            commands.filter { $0.hasPrefix("add") }.compactMap { $0.split(separator: " ").last } == ["256", "128", "1"])
    }

    @Test("without a look at HAProxy everything is set")
    func complete() throws {
        let pool = try #require(try Self.local.pools().first)
        #expect(
            HAProxyPlan.complete(pool, backend: "web") == [
                "set server web/node1 addr 172.30.0.11 port 30080", "set server web/node1 weight 3",
                "set server web/node1 state ready", "set server web/node2 addr 172.30.0.12 port 30080",
                "set server web/node2 weight 1", "set server web/node2 state ready", "set server web/node3 state drain",
            ])
    }

    /// What HAProxy 2.6 says.
    private static let answer = """
        1
        # be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight \
        srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state \
        bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr \
        srv_agent_addr srv_agent_port
        3 web 1 node1 127.0.0.9 2 8 5 1 1 1 0 2 0 0 0 0 - 99 - 0 0 - - 0
        3 web 2 node2 ::1 0 5 1 1 1 1 0 0 8 0 0 0 - 18081 - 0 0 - - 0


        """

    @Test("servers are read from what HAProxy says")
    func servers() throws {
        #expect(
            try HAProxyWords.servers(Self.answer, backend: "web") == [
                HAProxyServer(name: "node1", address: IPAddress("127.0.0.9"), port: 99, weight: 5, decisions: .drain),
                HAProxyServer(
                    name: "node2", address: IPAddress("::1"), port: 18081,
                    decisions: [.maintenance, .configuredMaintenance]),
            ])
    }

    @Test(
        "other answers are errors",
        arguments: [
            "", "Can't find backend.\n\n", "2\n# be_name\n", "1\n# be_name srv_name\nweb node1\n",
            "1\n\(answer.split(separator: "\n")[1])\n3 web 1 node1 127.0.0.9 2 8 many\n",
        ])
    func nonsense(_ answer: String) {
        #expect(throws: HAProxyAnswerError.self) { try HAProxyWords.servers(answer, backend: "web") }
    }

    @Test("success is told from failure")
    func success() {
        for answer in ["\n", "New server registered.\n\n", "IP changed from '1' to '2'\n\n"] {
            #expect(HAProxyWords.isSuccess(answer))
        }
        for answer in ["No such server.\n\n", "Absolute weight can only be between 0 and 256 inclusive.\n"] {
            #expect(!HAProxyWords.isSuccess(answer))
        }
        #expect(HAProxyWords.isName("web-1.a_b:c") && !HAProxyWords.isName("web; shutdown") && !HAProxyWords.isName(""))
    }
}
