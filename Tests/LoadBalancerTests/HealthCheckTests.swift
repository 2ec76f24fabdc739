import FairleadTestKit
import NetworkTypes
import Testing

/// Real HAProxy's health checks, in the forms that it can send, at the daemon's ports.
@Suite(.serialized, .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct HealthCheckTests {
    /// A backend for each form: its name, the options of the backend, and what the servers' checks have.
    private static let forms: [(name: String, options: String, check: String)] = [
        ("old", "option httpchk", ""),
        ("current", "option httpchk GET /healthz HTTP/1.1", ""),
        ("sent", "option httpchk\n    http-check send meth HEAD uri /healthz ver HTTP/1.1 hdr Host node", ""),
        ("absolute", "option httpchk GET http://node/healthz", ""),
        ("first", "option httpchk GET /healthz", "send-proxy check-send-proxy"),
        ("second", "option httpchk GET /healthz", "send-proxy-v2 check-send-proxy"),
        (
            "lines",
            "option tcp-check\n    tcp-check connect\n    tcp-check send \"GET /healthz HTTP/1.0\\n\\n\"\n"
                + "    tcp-check expect string \"200 OK\"", ""
        ),
    ]

    private static func configuration(_ lab: LabTopology) -> String {
        var text = """
            global
                stats socket /run/haproxy/admin.sock mode 600 level admin
            defaults
                mode tcp
                timeout connect 2s
                timeout client 1m
                timeout server 1m
                timeout check 3s

            """
        for form in forms {
            text += "backend \(form.name)\n    \(form.options)\n"
            text += "    default-server check inter 200ms fall 2 rise 1 \(form.check)\n"
            for node in lab.nodes {
                text += "    server \(node.name) \(node.ipv4):30080 port \(LabTopology.healthCheckPort)\n"
                // The same of the node itself; there every path but one is unknown.
                if form.name != "old" {
                    text += "    server \(node.name)-node \(node.ipv4):30080 port 10256\n"
                }
            }
        }
        // A check that connects and says nothing.
        text += "backend silent\n    default-server check inter 200ms fall 2 rise 1\n"
        for node in lab.nodes { text += "    server \(node.name) \(node.ipv4):30080 port 10256\n" }
        return text
    }

    @Test(
        "HAProxy's checks of every form, with check-send-proxy too, see which node has endpoints, and no line is logged",
        arguments: Neighbour.runnable("haproxy"))
    func checks(_ build: Neighbour) async throws {
        let cluster = try await LabCluster(LabService(policy: "Local", ready: ["node1-a"]))
        let before = cluster.daemons.map(\.output)
        let haproxy = try await HAProxy(
            Self.configuration(cluster.lab), in: cluster.lab.balancer.namespace, build: build)
        var expected = ["node1": "UP", "node2": "DOWN", "node3": "DOWN"]
        for form in Self.forms {
            if form.name != "old" { for node in ["node1", "node2", "node3"] { expected["\(node)-node"] = "UP" } }
            try await haproxy.waits(for: expected, of: form.name)
        }
        try await haproxy.waits(for: ["node1": "UP", "node2": "UP", "node3": "UP"], of: "silent")
        // Long enough for several rounds of each.
        try await Task.sleep(for: .seconds(1))
        for (daemon, text) in zip(cluster.daemons, before) { #expect(daemon.output == text) }
    }
}
