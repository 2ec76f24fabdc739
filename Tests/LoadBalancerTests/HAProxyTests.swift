import FairleadTestKit
import NetworkTypes
import Testing

/// A real HAProxy that goes by health checks, with the configurations of docs/load-balancers.md.
@Suite(.serialized, .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct HAProxyTests {
    @Test("Cluster: every node serves, and a rolling move of all endpoints loses nothing")
    func cluster() async throws {
        var service = LabService(policy: "Cluster", ready: ["node1-a", "node1-b"])
        let cluster = try await LabCluster(service)
        let haproxy = try await Lab.haproxy("haproxy-cluster.cfg", in: cluster)
        try await haproxy.waits(for: ["node1": "UP", "node2": "UP", "node3": "UP"])
        let load = Load(to: Lab.front, from: cluster.lab.client)
        #expect(await load.goesOn(for: 200))
        for (old, new) in [("node1-a", "node2-a"), ("node1-b", "node3-a"), ("node2-a", "node1-a")] {
            try await cluster.move(&service, from: old, to: new) {
                // No load balancer needs to notice: the nodes send to ready endpoints only.
                let before = load.report
                #expect(await load.goesOn(for: 200))
                #expect(load.report.servers(since: before)[new, default: 0] > 0)
            }
            #expect(await load.goesOn(for: 100))
        }
        let report = try await load.stop()
        Lab.record("HAProxy, Cluster, 3 moves", report)
        #expect(report.failed == 0)
        // Each node got a third, and all of them sent to wherever endpoints were.
        let shares = try haproxy.servers("web", "stot")
        for node in ["node1", "node2", "node3"] {
            #expect(abs((Int(shares[node] ?? "") ?? 0) - report.sent / 3) <= report.sent / 10, "\(shares)")
        }
        // Under Cluster the pod sees the node that forwarded: by the address that it has on the way to the pod.
        let nodes = Set(cluster.lab.nodes.map(\.ipv4))
        let gateways: Set<IPAddress> = ["10.128.1.1", "10.128.2.1", "10.128.3.1"]
        #expect(report.sources.isSubset(of: nodes.union(gateways)), "\(report.sources)")
    }

    @Test("Local: only nodes with endpoints get connections, and moves from node to node lose nothing")
    func local() async throws {
        var service = LabService(policy: "Local", ready: ["node1-a", "node2-a"])
        let cluster = try await LabCluster(service)
        let haproxy = try await Lab.haproxy("haproxy-local.cfg", in: cluster)
        try await haproxy.waits(for: ["node1": "UP", "node2": "UP", "node3": "DOWN"])
        let load = Load(to: Lab.front, from: cluster.lab.client)
        #expect(await load.goesOn(for: 200))
        #expect(load.report.servers.keys.sorted() == ["node1-a", "node2-a"])
        for (old, new) in [("node1-a", "node3-a"), ("node2-a", "node1-b"), ("node3-a", "node2-b")] {
            let node = String(old.prefix(5))
            try await cluster.move(&service, from: old, to: new) {
                // The node says so at once, and serves with what terminates until the balancer has left it.
                #expect(await load.goesOn(for: 50))
                #expect(try await eventually { try await cluster.healthStatus(node) == "503" })
                try await haproxy.waits(for: [node: "DOWN", String(new.prefix(5)): "UP"])
                let before = load.report
                #expect(await load.goesOn(for: 200))
                let servers = load.report.servers(since: before)
                #expect(servers[new, default: 0] > 0)
                // Those that were on their way may still have come.
                #expect(servers[old, default: 0] <= 4, "\(servers)")
            }
            #expect(await load.goesOn(for: 100))
        }
        let report = try await load.stop()
        Lab.record("HAProxy, Local, 3 moves", report)
        #expect(report.failed == 0)
        // Nobody translates the source: the pod sees HAProxy itself.
        #expect(report.sources == [cluster.lab.balancer.ipv4])
    }

    /// What the others are measured against: without grace, requests are lost, and this load sees it.
    @Test("Local: a pod that ends at once costs requests")
    func withoutGrace() async throws {
        let service = LabService(policy: "Local", ready: ["node1-a", "node2-a"])
        let cluster = try await LabCluster(service)
        let haproxy = try await Lab.haproxy("haproxy-local.cfg", in: cluster)
        try await haproxy.waits(for: ["node1": "UP", "node2": "UP", "node3": "DOWN"])
        let load = Load(to: Lab.front, from: cluster.lab.client)
        #expect(await load.goesOn(for: 100))
        await cluster.lab.end("node1-a")
        #expect(await eventually { load.report.failed > 0 })
        let after = LabService(policy: "Local", ready: ["node2-a"])
        try cluster.change(to: after)
        try await haproxy.waits(for: ["node1": "DOWN", "node2": "UP"])
        let before = load.report.failed
        #expect(await load.goesOn(for: 200))
        let report = try await load.stop()
        Lab.record("HAProxy, Local, an end without grace", report)
        #expect(report.failed > 0 && report.failed - before <= 4)
    }

    @Test("Local: with the PROXY protocol the pod learns the client's address")
    func proxyProtocol() async throws {
        let cluster = try await LabCluster(LabService(policy: "Local", ready: ["node1-b"]))
        await cluster.lab.end("node1-a")
        let pod = try cluster.lab.host("node1-b")
        await cluster.lab.end(pod.name)
        let reader = try await ProxyReader(in: pod, port: 8080)
        let text = try Lab.document().block("haproxy-local.cfg")
        let change = ("default-server check", "default-server send-proxy-v2 check")
        #expect(text.contains(change.0))
        let configuration = text.replacing(change.0, with: change.1)
        let haproxy = try await HAProxy(configuration, in: cluster.lab.balancer.namespace)
        try await haproxy.waits(for: ["node1": "UP", "node2": "DOWN"])
        // Nobody answers in the harness' words; what counts is what arrives.
        _ = try await cluster.lab.client.namespace.tally(
            Probe(.tcp, to: Lab.front, timeLimit: .milliseconds(500)), count: 1)
        #expect(await eventually { !reader.headers.isEmpty })
        let header = try #require(reader.headers.first)
        #expect(header.peer == cluster.lab.balancer.ipv4)
        #expect(header.client == cluster.lab.client.ipv4)
    }
}
