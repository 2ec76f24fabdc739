import FairleadTestKit
import NetworkTypes
import Testing

/// Topology hints and the Node that they are seen from.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct HintTests {
    private static let zoned = Manifest.documents([Manifest.node1(labels: zone("zone-a")), Manifest.others])
    private static func zone(_ name: String) -> [String: String] { ["topology.kubernetes.io/zone": name] }

    /// Two endpoints in two zones.
    private static let service = Scenario(
        name: "zones",
        endpoints: [
            .ready("local-1").hinted(zones: ["zone-a"]), .ready("remote-1").hinted(zones: ["zone-b"]),
        ], expectations: [])

    @Test("the daemon follows the zone of the node, and the Node that comes late", arguments: IPFamily.allCases)
    func follow(_ family: IPFamily) async throws {
        let bench = try await DaemonBench(Self.service, nodes: Manifest.others)
        let both: Set = ["local-1", "remote-1"]
        #expect(try await bench.serves(both, family), "no Node object: \(bench.daemon.output)")
        let steps: [(labels: [String: String], servers: Set<String>)] = [
            (Self.zone("zone-a"), ["local-1"]), (Self.zone("zone-b"), ["remote-1"]), (Self.zone("zone-c"), both),
            (Self.zone("zone-a"), ["local-1"]), ([:], both), (Self.zone("zone-b"), ["remote-1"]),
        ]
        for step in steps {
            try bench.directory.write(Manifest.node1(labels: step.labels), to: "node1.yaml")
            #expect(try await bench.serves(step.servers, family), "\(step): \(bench.daemon.output)")
        }
        bench.directory.remove("node1.yaml")
        #expect(try await bench.serves(both, family), "the Node object went: \(bench.daemon.output)")
    }

    @Test("what else changes in Nodes does not reach the kernel")
    func otherLabels() async throws {
        let bench = try await DaemonBench(Self.service, nodes: Self.zoned)
        #expect(try await bench.serves(["local-1"]), "\(bench.daemon.output)")
        let monitor = try await RulesetMonitor(bench.cluster.node1.namespace)
        let labels = Self.zone("zone-a").merging(["example.org/rack": "7"]) { $1 }
        let other = Manifest.node("node3", ["172.30.0.33"], labels: Self.zone("zone-a"))
        let nodes = [Manifest.node1(labels: labels), Manifest.others, other]
        try bench.directory.write(Manifest.documents(nodes), to: "cluster.yaml")
        // A finding about an object that comes with a later update tells that the change has been taken.
        try bench.directory.write("{apiVersion: v1, kind: Service, metadata: {name: late}, spec: 7}", to: "late.yaml")
        try await bench.daemon.waitForOutput("default/late")
        #expect(try await monitor.changes() == [])
        #expect(try await bench.serves(["local-1"]), "\(bench.daemon.output)")
    }
}
