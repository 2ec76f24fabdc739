import FairleadTestKit
import Foundation
import Glibc
import NetworkTypes
import Testing

/// `fairlead lb-pool --output nginx` and a real nginx that reads what it writes, as docs/lb-pool.md has it.
@Suite(.serialized, .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct NginxTests {
    /// A cluster, nginx with the page's configuration, and `lb-pool --watch` that writes its upstream.
    private struct Bench: Sendable {
        let cluster: LabCluster
        let directory: TemporaryDirectory
        let follower: Daemon
        let nginx: Daemon

        init(_ service: LabService) async throws {
            cluster = try await LabCluster(service)
            let directory = try TemporaryDirectory()
            self.directory = directory
            let command = try Lab.document().block("lb-pool-nginx")
                .replacing("/etc/fairlead/manifests", with: cluster.directory.path)
                .replacing("/etc/nginx", with: directory.path)
                .replacing("fairlead lb-pool", with: "exec \(FairleadCommand().path) lb-pool")
            follower = try await Daemon(
                Program("sh", ["-c", command], timeLimit: .seconds(300)), in: cluster.lab.balancer.namespace)
            #expect(
                await eventually { FileManager.default.fileExists(atPath: "\(directory.path)/web.conf") },
                "\(follower.output)")
            let text = try Lab.document().block("nginx.conf")
                .replacing("/etc/nginx/web.conf", with: "\(directory.path)/web.conf")
            try directory.write(
                "pid \(directory.path)/nginx.pid;\nuser root;\nerror_log stderr;\n" + text, to: "nginx.conf")
            let arguments = ["-e", "stderr", "-c", "\(directory.path)/nginx.conf", "-g", "daemon off;"]
            nginx = try await Daemon(
                Program("/usr/sbin/nginx", arguments, timeLimit: .seconds(300)), in: cluster.lab.balancer.namespace)
        }

        func upstream() throws -> String { try String(contentsOfFile: "\(directory.path)/web.conf", encoding: .utf8) }
    }

    @Test("weights follow endpoints, a node that leaves gets nothing more, and a reload loses no request")
    func weights() async throws {
        var service = LabService(policy: "Local", ready: ["node1-a", "node1-b", "node2-a"])
        let bench = try await Bench(service)
        defer { for daemon in [bench.nginx, bench.follower] { daemon.signal(SIGTERM) } }
        let client = bench.cluster.lab.client
        let isThere = try await eventually {
            try await client.namespace.probe([Probe(.tcp, to: Lab.front)]).first?.answer != nil
        }
        #expect(isThere, "\(bench.nginx.output)")
        let load = Load(to: Lab.front, from: client)
        #expect(await load.goesOn(for: 600))
        let first = load.report
        #expect(abs(first.answers("node1") * 3 - first.answered * 2) <= 30, "\(first)")
        try await bench.cluster.move(&service, from: "node2-a", to: "node3-a") {
            let isWritten = try await eventually {
                let text = try bench.upstream()
                return text.contains("172.30.0.13:30080 weight=1;") && text.contains("172.30.0.12:30080 down;")
            }
            #expect(isWritten, "\(bench.follower.output)")
            bench.nginx.signal(SIGHUP)
            // Workers of before end once their connections do.
            let isLeft = await eventually(within: .seconds(20)) {
                let before = load.report
                let goesOn = await load.goesOn(for: 60)
                return goesOn && !load.report.servers(since: before).keys.contains { $0.hasPrefix("node2") }
            }
            #expect(isLeft, "\(load.report)")
        }
        let before = load.report
        #expect(await load.goesOn(for: 300))
        let report = try await load.stop()
        Lab.record("nginx, lb-pool, Local, 1 move", report)
        #expect(report.failed == 0)
        #expect(Set(report.servers(since: before).keys) == ["node1-a", "node1-b", "node3-a"])
    }

    @Test("a pool with nobody in it is a configuration that nginx takes")
    func nobody() async throws {
        let bench = try await Bench(LabService(policy: "Local", ready: []))
        defer { for daemon in [bench.nginx, bench.follower] { daemon.signal(SIGTERM) } }
        let text = try bench.upstream()
        #expect(text.split(separator: "\n").filter { $0.contains(" down;") }.count == 3, "\(text)")
        let test = Program("/usr/sbin/nginx", ["-t", "-e", "stderr", "-c", "\(bench.directory.path)/nginx.conf"])
        let result = try await bench.cluster.lab.balancer.namespace.execute(test)
        #expect(result.status == 0, "\(result.standardError)")
    }
}
