import FairleadTestKit
import NetworkTypes
import Testing

/// `fairlead lb-pool` and a real HAProxy whose servers it decides.
@Suite(.serialized, .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct PoolTests {
    /// A cluster, HAProxy with the page's configuration, and `lb-pool --watch` with the page's command.
    private struct Bench: Sendable {
        let cluster: LabCluster
        let haproxy: HAProxy
        let follower: Daemon

        init(_ service: LabService, options: [String] = []) async throws {
            cluster = try await LabCluster(service)
            haproxy = try await Lab.haproxy("haproxy-pool.cfg", in: cluster)
            follower = try await Self.start(cluster, haproxy, options)
        }

        static func start(_ cluster: LabCluster, _ haproxy: HAProxy, _ options: [String] = []) async throws -> Daemon {
            let command = try Lab.document().block("lb-pool-watch")
                .replacing("/etc/fairlead/manifests", with: cluster.directory.path)
                .replacing("/run/haproxy/admin.sock", with: haproxy.socket)
                .replacing("fairlead lb-pool", with: "exec \(FairleadCommand().path) lb-pool")
            let text = ([command.trimmingLineEnd()] + ["--family IPv4"] + options).joined(separator: " ")
            return try await Daemon(
                Program("sh", ["-c", text], timeLimit: .seconds(300)), in: cluster.lab.balancer.namespace)
        }
    }

    @Test("weights follow endpoints: nodes get what their endpoints are worth, and moves lose nothing")
    func weights() async throws {
        var service = LabService(policy: "Local", ready: ["node1-a", "node1-b", "node2-a"])
        let bench = try await Bench(service)
        // node3 is added once it has an endpoint; the configuration does not know it.
        try await bench.haproxy.waits(for: ["node1": "UP", "node2": "UP"])
        try await bench.haproxy.waits(for: ["node1": "2", "node2": "1"], "weight")
        #expect(try bench.haproxy.servers("web", "status")["node3"] == nil)
        let load = Load(to: Lab.front, from: bench.cluster.lab.client)
        #expect(await load.goesOn(for: 600))
        let first = load.report
        // Round robin is exact but for what is under way.
        #expect(abs(first.answers("node1") * 3 - first.answered * 2) <= 30, "\(first)")

        try await bench.cluster.move(&service, from: "node1-a", to: "node3-a") {
            try await bench.haproxy.waits(for: ["node1": "1", "node2": "1", "node3": "1"], "weight")
            try await bench.haproxy.waits(for: ["node3": "UP"])
            // node1 has a ready endpoint left and sends nothing more to the one that ends.
            #expect(await load.goesOn(for: 100))
        }
        try await bench.cluster.move(&service, from: "node2-a", to: "node3-b") {
            try await bench.haproxy.waits(for: ["node2": "DRAIN", "node3": "UP"])
            try await bench.haproxy.waits(for: ["node1": "1", "node3": "2"], "weight")
            #expect(await load.goesOn(for: 100))
        }
        let before = load.report
        #expect(await load.goesOn(for: 600))
        let report = try await load.stop()
        Lab.record("HAProxy, lb-pool, Local, 2 moves", report)
        #expect(report.failed == 0)
        let last = report.servers(since: before)
        #expect(last["node2-a"] == nil && Set(last.keys) == ["node1-b", "node3-a", "node3-b"], "\(last)")
        let third = last.values.reduce(0, +) / 3
        for server in last { #expect(abs(server.value - third) <= third / 4, "\(last)") }
        #expect(bench.follower.output.contains("add server web/node3 172.30.0.13:30080 weight 1 check port 10256"))
        #expect(bench.follower.output.contains("set server web/node2 state drain"))
    }

    @Test("a reload and a restart of HAProxy make no difference, and requests are lost by neither a reload nor a drain")
    func reload() async throws {
        let service = LabService(policy: "Local", ready: ["node1-a", "node1-b", "node2-a"])
        let bench = try await Bench(service)
        try await bench.haproxy.waits(for: ["node1": "UP", "node2": "UP"])
        try await bench.haproxy.waits(for: ["node1": "2"], "weight")
        let load = Load(to: Lab.front, from: bench.cluster.lab.client)
        #expect(await load.goesOn(for: 100))
        for _ in 0..<2 {
            try await bench.haproxy.reload()
            try await bench.haproxy.waits(for: ["node1": "2", "node2": "1"], "weight")
            try await bench.haproxy.waits(for: ["node1": "UP", "node2": "UP"])
            #expect(await load.goesOn(for: 200))
        }
        // Somebody else's hand: a drain is taken back, maintenance is respected.
        _ = try bench.haproxy.ask("set server web/node1 state drain")
        try await bench.haproxy.waits(for: ["node1": "UP"])
        _ = try bench.haproxy.ask("set server web/node2 state maint")
        try await bench.haproxy.waits(for: ["node2": "MAINT"])
        try await bench.follower.waitForOutput("left in maintenance, as somebody set it: node2")
        #expect(await load.goesOn(for: 200))
        #expect(try bench.haproxy.servers("web", "status")["node2"] == "MAINT")
        _ = try bench.haproxy.ask("set server web/node2 state ready")
        try await bench.haproxy.waits(for: ["node2": "UP"])
        let report = try await load.stop()
        Lab.record("HAProxy, lb-pool, 2 reloads, drain and maintenance by hand", report)
        #expect(report.failed == 0)
        // Nothing of what it was told is left after a restart, and it is told again.
        try await bench.haproxy.restart { () async throws(TestKitError) in
            try await bench.follower.waitForOutput("HAProxy cannot be asked")
        }
        try await bench.haproxy.waits(for: ["node1": "2", "node2": "1"], "weight")
        try await bench.haproxy.waits(for: ["node1": "UP", "node2": "UP"])
        try await bench.follower.waitForOutput("HAProxy answers again")
    }

    @Test("Cluster: every node is in; labels and lost nodes take them out, gently")
    func cluster() async throws {
        let bench = try await Bench(LabService(policy: "Cluster", ready: ["node1-a"]))
        try await bench.haproxy.waits(for: ["node1": "UP", "node2": "UP", "node3": "UP"])
        let load = Load(to: Lab.front, from: bench.cluster.lab.client)
        #expect(await load.goesOn(for: 200))
        try bench.cluster.label(["node2": ["node.kubernetes.io/exclude-from-external-load-balancers": ""]])
        try await bench.haproxy.waits(for: ["node2": "DRAIN"])
        let before = try bench.haproxy.servers("web", "stot")["node2"]
        #expect(await load.goesOn(for: 200))
        #expect(try bench.haproxy.servers("web", "stot")["node2"] == before)
        try bench.cluster.label([:])
        try await bench.haproxy.waits(for: ["node2": "UP"])
        #expect(await load.goesOn(for: 100))
        let report = try await load.stop()
        Lab.record("HAProxy, lb-pool, Cluster, a node leaves and comes back", report)
        #expect(report.failed == 0)
        // What cannot be known changes nothing.
        bench.cluster.directory.remove("web.yaml")
        try await bench.follower.waitForOutput("Service default/web: there is none")
        #expect(bench.follower.isRunning)
        let states = try bench.haproxy.servers("web", "status")
        #expect(states == ["node1": "UP", "node2": "UP", "node3": "UP"])
        bench.follower.signal(15)
        #expect(try await bench.follower.waitForEnd().status == 0)
    }

    @Test("HAProxy that is away is told once it is there")
    func unreachable() async throws {
        let cluster = try await LabCluster(LabService(policy: "Cluster", ready: ["node1-a"]))
        let arguments = [
            "lb-pool", "default/web", "--manifests", cluster.directory.path, "--family", "IPv4", "--backend", "web",
            "--haproxy-socket", "\(cluster.directory.path)/none.sock",
        ]
        let result = try await FairleadCommand().run(arguments, in: cluster.lab.balancer.namespace)
        #expect(result.status == 1)
        #expect(result.standardError.contains("none.sock: HAProxy cannot be asked: No such file or directory"))
        let haproxy = try await Lab.haproxy("haproxy-pool.cfg", in: cluster)
        var once = arguments
        once[once.count - 1] = haproxy.socket
        let told = try await FairleadCommand().run(once, in: cluster.lab.balancer.namespace).requireSuccess()
        #expect(told.standardOutput.contains("set server web/node1 weight 1\n"))
        #expect(told.standardOutput.contains("add server web/node3 172.30.0.13:30080 weight 1\n"))
        let again = try await FairleadCommand().run(once, in: cluster.lab.balancer.namespace).requireSuccess()
        #expect(again.standardOutput == "")
        // The other family: HAProxy moves the servers that it has.
        let ipv6 = once.map { $0 == "IPv4" ? "IPv6" : $0 }
        let moved = try await FairleadCommand().run(ipv6, in: cluster.lab.balancer.namespace).requireSuccess()
        #expect(
            moved.standardOutput
                == (1...3).map { "set server web/node\($0) addr fd00:172:30::1\($0) port 30080\n" }
                .joined())
        once[once.count - 3] = "other"
        let wrong = try await FairleadCommand().run(once, in: cluster.lab.balancer.namespace)
        #expect(wrong.status == 1 && wrong.standardError.contains("Can't find backend"))
    }
}

extension String {
    func trimmingLineEnd() -> String { hasSuffix("\n") ? String(dropLast()) : self }
}
