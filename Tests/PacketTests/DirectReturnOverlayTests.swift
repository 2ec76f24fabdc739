import FairleadTestKit
import NetworkTypes
import Testing

/// Direct return where nodes reach each other's pods by an overlay, with daemons on all nodes.
@Suite(.serialized, .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct DirectReturnOverlayTests {
    /// Links the nodes by VXLAN and leads the routes to pods there.
    static func overlay(_ lab: LabTopology, mtu: Int = 1500) async throws {
        for (index, node) in lab.nodes.enumerated() {
            let number = index + 1
            var lines = [
                "link add overlay type vxlan id 42 dstport 8472 local \(node.ipv4)",
                "address add 10.200.0.\(number)/24 dev overlay", "address add fd00:200::\(number)/64 dev overlay nodad",
                "link set overlay mtu \(mtu) up",
            ]
            for other in 1...3 where other != number {
                lines += [
                    "route replace 10.128.\(other).0/24 via 10.200.0.\(other)",
                    "route replace fd00:10:128:\(other)::/64 via fd00:200::\(other)",
                ]
            }
            try await node.namespace.execute(
                Program("ip", ["-batch", "-"], input: lines.joined(separator: "\n") + "\n")
            ).requireSuccess()
            for other in lab.nodes where other.name != node.name {
                let words = ["fdb", "append", "00:00:00:00:00:00", "dev", "overlay", "dst", "\(other.ipv4)"]
                try await node.namespace.execute(Program("bridge", words)).requireSuccess()
            }
        }
    }

    @Test("direct return over VXLAN: a finding names the strict filter that drops, and ends with it")
    func strictFilter() async throws {
        let service = DirectReturnBench.service(["node2-a", "node3-a"])
        let bench = try await DirectReturnBench(service)
        try await Self.overlay(bench.lab)
        let ports = (0..<16).map { UInt16(42_000 + $0 * 7) }
        let node2 = bench.lab.nodes[1].namespace
        for node in bench.lab.nodes {
            try node.namespace.setParameters([
                ("ipv4/conf/all/rp_filter", "0"), ("ipv4/conf/eth0/rp_filter", "0"),
                ("ipv4/conf/overlay/rp_filter", "1"),
            ])
        }
        let directory = try TemporaryDirectory()
        try directory.write(
            Manifest.documents([LabService.nodes(bench.lab), try service.manifest(in: bench.lab)]), to: "all.yaml")
        let daemon = try await bench.lab.run("node2", manifests: directory.path)
        try await daemon.waitForOutput("sysctl -w net.ipv4.conf.overlay.rp_filter=2", timeLimit: .seconds(60))
        let dropped = try await bench.probe(.tcp, .ipv4, ports: ports, timeLimit: Probe.brief)
        #expect(dropped.allSatisfy { $0 == .timedOut }, "\(dropped)")
        for node in bench.lab.nodes { try node.namespace.setParameters([("ipv4/conf/overlay/rp_filter", "2")]) }
        try await daemon.waitForOutput("no longer so: rp_filter is strict on overlay", timeLimit: .seconds(60))
        for family in IPFamily.allCases {
            for transport in [TransportProtocol.tcp, .udp] {
                let outcomes = try await bench.probe(transport, family, ports: ports)
                #expect(Set(outcomes.compactMap { $0.answer?.server }) == ["node2-a", "node3-a"], "\(outcomes)")
                #expect(
                    outcomes.allSatisfy { $0.answer?.source.address == bench.lab.client.address(family) }, "\(outcomes)"
                )
            }
        }
        // A pod that cannot be reached.
        let words = ["route", "replace", "unreachable", "10.128.3.0/24"]
        try await node2.execute(Program("ip", ["route", "del", "10.128.3.0/24"])).requireSuccess()
        try await node2.execute(Program("ip", words)).requireSuccess()
        try await daemon.waitForOutput("there is no route to endpoint 10.128.3.11", timeLimit: .seconds(60))
    }

    @Test(
        "direct return: a daemon adds the rules with the first Service that asks for it, and drops them with the last")
    func comesAndGoes() async throws {
        let directory = try TemporaryDirectory()
        let lab = try await LabTopology.make()
        let node = lab.nodes[0].namespace
        try directory.write(LabService.nodes(lab), to: "nodes.yaml")
        var service = DirectReturnBench.service(["node2-a", "node3-a"])
        service.transports = [.tcp]
        let arguments = [
            "diff", "--manifests", directory.path, "--node-name", "node1", "--cluster-cidr",
            ClusterTopology.clusterCIDRs,
        ]
        var daemon: Daemon?
        for isAsked in [false, true, false, true] {
            service.annotations = isAsked ? ["fairlead.dev/external-traffic": "direct-return"] : [:]
            try directory.write(try service.manifest(in: lab), to: "web.yaml")
            if daemon == nil { daemon = try await lab.run("node1", manifests: directory.path) }
            let isInLine = try await eventually(within: .seconds(30)) {
                let hasRules = try await NFT(node).listTable("ip fairlead").contains("chain direct")
                if hasRules != isAsked { return false }
                return try await FairleadCommand().run(arguments, in: node).status == 0
            }
            #expect(isInLine, "asked for: \(isAsked)\n\(daemon?.output ?? "")")
        }
    }
}
