import FairleadTestKit
import Foundation
import Glibc
import NetworkTypes
import Testing

private let envoy = Neighbour("envoy", .pypi)

/// `fairlead lb-pool --output envoy` and a real Envoy that reads what it writes, as docs/lb-pool.md has it.
@Suite(
    .serialized, .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"),
    .enabled(if: envoy.isPresent, Comment(rawValue: envoy.absence())),
    .enabled("Envoy does not start here: its allocator needs addresses of 48 bits", { await envoy.starts() }))
struct EnvoyTests {
    /// A cluster, `lb-pool --watch` that writes endpoints, and Envoy with the page's configuration.
    private struct Bench: Sendable {
        let cluster: LabCluster
        let directory: TemporaryDirectory
        let follower: Daemon
        let envoy: Daemon

        init(_ service: LabService) async throws {
            cluster = try await LabCluster(service)
            let directory = try TemporaryDirectory()
            self.directory = directory
            try FileManager.default.createDirectory(
                atPath: "\(directory.path)/pools", withIntermediateDirectories: true)
            let command = try Lab.document().block("lb-pool-envoy")
                .replacing("/etc/fairlead/manifests", with: cluster.directory.path)
                .replacing("/etc/envoy", with: directory.path)
                .replacing("fairlead lb-pool", with: "exec \(FairleadCommand().path) lb-pool")
            follower = try await Daemon(
                Program("sh", ["-c", command], timeLimit: .seconds(300)), in: cluster.lab.balancer.namespace)
            #expect(
                await eventually { FileManager.default.fileExists(atPath: "\(directory.path)/pools/web.json") },
                "\(follower.output)")
            let text = try Lab.document().block("envoy.yaml").replacing("/etc/envoy", with: directory.path)
            try directory.write(text, to: "envoy.yaml")
            let arguments = [
                "-c", "\(directory.path)/envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "-l", "warning",
            ]
            envoy = try await Daemon(
                Program(LoadBalancerTests.envoy.path(), arguments, timeLimit: .seconds(300)),
                in: cluster.lab.balancer.namespace)
            let client = cluster.lab.client
            let isThere = try await eventually(within: .seconds(30)) {
                try await client.namespace.probe([Probe(.tcp, to: Lab.front)]).first?.answer != nil
            }
            #expect(isThere, "\(envoy.output)")
        }
    }

    @Test("weights follow endpoints, a node that leaves gets nothing more, and no request is lost")
    func weights() async throws {
        var service = LabService(policy: "Local", ready: ["node1-a", "node1-b", "node2-a"])
        let bench = try await Bench(service)
        defer { for daemon in [bench.envoy, bench.follower] { daemon.signal(SIGTERM) } }
        let load = Load(to: Lab.front, from: bench.cluster.lab.client)
        #expect(await load.goesOn(for: 600))
        let first = load.report
        #expect(abs(first.answers("node1") * 3 - first.answered * 2) <= 60, "\(first)")
        try await bench.cluster.move(&service, from: "node2-a", to: "node3-a") {
            let isLeft = await eventually(within: .seconds(20)) {
                let before = load.report
                let goesOn = await load.goesOn(for: 60)
                let servers = load.report.servers(since: before).keys
                return goesOn && servers.contains { $0.hasPrefix("node3") }
                    && !servers.contains { $0.hasPrefix("node2") }
            }
            #expect(isLeft, "\(load.report) \(bench.envoy.output)")
        }
        let before = load.report
        #expect(await load.goesOn(for: 300))
        let report = try await load.stop()
        Lab.record("Envoy, lb-pool, Local, 1 move", report)
        #expect(report.failed == 0)
        #expect(Set(report.servers(since: before).keys) == ["node1-a", "node1-b", "node3-a"])
    }

    @Test("Envoy's own checks take a node out that has no endpoint any more, without lb-pool")
    func checks() async throws {
        var service = LabService(policy: "Local", ready: ["node1-a", "node2-a"])
        let bench = try await Bench(service)
        defer { bench.envoy.signal(SIGTERM) }
        let load = Load(to: Lab.front, from: bench.cluster.lab.client)
        #expect(await load.goesOn(for: 100))
        #expect(Set(load.report.servers.keys) == ["node1-a", "node2-a"])
        bench.follower.signal(SIGTERM)
        _ = try await bench.follower.waitForEnd()
        service.endpoints["node2-a"] = .terminating
        try bench.cluster.change(to: service)
        let isLeft = await eventually(within: .seconds(20)) {
            let before = load.report
            let goesOn = await load.goesOn(for: 60)
            return goesOn && Set(load.report.servers(since: before).keys) == ["node1-a"]
        }
        #expect(isLeft, "\(load.report) \(bench.envoy.output)")
        #expect(try await load.stop().failed == 0)
    }
}
