import FairleadTestKit
import NetworkTypes
import Testing

/// Direct return over links of different sizes: fragments, an overlay that takes less than the links to clients, and links of 9,000 bytes.
@Suite(.serialized, .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct DirectReturnLinkTests {
    private static let ports = (0..<24).map { UInt16(45_000 + $0 * 7) }

    /// The servers that answer datagrams of so many bytes, each from a port of its own.
    private static func servers(
        _ bench: DirectReturnBench, _ family: IPFamily, size: Int, timeLimit: Duration = Probe.patient
    ) async throws -> [String?] {
        try await Datagrams.ask(
            size: size, from: ports, to: HostPort(DirectReturnBench.address(family), 80),
            in: bench.lab.client.namespace,
            timeLimit: timeLimit
        ).map { $0?.server }
    }

    /// Has all links between nodes, and those to pods, take packets of so many bytes.
    private static func resize(_ bench: DirectReturnBench, to size: Int) async throws {
        let lab = bench.lab
        var work = [(lab.router.namespace, (["nodes"] + lab.nodes.map(\.name)).map { "link set \($0) mtu \(size)" })]
        for node in lab.nodes {
            let pods = lab.pods.filter { $0.name.hasPrefix(node.name) }
            work.append((node.namespace, (["eth0"] + pods.map(\.name)).map { "link set \($0) mtu \(size)" }))
            work += pods.map { ($0.namespace, ["link set eth0 mtu \(size)"]) }
        }
        for (namespace, lines) in work {
            let program = Program("ip", ["-batch", "-"], input: lines.joined(separator: "\n") + "\n")
            try await namespace.execute(program).requireSuccess()
        }
    }

    @Test(
        "direct return: datagrams in fragments are put together and handed on, cut again where links between nodes are no larger",
        arguments: IPFamily.allCases)
    func fragments(_ family: IPFamily) async throws {
        let bench = try await DirectReturnBench(DirectReturnBench.service(["node1-a", "node2-a", "node3-a"]))
        let owners = try await Self.servers(bench, family, size: 1400)
        #expect(Set(owners) == ["node1-a", "node2-a", "node3-a"])
        #expect(try await Self.servers(bench, family, size: 3000) == owners)
        try await Self.resize(bench, to: 9000)
        #expect(try await Self.servers(bench, family, size: 3000) == owners)
    }

    @Test(
        "direct return: where an overlay takes less than the client's link, the first node says so, and the client sends less",
        arguments: IPFamily.allCases)
    func overlay(_ family: IPFamily) async throws {
        let bench = try await DirectReturnBench(DirectReturnBench.service(["node2-a", "node3-a"]))
        let client = bench.lab.client.namespace
        for node in bench.lab.nodes {
            try node.namespace.setParameters([
                ("ipv4/conf/all/rp_filter", "0"), ("ipv4/conf/default/rp_filter", "0"),
                ("ipv4/conf/eth0/rp_filter", "0"),
            ])
        }
        try await DirectReturnOverlayTests.overlay(bench.lab, mtu: 1450)
        try await NFT(client).load(
            """
            table inet seen {
             counter large { }
             chain count {
              type filter hook input priority 0;
              icmp type destination-unreachable icmp code frag-needed counter name large
              icmpv6 type packet-too-big counter name large
             }
            }
            """)
        let bytes = 2_000_000
        for connection in try await bench.converse(4, family) {
            #expect(connection.carries(bytes, timeLimit: .seconds(20)) == bytes, "\(connection.greeting.server)")
        }
        let answers = try await bench.count("large", in: client)
        #expect(answers > 0)
        // The client forgets what it has learned.
        let words = (family == .ipv4 ? [] : ["-6"]) + ["route", "flush", "cache"]
        try await client.execute(Program("ip", words)).requireSuccess()
        // What was sent before the answer came is lost.
        #expect(try await Self.servers(bench, family, size: 3000, timeLimit: Probe.brief).contains(nil))
        #expect(try await bench.count("large", in: client) > answers)
        #expect(try await !Self.servers(bench, family, size: 3000).contains(nil))
    }
}
