import FairleadTestKit
import NetworkTypes
import Testing

/// Direct return: any endpoint, the client's own address, nothing dropped.
@Suite(.serialized, .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct DirectReturnTests {
    private static let ports = (0..<24).map { UInt16(40_000 + $0 * 7) }

    @Test(
        "direct return: from every node the same endpoint, which sees the client; a node without it keeps no entry",
        arguments: IPFamily.allCases)
    func everyNode(_ family: IPFamily) async throws {
        let bench = try await DirectReturnBench(DirectReturnBench.service(["node2-a", "node3-a", "node3-b"]))
        for transport in TransportProtocol.allCases {
            var servers: [[String]] = []
            for (number, node) in ["node1", "node2", "node3"].enumerated() {
                try await bench.route(to: [node])
                let outcomes = try await bench.probe(transport, family, ports: Self.ports)
                let answers = outcomes.compactMap(\.answer)
                #expect(answers.count == outcomes.count, "\(transport) by \(node): \(outcomes)")
                #expect(
                    zip(answers, Self.ports).allSatisfy {
                        $0.source == HostPort(bench.lab.client.address(family), $1)
                    }, "\(answers)")
                servers.append(answers.map(\.server))
                if number == 0 {
                    #expect(Set(servers[0]) == ["node2-a", "node3-a", "node3-b"])
                    #expect(try await bench.entries("node1", family).isEmpty)
                }
            }
            #expect(servers[1] == servers[0] && servers[2] == servers[0], "\(transport): \(servers)")
        }
    }

    @Test(
        "direct return with ClientIP affinity: a client has one endpoint, from every node", arguments: IPFamily.allCases
    )
    func affinity(_ family: IPFamily) async throws {
        var service = DirectReturnBench.service(["node1-a", "node2-a", "node3-a", "node3-b"])
        service.isAffine = true
        let bench = try await DirectReturnBench(service)
        var servers: Set<String> = []
        for node in ["node1", "node2", "node3"] {
            try await bench.route(to: [node])
            for transport in [TransportProtocol.tcp, .udp] {
                let outcomes = try await bench.probe(transport, family, ports: Self.ports)
                #expect(
                    outcomes.allSatisfy { $0.answer?.source.address == bench.lab.client.address(family) }, "\(outcomes)"
                )
                servers.formUnion(outcomes.compactMap { $0.answer?.server }.map { "\(transport) \($0)" })
            }
        }
        #expect(Set(servers.filter { $0.hasPrefix("tcp") }).count == 1, "\(servers)")
        #expect(Set(servers.filter { $0.hasPrefix("udp") }).count == 1, "\(servers)")
    }

    @Test(
        "direct return under Local: a node with endpoints keeps to them, one without hands on",
        arguments: IPFamily.allCases)
    func local(_ family: IPFamily) async throws {
        let bench = try await DirectReturnBench(
            DirectReturnBench.service(policy: "Local", ["node2-a", "node3-a", "node3-b"]))
        let expected: [(String, Set<String>)] = [
            ("node1", ["node2-a", "node3-a", "node3-b"]), ("node2", ["node2-a"]), ("node3", ["node3-a", "node3-b"]),
        ]
        for (node, servers) in expected {
            try await bench.route(to: [node])
            for transport in TransportProtocol.allCases {
                let outcomes = try await bench.probe(transport, family, ports: Self.ports)
                #expect(Set(outcomes.compactMap { $0.answer?.server }) == servers, "\(node) \(transport): \(outcomes)")
                #expect(
                    outcomes.allSatisfy { $0.answer?.source.address == bench.lab.client.address(family) }, "\(outcomes)"
                )
            }
        }
    }

    @Test("direct return: pods, the node itself and node ports are served as before", arguments: IPFamily.allCases)
    func others(_ family: IPFamily) async throws {
        let bench = try await DirectReturnBench(DirectReturnBench.service(["node2-a", "node3-a"]))
        let virtual = HostPort(DirectReturnBench.address(family), 80)
        let node = bench.lab.nodes[0]
        let nodePort = HostPort(node.address(family), LabTopology.nodePort)
        // The node's end of a pod's link has an address as well.
        let own: Set<IPAddress> = [node.address(family), family == .ipv4 ? "10.128.1.1" : "fd00:10:128:1::1"]
        for (source, destination) in [("node1-a", virtual), ("node1", virtual), ("client", nodePort)] {
            let tally = try await bench.lab.host(source).namespace.tally(Probe(.tcp, to: destination), count: 12)
            #expect(Set(tally.answers.map(\.server)) == ["node2-a", "node3-a"], "\(source): \(tally)")
            #expect(tally.answers.allSatisfy { own.contains($0.source.address) }, "\(source): \(tally)")
        }
    }

    @Test("direct return: who is outside the source ranges is dropped by the first node", arguments: IPFamily.allCases)
    func sourceRanges(_ family: IPFamily) async throws {
        var service = DirectReturnBench.service(["node2-a"])
        service.sourceRanges = ["203.0.113.0/24", "2001:db8:ffff::/48"]
        let bench = try await DirectReturnBench(service)
        try await bench.countPackets()
        let refused = try await bench.probe(.tcp, family, ports: [41_000, 41_001], timeLimit: Probe.brief)
        #expect(refused.allSatisfy { $0 == .timedOut }, "\(refused)")
        #expect(try await bench.packets("node1", family) > 0)
        #expect(try await bench.packets("node2", family) == 0)
        service.sourceRanges = ["198.51.100.0/24", "2001:db8:100::/64"]
        try await bench.show(service)
        let answered = try await bench.probe(.tcp, family, ports: [41_002, 41_003])
        #expect(answered.allSatisfy { $0.answer?.server == "node2-a" }, "\(answered)")
    }

    // MARK: Moves

    @Test("direct return: connections live while the router goes from node to node", arguments: IPFamily.allCases)
    func router(_ family: IPFamily) async throws {
        let bench = try await DirectReturnBench(DirectReturnBench.service(["node1-a", "node2-a", "node3-a"]))
        let connections = try await bench.converse(12, family)
        let flows = try await bench.converse(6, family, .udp)
        for nodes in [["node2"], ["node3"], ["node1", "node2", "node3"], ["node2", "node3"], ["node1"]] {
            try await bench.route(to: nodes)
            let dead = await bench.dead(connections)
            #expect(dead.isEmpty, "by \(nodes): \(dead)")
            for flow in flows { #expect(flow.ask()?.server == flow.greeting.server) }
        }
    }

    @Test(
        "direct return: connections outlive an endpoint that terminates, and others that come, while the router moves",
        arguments: IPFamily.allCases)
    func endpoints(_ family: IPFamily) async throws {
        var service = DirectReturnBench.service(["node2-a", "node3-a"])
        let bench = try await DirectReturnBench(service)
        var connections = try await bench.converse(20, family)
        #expect(Set(connections.map(\.greeting.server)) == ["node2-a", "node3-a"])
        service.endpoints["node2-a"] = .terminating
        try await bench.show(service)
        func check(_ what: String) async throws {
            for node in ["node3", "node2", "node1"] {
                try await bench.route(to: [node])
                let dead = await bench.dead(connections)
                #expect(dead.isEmpty, "\(what), by \(node): \(dead) of \(connections.count)")
            }
        }
        try await check("one terminates")
        let moved = try await bench.probe(.tcp, family, ports: Self.ports)
        #expect(Set(moved.compactMap { $0.answer?.server }) == ["node3-a"], "\(moved)")
        service.endpoints["node1-a"] = .ready
        service.endpoints["node3-b"] = .ready
        try await bench.show(service)
        try await check("two have come")
        service.endpoints["node2-a"] = nil
        try await bench.show(service)
        connections = try await bench.converse(20, family)
        service.endpoints["node1-b"] = .ready
        service.endpoints["node2-b"] = .ready
        try await bench.show(service)
        try await check("two more have come")
    }

    // MARK: Circles

    @Test(
        "direct return: nodes whose views contradict each other never send a packet in circles",
        arguments: IPFamily.allCases)
    func contradiction(_ family: IPFamily) async throws {
        let bench = try await DirectReturnBench(DirectReturnBench.service(["node1-a", "node2-a", "node3-a"]))
        let connections = try await bench.converse(12, family)
        // Each knows of an endpoint on the next node only.
        for (node, pod) in [("node1", "node2-a"), ("node2", "node3-a"), ("node3", "node1-a")] {
            try await bench.show(DirectReturnBench.service([pod]), on: [node])
        }
        for node in ["node1", "node2", "node3"] {
            try await bench.route(to: [node])
            try await bench.countPackets()
            let sent = Self.ports.count
            let outcomes = try await bench.probe(.udp, family, ports: Self.ports, timeLimit: Probe.brief)
            let seen = try await bench.packets(family)
            // Each datagram comes to one node, and is handed on once.
            #expect(seen <= 2 * sent, "\(seen) packets for \(sent) datagrams by \(node): \(outcomes)")
            #expect(seen > sent)
        }
        // Segments that nobody answers are sent again: so these come last.
        for node in ["node1", "node2"] {
            try await bench.route(to: [node])
            try await bench.countPackets()
            _ = await bench.dead(connections, timeLimit: .milliseconds(300))
            // In this order: segments are sent again meanwhile.
            let all = try await bench.packets(family)
            let segments = try await bench.packets(node, family)
            // Of a segment in mid-connection there are two copies at the most.
            #expect(all <= 3 * segments, "\(all) packets for \(segments) segments by \(node)")
        }
    }

    @Test("direct return: a packet that the network sends back is not handed on again", arguments: IPFamily.allCases)
    func sentBack(_ family: IPFamily) async throws {
        let bench = try await DirectReturnBench(DirectReturnBench.service(["node2-a"]))
        // The way to the pods of node2 leads to the router, which sends the Service's address to node1.
        let range = family == .ipv4 ? "10.128.2.0/24" : "fd00:10:128:2::/64"
        let words = ["route", "replace", range, "via", "\(bench.lab.router.address(family))"]
        try await bench.lab.nodes[0].namespace.execute(Program("ip", words)).requireSuccess()
        try await bench.countPackets()
        let outcomes = try await bench.probe(.udp, family, ports: Self.ports, timeLimit: Probe.brief)
        #expect(outcomes.allSatisfy { $0.answer == nil }, "\(outcomes)")
        #expect(try await bench.packets("node1", family) == 2 * Self.ports.count)
        #expect(try await bench.packets("node2", family) == 0)
    }

    @Test("direct return: where the network takes the mark off, TTL ends a circle", arguments: IPFamily.allCases)
    func markTakenOff(_ family: IPFamily) async throws {
        let bench = try await DirectReturnBench(DirectReturnBench.service(["node2-a"]))
        let range = family == .ipv4 ? "10.128.2.0/24" : "fd00:10:128:2::/64"
        let words = ["route", "replace", range, "via", "\(bench.lab.router.address(family))"]
        try await bench.lab.nodes[0].namespace.execute(Program("ip", words)).requireSuccess()
        try await NFT(bench.lab.router.namespace).load(
            """
            table inet clearing {
             chain forward {
              type filter hook forward priority 0;
              ip daddr \(LabTopology.virtualIPv4) ip dscp set 0
              ip6 daddr \(LabTopology.virtualIPv6) ip6 dscp set 0
             }
            }
            """)
        try await bench.countPackets()
        _ = try await bench.probe(.udp, family, ports: [43_000, 43_001], timeLimit: Probe.brief)
        let seen = try await bench.packets("node1", family)
        // Node and router take one off each, of 64.
        #expect(seen > 2 * 8 && seen <= 2 * 64, "\(seen)")
        try await Task.sleep(for: .milliseconds(300))
        #expect(try await bench.packets("node1", family) == seen)
    }

    // MARK: Commands

    @Test("direct return: what render prints loads and is what apply writes; explain says who is reached")
    func commands() async throws {
        var service = DirectReturnBench.service(["node1-a", "node2-a", "node3-a"])
        service.endpoints["node3-a"] = .terminating
        service.transports = [.tcp]
        let bench = try await DirectReturnBench(service)
        let rendered = try await bench.fairlead("render", service, on: "node1").requireSuccess().standardOutput
        for build in Neighbour.runnable("nft") {
            let loaded = NFT(try NetworkNamespace("fresh"), build: build)
            let applied = NFT(bench.lab.nodes[0].namespace, build: build)
            try await loaded.load(rendered)
            for table in ["ip fairlead", "ip6 fairlead"] {
                func rules(_ nft: NFT) async throws -> [String] {
                    NFT.lines(of: try await nft.listTable(table)).filter {
                        $0.contains("direct") || $0.contains(" : ") || $0.contains("typeof")
                    }
                }
                let (theirs, ours) = (try await rules(loaded), try await rules(applied))
                let difference = Set(theirs).symmetricDifference(ours)
                #expect(
                    difference.isEmpty && theirs.count == ours.count, "\(build): \(difference.sorted().prefix(8))")
                #expect(ours.count > 8192 && ours.contains { $0.contains("map @direct-error-owners counter") })
            }
        }
        #expect(try await bench.fairlead("diff", service, on: "node1").status == 0)
        let question = ["--live", "--from", "198.51.100.10", "--to", "10.250.0.80:80"]
        let said = try await bench.fairlead("explain", service, on: "node1", question).standardOutput
        #expect(said.contains("node1 hands the packet on as it is, to node2"), "\(said)")
        #expect(said.contains("10.128.2.11:8080") && said.contains("kernel     does what is wanted"), "\(said)")
    }
}
