import FairleadTestKit
import NetworkTypes
import Testing

/// Flows that a change must not touch.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct LiveFlowTests {
    @Test(
        "a terminating endpoint that serves keeps its flows, and so do all others", arguments: FlowBench.Mode.allCases)
    func terminating(_ mode: FlowBench.Mode) async throws {
        var bench = try await FlowBench(mode)
        let flows = Flow.all(from: ["client", "local-caller"], to: [.clusterIP, .nodePort], count: 5)
        try await bench.change(to: [.ready("local-1"), .ready("local-2")])
        #expect(try await bench.laggards(flows, answeredBy: ["local-1", "local-2"]) == [], "\(bench.log)")
        let before = try await bench.send(flows).compactMapValues(\.answer?.server)
        #expect(Set(before.values) == ["local-1", "local-2"])
        // One goes down slowly; a third pod shows when the change is in force.
        try await bench.change(to: [.serving("local-1"), .ready("local-2"), .ready("local-3")])
        try await reaches("local-3", bench)
        #expect(try await bench.send(flows).compactMapValues(\.answer?.server) == before, "\(bench.log)")
        let live = flows.filter { before[$0] == "local-2" }
        let entries = try await bench.entries().filter {
            $0.hasPrefix("udp")
                && ($0.contains("src=10.128.1.12 ") || $0.contains("src=fd00:0010:0128:0001:0000:0000:0000:0012 "))
        }
        #expect(entries.count >= live.count / 4)
        try await bench.change(to: [.ready("local-2"), .ready("local-3")])
        let others = flows.filter { before[$0] == "local-1" }
        #expect(try await bench.laggards(others, answeredBy: ["local-2", "local-3"]) == [], "\(bench.log)")
        #expect(entries.subtracting(try await bench.entries()) == [])
        #expect(try await bench.laggards(live, answeredBy: ["local-2"]) == [], "\(bench.log)")
    }

    /// Waits until new connections reach the server.
    private func reaches(_ server: String, _ bench: FlowBench) async throws {
        let probe = Probe(.tcp, to: Target.clusterIP.destination(Numbers(index: 1), .ipv4))
        let reached = try await eventually {
            try await bench.cluster.localCaller.namespace.tally(probe, count: 8).servers[server] != nil
        }
        #expect(reached, "\(bench.log)")
        if bench.mode == .daemon {
            // The daemon looks a second time a second later.
            try await Task.sleep(for: .seconds(2.5))
        }
    }

    @Test("policies that would choose otherwise now leave live flows alone", arguments: FlowBench.Mode.allCases)
    func policy(_ mode: FlowBench.Mode) async throws {
        var bench = try await FlowBench(mode)
        let flows = Flow.all(from: ["client", "local-caller"], to: [.clusterIP])
        try await bench.change(to: [.ready("remote-1")])
        #expect(try await bench.laggards(flows, answeredBy: ["remote-1"]) == [], "\(bench.log)")
        try await bench.change(to: [.ready("remote-1"), .ready("local-1")], internalPolicy: "Local")
        try await reaches("local-1", bench)
        let after = try await bench.send(flows).compactMapValues(\.answer?.server)
        #expect(after.count == flows.count && Set(after.values) == ["remote-1"], "\(bench.log)")
    }

    @Test(
        "flows to the node port's number elsewhere, of other Services and of TCP are not touched",
        arguments: FlowBench.Mode.allCases)
    func unrelated(_ mode: FlowBench.Mode) async throws {
        var bench = try await FlowBench(mode)
        let mine = Flow.all(from: ["client"], to: [.nodePort, .clusterIP])
        let passing = Flow.all(from: ["client"], to: [.nodePortBehindNode], firstPort: 25000)
        let other = FlowBench.service([.ready("remote-2")])
        try await bench.change(to: [FlowBench.service([.ready("local-1")]), other])
        #expect(try await bench.laggards(mine, answeredBy: ["local-1"]) == [], "\(bench.log)")
        #expect(try await bench.laggards(passing, answeredBy: ["beyond"]) == [], "\(bench.log)")
        let destination = Target.clusterIP.destination(Numbers(index: 2), .ipv4)
        let probe = Probe(.udp, to: destination, sourcePort: 26000)
        #expect(try await bench.cluster.client.namespace.probe([probe]).first?.answer?.server == "remote-2")
        let tcp = try await Conversation.begin(
            Probe(.tcp, to: Target.nodePort.destination(Numbers(index: 1), .ipv4)),
            in: bench.cluster.client.namespace)
        #expect(tcp.greeting.server == "local-1")
        let before = try await bench.entries().filter { entry in
            ["dst=172.30.0.13 ", "dst=fd00:0172:0030:0000:0000:0000:0000:0013 ", "sport=26000 "].contains {
                entry.hasPrefix("udp") && entry.contains($0)
            }
        }
        #expect(before.count == 3)
        try await bench.change(to: [FlowBench.service([.ready("local-2")]), other])
        #expect(try await bench.laggards(mine, answeredBy: ["local-2"]) == [], "\(bench.log)")
        if mode == .daemon { try await Task.sleep(for: .seconds(2)) }
        #expect(before.subtracting(try await bench.entries()) == [])
        #expect(tcp.echoes())
        #expect(try await bench.laggards(passing, answeredBy: ["beyond"]) == [], "\(bench.log)")
    }

    @Test("a large table of foreign flows stays as it is")
    func largeTable() async throws {
        var bench = try await FlowBench(.daemon)
        let flows = Flow.all(from: ["client", "local-caller"], to: Target.all)
        try await bench.change(to: [.ready("local-1")])
        #expect(try await bench.laggards(flows, answeredBy: ["local-1"]) == [], "\(bench.log)")
        try await bench.cluster.client.namespace.sendDatagrams(
            to: ClusterTopology.node2BehindNode1[0], ports: 20000...49999)
        let foreign = try await bench.entries("dst=172.30.0.13 ")
        #expect(foreign.count >= 29_000)
        try await bench.change(to: [.ready("local-2")])
        #expect(try await bench.laggards(flows, answeredBy: ["local-2"]) == [], "\(bench.log)")
        try await Task.sleep(for: .seconds(1.5))
        #expect(foreign.subtracting(try await bench.entries("dst=172.30.0.13 ")).isEmpty)
    }
}
