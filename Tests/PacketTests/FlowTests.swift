import FairleadTestKit
import NetworkTypes
import Testing

/// Clients of UDP and SCTP that keep their source port: conntrack would carry their flows on to where they began.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct FlowTests {
    /// Every kind of caller and frontend: from outside, from pods, from the host network.
    private static let everywhere =
        Flow.all(from: ["client"], to: Target.all) + Flow.all(from: ["local-caller"], to: Target.all, firstPort: 21000)
        + Flow.all(from: ["remote-caller"], to: [.clusterIP], firstPort: 22000)
        + Flow.all(from: ["node1"], to: [.clusterIP, .nodePort], firstPort: 23000)
    private static let external = Flow.all(from: ["client", "local-caller"], to: Target.external)

    @Test("a client that keeps sending moves when its endpoint goes", arguments: FlowBench.Mode.allCases)
    func endpointGoes(_ mode: FlowBench.Mode) async throws {
        var bench = try await FlowBench(mode)
        try await bench.change(to: [.ready("remote-1")])
        #expect(try await bench.laggards(Self.everywhere, answeredBy: ["remote-1"]) == [], "\(bench.log)")
        try await bench.change(to: [.ready("local-1")])
        #expect(try await bench.laggards(Self.everywhere, answeredBy: ["local-1"]) == [], "\(bench.log)")
    }

    @Test("so does one under internal policy Local", arguments: FlowBench.Mode.allCases)
    func internalLocal(_ mode: FlowBench.Mode) async throws {
        var bench = try await FlowBench(mode)
        let flows = Flow.all(from: ["local-caller", "node1", "client"], to: [.clusterIP])
        try await bench.change(to: [.ready("local-1"), .ready("remote-1")], internalPolicy: "Local")
        #expect(try await bench.laggards(flows, answeredBy: ["local-1"]) == [], "\(bench.log)")
        try await bench.change(to: [.ready("local-2"), .ready("remote-1")], internalPolicy: "Local")
        #expect(try await bench.laggards(flows, answeredBy: ["local-2"]) == [], "\(bench.log)")
    }

    @Test("an endpoint that becomes ready is reached by those who tried before", arguments: FlowBench.Mode.allCases)
    func becomesReady(_ mode: FlowBench.Mode) async throws {
        var bench = try await FlowBench(mode)
        try await bench.change(to: [.notReady("local-1")])
        let refused = try await bench.laggards(Self.everywhere) { if case .refused = $0 { true } else { false } }
        #expect(refused == [], "\(bench.log)")
        try await bench.change(to: [.ready("local-1")])
        #expect(try await bench.laggards(Self.everywhere, answeredBy: ["local-1"]) == [], "\(bench.log)")
    }

    @Test("a changed target port is followed", arguments: FlowBench.Mode.allCases)
    func targetPort(_ mode: FlowBench.Mode) async throws {
        var bench = try await FlowBench(mode)
        for port in [8080, 8081] as [UInt16] {
            let service = FlowBench.service([.ready("local-1")]) { objects, _ in
                objects.eachSlice { for index in $0.ports.indices { $0.ports[index].port = port } }
            }
            try await bench.change(to: [service])
            let late = try await bench.laggards(Self.everywhere) { $0.answer?.local.port == port }
            #expect(late == [], "\(bench.log)")
        }
    }

    @Test("flows that began before there were any rules are moved", arguments: FlowBench.Mode.allCases)
    func beforeTheRules(_ mode: FlowBench.Mode) async throws {
        var bench = try await FlowBench(mode)
        // Somebody else's rules keep track of connections.
        let rules = "table inet other { chain c { type filter hook prerouting priority 0; ct state new counter; }; "
        try await NFT(bench.cluster.node1.namespace).load(
            rules + "chain o { type filter hook output priority 0; ct state new counter; }; }")
        let flows = Self.everywhere.filter { $0.source != "node1" }
        _ = try await bench.send(flows)
        #expect(try await bench.entries("dport=80 ").count >= flows.count / 2)
        try await bench.change(to: [.ready("local-1")])
        #expect(try await bench.laggards(flows, answeredBy: ["local-1"]) == [], "\(bench.log)")
    }

    @Test("flows that began before the Service existed are moved", arguments: FlowBench.Mode.allCases)
    func beforeTheService(_ mode: FlowBench.Mode) async throws {
        var bench = try await FlowBench(mode)
        try await bench.change(to: [])
        let passing = Self.external.filter { $0.target != .nodePort }
        #expect(try await bench.laggards(passing, answeredBy: ["beyond"]) == [], "\(bench.log)")
        _ = try await bench.send(Self.external)
        try await bench.change(to: [.ready("local-1")])
        #expect(try await bench.laggards(Self.external, answeredBy: ["local-1"]) == [], "\(bench.log)")
    }

    @Test("flows that began before the frontend was added are moved", arguments: FlowBench.Mode.allCases)
    func beforeTheFrontend(_ mode: FlowBench.Mode) async throws {
        var bench = try await FlowBench(mode)
        let bare = FlowBench.service([.ready("local-1")]) { objects, _ in
            objects.service.type = "ClusterIP"
            objects.service.loadBalancerIPs = []
            objects.service.externalIPs = []
            for index in objects.service.ports.indices { objects.service.ports[index].nodePort = 0 }
        }
        try await bench.change(to: [bare])
        let passing = Self.external.filter { $0.target != .nodePort }
        #expect(try await bench.laggards(passing, answeredBy: ["beyond"]) == [], "\(bench.log)")
        _ = try await bench.send(Self.external)
        try await bench.change(to: [.ready("local-1")])
        #expect(try await bench.laggards(Self.external, answeredBy: ["local-1"]) == [], "\(bench.log)")
        // And off again: the flows go where they would go without the Service.
        try await bench.change(to: [bare])
        #expect(try await bench.laggards(passing, answeredBy: ["beyond"]) == [], "\(bench.log)")
    }

    @Test(
        "flows that fairlead.dev/no-endpoints: pass left to routes are moved to the first endpoint, and back",
        arguments: FlowBench.Mode.allCases)
    func passed(_ mode: FlowBench.Mode) async throws {
        var bench = try await FlowBench(mode)
        func passing(_ endpoints: [EndpointShape]) -> Scenario {
            FlowBench.service(endpoints) { objects, _ in
                objects.service.annotations["fairlead.dev/no-endpoints"] = "pass"
            }
        }
        let routed = Self.external.filter { $0.target != .nodePort }
        for _ in 0..<2 {
            try await bench.change(to: [passing([])])
            #expect(try await bench.laggards(routed, answeredBy: ["beyond"]) == [], "\(bench.log)")
            try await bench.change(to: [passing([.ready("local-1")])])
            #expect(try await bench.laggards(routed, answeredBy: ["local-1"]) == [], "\(bench.log)")
        }
    }

    @Test("a Service goes to zero endpoints and back", arguments: FlowBench.Mode.allCases)
    func zeroEndpoints(_ mode: FlowBench.Mode) async throws {
        var bench = try await FlowBench(mode)
        try await bench.change(to: [.ready("local-1")])
        #expect(try await bench.laggards(Self.everywhere, answeredBy: ["local-1"]) == [], "\(bench.log)")
        try await bench.change(to: [] as [EndpointShape])
        let late = try await bench.laggards(Self.everywhere) { if case .refused = $0 { true } else { false } }
        #expect(late == [], "\(bench.log)")
        try await bench.change(to: [.ready("local-2")])
        #expect(try await bench.laggards(Self.everywhere, answeredBy: ["local-2"]) == [], "\(bench.log)")
    }

    @Test("flows of a deleted Service end", arguments: FlowBench.Mode.allCases)
    func deleted(_ mode: FlowBench.Mode) async throws {
        var bench = try await FlowBench(mode)
        try await bench.change(to: [.ready("local-1")])
        #expect(try await bench.laggards(Self.everywhere, answeredBy: ["local-1"]) == [], "\(bench.log)")
        try await bench.change(to: [])
        let late = try await bench.laggards(Self.everywhere) { $0.answer?.server != "local-1" }
        #expect(late == [], "\(bench.log)")
    }
}
