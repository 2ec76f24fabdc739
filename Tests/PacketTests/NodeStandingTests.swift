import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// What load balancers and routers are told of the node as a whole, besides whether the proxy does its work.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct NodeStandingTests {
    private typealias Bench = HealthServerTests.Bench

    @Test(
        "a taint of --drain-taints fails /healthz and health check ports, and connections are served as before; cordon does not"
    )
    func drain() async throws {
        let bench = try await Bench([.ready("local-1")], options: ["--drain-taints", "example.com/drain,other"])
        @Sendable func codes() async throws -> [String] {
            var result = [try await bench.status()]
            for path in ["/healthz", "/livez"] {
                let url = bench.url(.ipv4, path, port: 10256)
                result.append(try await bench.curl(["-o", "/dev/null", "-w", "%{http_code}", url]))
            }
            return result
        }
        func taint(_ key: String?) throws {
            let spec = key.map { "spec:\n  taints: [{key: \($0), effect: NoSchedule}]\n" } ?? ""
            try bench.directory.write(
                Manifest.documents([
                    Manifest.node("node1", ["172.30.0.11", "fd00:172:30::11"]) + spec,
                    Manifest.node("node2", ["172.30.0.12"]),
                ]), to: "cluster.yaml")
        }
        func draining() async throws -> Double? {
            let page = try await bench.curl(["http://127.0.0.1:10249/metrics"], on: true)
            return try PrometheusPage(page).values["fairlead_node_draining"]
        }
        let destination = Target.nodePort.destination(Numbers(index: 1), .ipv4)
        for _ in 0..<2 {
            try taint("node.kubernetes.io/unschedulable")
            #expect(try await eventually { try await codes() == ["200", "200", "200"] }, "\(bench.daemon.output)")
            try taint("example.com/drain")
            #expect(try await eventually { try await codes() == ["503", "503", "200"] }, "\(bench.daemon.output)")
            let outcome = try await bench.cluster.client.namespace.probe([Probe(.tcp, to: destination)])
            #expect(outcome.first?.answer?.server == "local-1")
            let status = try await bench.curl(["http://127.0.0.1:10249/api/v1/status"], on: true)
            #expect(status.contains("has the taint example.com/drain (--drain-taints)"), "\(status)")
            #expect(try await draining() == 1)
        }
        try taint(nil)
        #expect(try await eventually { try await codes() == ["200", "200", "200"] }, "\(bench.daemon.output)")
        #expect(try await draining() == 0)
        #expect(bench.daemon.output.contains("draining by the taint example.com/drain"))
        #expect(bench.daemon.output.contains("drained no longer"))
    }

    @Test("/readyz fails while no endpoint of the node has a route, or the Node's network is said to be unavailable")
    func readiness() async throws {
        let bench = try await Bench([.ready("local-1"), .ready("remote-1")])
        @Sendable func answer() async throws -> String {
            try await bench.curl(["-w", "%{http_code}", bench.url(.ipv4, "/readyz", port: 10256)])
        }
        func settles(_ parts: String...) async throws {
            let isSo = try await eventually(within: .seconds(15)) {
                let text = try await answer()
                return parts.allSatisfy(text.contains)
            }
            let last = try await answer()
            #expect(isSo, "\(last), expected \(parts)")
        }
        try await settles("network ok: routes to 2 of 2 endpoints on this node, to 2 of 2 on others", "passed\n200")
        let node = bench.cluster.node1.namespace
        // An own route of every pod: what a network plugin that has lost its routes leaves is the default route.
        let lost = """
            for family in -4 -6; do
                ip $family route show | grep -v -e default -e 172.3 -e fd00:172 -e fe80 | grep dev | while read -r range rest; do
                    echo "ip $family route add $range $rest" >> /tmp/readyz-$$.routes; ip $family route del $range
                done
            done; cat /tmp/readyz-$$.routes; rm /tmp/readyz-$$.routes
            """
        let routes = try await node.execute(Program("sh", ["-c", lost])).standardOutput
        try await settles("[-]network failed: no route to any of 2 endpoints on this node: ", "failed\n503")
        #expect(
            try await bench.curl(["-o", "/dev/null", "-w", "%{http_code}", bench.url(.ipv4, "/healthz", port: 10256)])
                == "200")
        try await node.execute(Program("sh", ["-c", routes])).requireSuccess()
        try await settles("[+]network ok", "passed\n200")
        let tainted =
            Manifest.node("node1", ["172.30.0.11", "fd00:172:30::11"])
            + "spec:\n  taints: [{key: node.kubernetes.io/network-unavailable, effect: NoSchedule}]\n"
        try bench.directory.write(
            Manifest.documents([tainted, Manifest.node("node2", ["172.30.0.12"])]), to: "cluster.yaml")
        try await settles("[-]network failed: the Node has the taint node.kubernetes.io/network-unavailable", "\n503")
    }
}
