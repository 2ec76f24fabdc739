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
        }
        try taint(nil)
        #expect(try await eventually { try await codes() == ["200", "200", "200"] }, "\(bench.daemon.output)")
        #expect(bench.daemon.output.contains("draining by the taint example.com/drain"))
        #expect(bench.daemon.output.contains("drained no longer"))
    }
}
