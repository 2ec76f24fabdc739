import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// Virtual addresses that lead to nodes: announced by a real BGP daemon, or answered for on the link.
@Suite(.serialized, .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct AnnouncementTests {
    /// A cluster whose nodes announce the address by BGP while the health check port says so, as the page has it.
    private struct Bench: Sendable {
        let cluster: LabCluster
        let router: Bird
        let birds: [Bird]
        let announcers: [Daemon]
        static let destination = HostPort(LabTopology.virtualIPv4, 80)

        init(_ service: LabService, _ build: Neighbour) async throws {
            let cluster = try await LabCluster(service)
            let document = try Lab.document()
            router = try await Bird(
                document.block("bird-router.conf"), in: cluster.lab.router.namespace, build: build)
            let path = try cluster.directory.write(document.block("announce.sh"), to: "announce.sh")
            var (birds, announcers): ([Bird], [Daemon]) = ([], [])
            for node in cluster.lab.nodes {
                let text = try document.block("bird-node.conf").replacing("NODE_ADDRESS", with: "\(node.ipv4)")
                let bird = try await Bird(text, in: node.namespace, build: build)
                let checks = ["http://\(node.ipv4):30500/", "http://\(node.ipv4):10256/readyz"]
                var program = Program("sh", [path, "web"] + checks, timeLimit: .seconds(300))
                program.environment = ["BIRDC_OPTIONS": "-s \(bird.socket)"]
                if let place = build.directory { program.environment["PATH"] = "\(place):/usr/bin:/bin" }
                announcers.append(try await Daemon(program, in: node.namespace))
                birds.append(bird)
            }
            (self.cluster, self.birds, self.announcers) = (cluster, birds, announcers)
            let version = try await router.ask(["show", "status"]).prefix { $0 != "\n" }
            print("bird: \(build): \(version)")
        }

        /// The nodes that the router sends to.
        func nextHops() async throws -> [String] {
            let program = Program("ip", ["route", "show", "10.250.0.80"])
            let text = try await cluster.lab.router.namespace.execute(program).requireSuccess().standardOutput
            return cluster.lab.nodes.filter { text.contains("via \($0.ipv4) ") }.map(\.name)
        }

        func leads(to nodes: [String]) async throws {
            let isSo = try await eventually(within: .seconds(40)) { try await nextHops() == nodes }
            if !isSo {
                let routes = try await router.ask(["show", "protocols"])
                throw TestKitError.timeLimit("routes to \(nodes), there are \(try await nextHops())\n\(routes)")
            }
        }
    }

    /// The versions that are there: 2.0 of Debian 12, 2.17 and 3.1 of Debian 13.
    private static let birds =
        Neighbour.runnable("bird") + Neighbour.runnable("bird3").filter { $0.suite != .installed }

    @Test(
        "BGP: the address is announced from nodes with endpoints only, ECMP spreads, the pod sees the client",
        arguments: birds)
    func announcement(_ build: Neighbour) async throws {
        var service = LabService(policy: "Local", ready: ["node1-a", "node2-a"])
        let bench = try await Bench(service, build)
        try await bench.leads(to: ["node1", "node2"])
        let load = Load(to: Bench.destination, from: bench.cluster.lab.client)
        #expect(await load.goesOn(for: 400))
        let first = load.report
        #expect(first.servers.keys.sorted() == ["node1-a", "node2-a"])
        for server in first.servers.values { #expect(server > first.answered / 4, "\(first)") }
        for (old, new, nodes) in [
            ("node1-a", "node3-a", ["node2", "node3"]), ("node2-a", "node1-b", ["node1", "node3"]),
        ] {
            try await bench.cluster.move(&service, from: old, to: new) {
                try await bench.leads(to: nodes)
                #expect(await load.goesOn(for: 200))
            }
            let before = load.report
            #expect(await load.goesOn(for: 200))
            #expect(load.report.servers(since: before).keys.allSatisfy { nodes.contains(String($0.prefix(5))) })
        }
        let report = try await load.stop()
        Lab.record("BGP, \(build), Local, 2 moves", report)
        #expect(report.sources == [bench.cluster.lab.client.ipv4])
        // A change of the routes spreads all flows again: of those that are just under way some may meet the wrong node.
        #expect(report.failed <= 8, "\(report)")
    }

    @Test("BGP: a node whose daemon, then whose link dies is left", arguments: ["bird", "link"], birds)
    func failover(_ cause: String, _ build: Neighbour) async throws {
        let bench = try await Bench(LabService(policy: "Local", ready: ["node1-a", "node2-a"]), build)
        try await bench.leads(to: ["node1", "node2"])
        // BFD comes up after BGP; without it the link's end would only be seen by the hold time.
        let hasBFD = try await eventually(within: .seconds(20)) {
            let sessions = try await bench.router.ask(["show", "bfd", "sessions"])
            return sessions.split(separator: "\n").filter { $0.contains(" Up ") }.count == 3
        }
        #expect(hasBFD)
        var options = Load.Options()
        options.timeLimit = .milliseconds(250)
        let load = Load(to: Bench.destination, from: bench.cluster.lab.client, options)
        #expect(await load.goesOn(for: 100))
        let start = ContinuousClock.now
        if cause == "bird" {
            bench.birds[0].kill()
        } else {
            try await bench.cluster.lab.router.namespace.execute(Program("ip", ["link", "set", "node1", "down"]))
                .requireSuccess()
        }
        try await bench.leads(to: ["node2"])
        let taken = ContinuousClock.now - start
        let before = load.report
        #expect(await load.goesOn(for: 200))
        let report = try await load.stop()
        print("load: BGP, \(build), \(cause) of a node dies: route gone after \(taken)")
        Lab.record("BGP, \(build), \(cause) of a node dies", report)
        #expect(report.servers(since: before).keys.allSatisfy { $0 == "node2-a" })
        // Less than the hold time: BFD, or the session's end, told of it.
        #expect(taken < .seconds(6))
        // A node that nobody announces any more goes on serving what reaches it; one without a link loses what it gets.
        if cause == "bird" { #expect(report.failed <= 4, "\(report)") }
        #expect(report.failed - before.failed <= 4, "\(report)")
    }

    @Test("BGP: a node that is not ready is left, although it has endpoints", arguments: birds.prefix(1))
    func unready(_ build: Neighbour) async throws {
        let bench = try await Bench(LabService(policy: "Local", ready: ["node1-a", "node2-a"]), build)
        try await bench.leads(to: ["node1", "node2"])
        let load = Load(to: Bench.destination, from: bench.cluster.lab.client)
        #expect(await load.goesOn(for: 100))
        let nodes = LabService.nodes(bench.cluster.lab)
        let tainted = nodes.split(separator: "---\n").map { document in
            let spec = "spec:\n  taints: [{key: node.kubernetes.io/network-unavailable, effect: NoSchedule}]\n"
            return document.contains("name: node1\n") ? document + spec : String(document)
        }
        try bench.cluster.directory.write(tainted.joined(separator: "---\n"), to: "nodes.yaml")
        try await bench.leads(to: ["node2"])
        #expect(try await bench.cluster.healthStatus("node1") == "200")
        let before = load.report
        #expect(await load.goesOn(for: 200))
        #expect(load.report.servers(since: before).keys.allSatisfy { $0 == "node2-a" })
        try bench.cluster.directory.write(nodes, to: "nodes.yaml")
        try await bench.leads(to: ["node1", "node2"])
        let report = try await load.stop()
        // The node serves what still reaches it; a change of the routes spreads flows again.
        #expect(report.failed <= 8, "\(report)")
    }

    @Test(
        "layer 2: the node that answers for the address gets it, and a move costs at the most what is under way",
        arguments: IPFamily.allCases)
    func link(_ family: IPFamily) async throws {
        var service = LabService(policy: "Local", ready: ["node1-a"])
        let cluster = try await LabCluster(service)
        let address = family == .ipv4 ? LabTopology.linkIPv4 : LabTopology.linkIPv6
        @Sendable func hold(_ node: Int) async throws {
            let namespace = cluster.lab.nodes[node - 1].namespace
            // IPv6 tells of an address by itself once it is usable; IPv4 has arping do that.
            try namespace.setParameters([("ipv6/conf/eth0/ndisc_notify", "1")])
            let words = ["address", "add", "\(address)/\(family.addressBits)", "dev", "eth0"]
            try await namespace.execute(Program("ip", words)).requireSuccess()
            if family == .ipv4 {
                let arping = Program("arping", ["-U", "-c", "1", "-I", "eth0", "\(address)"])
                try await namespace.execute(arping).requireSuccess()
            }
        }
        @Sendable func release(_ node: Int) async throws {
            let words = ["address", "del", "\(address)/\(family.addressBits)", "dev", "eth0"]
            try await cluster.lab.nodes[node - 1].namespace.execute(Program("ip", words)).requireSuccess()
        }
        try await hold(1)
        let load = Load(to: HostPort(address, 80), from: cluster.lab.client)
        #expect(await load.goesOn(for: 100))
        try await cluster.move(&service, from: "node1-a", to: "node2-a") {
            #expect(try await eventually { try await cluster.healthStatus("node1") == "503" })
            #expect(try await eventually { try await cluster.healthStatus("node2") == "200" })
            // The old one still serves what comes to it.
            let serving = load.report
            #expect(await load.goesOn(for: 60))
            #expect(load.report.servers(since: serving).keys.sorted() == ["node1-a"])
            #expect(load.report.failed == 0)
            // As MetalLB does: the new one answers and says so.
            try await release(1)
            try await hold(2)
            let moved = await eventually(within: .seconds(20)) {
                let before = load.report
                let goesOn = await load.goesOn(for: 40)
                return goesOn && Set(load.report.servers(since: before).keys) == ["node2-a"]
            }
            #expect(moved)
        }
        let moved = load.report.failed
        #expect(await load.goesOn(for: 100))
        let report = try await load.stop()
        Lab.record("layer 2, \(family), a move", report)
        // A request that is under way when the address moves began on a node and goes on to one that does not know it.
        #expect(moved <= Load.Options().width, "\(report)")
        #expect(report.failed == moved)
        #expect(report.sources == [cluster.lab.client.address(family)])
    }
}
