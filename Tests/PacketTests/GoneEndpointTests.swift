import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// Established connections whose endpoint is gone, and flows whose endpoint terminates.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct GoneEndpointTests {
    private static func probe(_ target: Target, _ family: IPFamily) -> Probe {
        Probe(.tcp, to: target.destination(Numbers(index: 1), family))
    }

    /// Connections by each way to `remote-1`.
    private static func begin(_ cluster: ClusterTopology) async throws -> [(name: String, Conversation)] {
        var result: [(name: String, Conversation)] = []
        for family in IPFamily.allCases {
            for (source, target) in [
                ("client", Target.nodePort), ("client", .loadBalancerIP), ("local-caller", .clusterIP),
                ("local-caller", .externalIP), ("node1", .clusterIP),
            ] {
                let conversation = try await Conversation.begin(
                    probe(target, family), in: try cluster.host(source).namespace)
                #expect(conversation.greeting.server == "remote-1")
                result.append(("\(family) from \(source) to \(target)", conversation))
            }
        }
        return result
    }

    @Test(
        "--reset-gone-endpoints resets connections to an endpoint that no slice names, and no others",
        arguments: [["local-1"], []])
    func reset(_ others: [String]) async throws {
        let bench = try await DaemonBench([.ready("remote-1")], options: ["--reset-gone-endpoints"])
        #expect(try await bench.serves(["remote-1"]), "\(bench.daemon.output)")
        let connections = try await Self.begin(bench.cluster)
        // Neither one that terminates nor one that is not ready is gone.
        for shape in [EndpointShape.serving("remote-1"), .ending("remote-1"), .notReady("remote-1")] {
            try bench.change(to: [shape] + others.map { .ready($0) })
            try await Task.sleep(for: .seconds(4))
            for (name, connection) in connections { #expect(connection.echoes(), "\(name), \(shape)") }
        }
        try bench.change(to: others.map { .ready($0) })
        let start = ContinuousClock.now
        let isCounted = try await eventually(within: .seconds(15)) {
            try await Self.resets(bench.cluster) == Double(connections.count)
        }
        #expect(isCounted, "\(bench.daemon.output)")
        #expect(ContinuousClock.now - start > .seconds(2))
        for (name, connection) in connections { #expect(connection.isResetAtNextSegment(), "\(name)") }
    }

    /// The connections that the daemon has counted as reset.
    private static func resets(_ cluster: ClusterTopology) async throws -> Double {
        let arguments = ["-s", "--max-time", "3", "--noproxy", "*", "http://127.0.0.1:10249/metrics"]
        let text = try await cluster.node1.namespace.execute(Program("curl", arguments)).standardOutput
        let values = try PrometheusPage(text).values
        return ["IPv4", "IPv6"].reduce(0) {
            $0 + (values[#"fairlead_reset_connections_total{ip_family="\#($1)"}"#] ?? 0)
        }
    }

    @Test("an endpoint that is in no slice for a moment loses no connection")
    func moved() async throws {
        let bench = try await DaemonBench([.ready("remote-1")], options: ["--reset-gone-endpoints"])
        #expect(try await bench.serves(["remote-1"]), "\(bench.daemon.output)")
        let connections = try await Self.begin(bench.cluster)
        for _ in 0..<3 {
            try bench.change(to: [.ready("local-1")])
            #expect(try await bench.serves(["local-1"]), "\(bench.daemon.output)")
            try bench.change(to: [.ready("local-1"), .ready("remote-1")])
            #expect(try await bench.serves(["local-1", "remote-1"]), "\(bench.daemon.output)")
        }
        try await Task.sleep(for: .seconds(5))
        for (name, connection) in connections { #expect(connection.echoes(), "\(name)") }
    }

    @Test(
        "fairlead.dev/udp-on-termination: flows stay with an endpoint that terminates, or move",
        arguments: [nil, "stay", "move"])
    func datagrams(_ choice: String?) async throws {
        var bench = try await FlowBench(.daemon)
        func service(_ endpoints: [EndpointShape]) -> Scenario {
            FlowBench.service(endpoints) { objects, _ in
                objects.service.annotations["fairlead.dev/udp-on-termination"] = choice
            }
        }
        let flows = Flow.all(from: ["client", "local-caller"], to: Target.all)
        try await bench.change(to: [service([.ready("remote-1")])])
        #expect(try await bench.laggards(flows, answeredBy: ["remote-1"]) == [], "\(bench.log)")
        try await bench.change(to: [service([.serving("remote-1"), .ready("local-1")])])
        let moving = choice == "move" ? flows.filter { $0.probe.transport == .udp } : []
        #expect(try await bench.laggards(moving, answeredBy: ["local-1"]) == [], "\(bench.log)")
        try await Task.sleep(for: .seconds(2))
        let staying = flows.filter { !moving.contains($0) }
        #expect(try await bench.laggards(staying, answeredBy: ["remote-1"]) == [], "\(bench.log)")
        // Without a ready one they stay in any case.
        try await bench.change(to: [service([.serving("remote-1")])])
        #expect(try await bench.laggards(flows, answeredBy: ["remote-1"]) == [], "\(bench.log)")
        try await bench.change(to: [service([.ready("local-1")])])
        #expect(try await bench.laggards(flows, answeredBy: ["local-1"]) == [], "\(bench.log)")
    }
}
