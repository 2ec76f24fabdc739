import FairleadTestKit
import NetworkTypes
import Testing

/// A node with two uplinks, each of which takes only packets from its own range: answers have to leave where the question came in.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct SecondUplinkTests {
    private struct Bench {
        let daemon: DaemonBench
        var node: NetworkNamespace { daemon.cluster.node1.namespace }

        init(policy: String) async throws {
            daemon = try await DaemonBench(
                Scenario(
                    name: "uplinks", externalPolicy: policy, endpoints: [.ready("local-1"), .ready("remote-1")],
                    expectations: []),
                options: ["--nodeport-addresses", "all"])
            try await daemon.waitUntilInLine()
            // The first uplink drops what has an address of the second one as its source.
            try await NFT(daemon.cluster.router).load(
                """
                table inet uplink {
                    chain forward {
                        type filter hook forward priority 0;
                        iifname "nodes" ip saddr 172.31.0.0/24 drop
                        iifname "nodes" ip6 saddr fd00:172:31::/64 drop
                    }
                }

                """)
            try node.setParameters([("ipv4/conf/all/rp_filter", "2"), ("ipv4/conf/eth1/rp_filter", "2")])
        }

        /// The mark goes from the first packet to the connection, and from the connection to the answers.
        func markConnections() async throws {
            try await NFT(node).load(
                """
                table inet uplinks {
                    chain prerouting {
                        type filter hook prerouting priority -150;
                        iifname "eth1" ct state new ct mark set 0x2
                        ct direction reply meta mark set ct mark
                    }
                    chain output {
                        type route hook output priority -150;
                        ct direction reply meta mark set ct mark
                    }
                }

                """)
            for line in [
                ["route", "add", "default", "via", "172.31.0.1", "dev", "eth1", "table", "102"],
                ["rule", "add", "fwmark", "0x2", "lookup", "102", "pref", "102"],
                ["-6", "route", "add", "default", "via", "fd00:172:31::1", "dev", "eth1", "table", "102"],
                ["-6", "rule", "add", "fwmark", "0x2", "lookup", "102", "pref", "102"],
            ] {
                try await node.execute(Program("ip", line)).requireSuccess()
            }
        }

        func tally(_ target: Target, _ family: IPFamily) async throws -> Tally {
            let destination = target.destination(DaemonBench.numbers, family)
            let probe = Probe(.tcp, to: destination, timeLimit: .milliseconds(500))
            return try await daemon.cluster.client.namespace.tally(probe, count: 12)
        }
    }

    @Test(
        "a second uplink works with connection marks that are restored in prerouting and rp_filter 2; Fairlead leaves the marks alone",
        arguments: ["Cluster", "Local"])
    func marks(_ policy: String) async throws {
        let bench = try await Bench(policy: policy)
        for family in IPFamily.allCases {
            #expect(try await bench.tally(.nodePortOnSecondAddress, family).answers.isEmpty, "\(family)")
        }
        try await bench.markConnections()
        for family in IPFamily.allCases {
            let second = try await bench.tally(.nodePortOnSecondAddress, family)
            #expect(second.answers.count == 12, "\(family)")
            #expect(
                Set(second.servers.keys) == (policy == "Local" ? ["local-1"] : ["local-1", "remote-1"]), "\(family)")
            #expect(try await bench.tally(.nodePort, family).answers.count == 12, "\(family)")
        }
    }

    @Test(
        "rules by the source address send no answer of a pod out by the second uplink: it is routed before it gets that source"
    )
    func sourceRules() async throws {
        let bench = try await Bench(policy: "Local")
        for line in [
            ["route", "add", "default", "via", "172.31.0.1", "dev", "eth1", "table", "102"],
            ["rule", "add", "from", "172.31.0.11", "lookup", "102", "pref", "102"],
        ] {
            try await bench.node.execute(Program("ip", line)).requireSuccess()
        }
        #expect(try await bench.tally(.nodePortOnSecondAddress, .ipv4).answers.isEmpty)
        #expect(try await bench.tally(.nodePort, .ipv4).answers.count == 12)
    }

    @Test("with rp_filter 1 a second uplink does not work: the packet is dropped before any rule can mark it")
    func strict() async throws {
        let bench = try await Bench(policy: "Cluster")
        try await bench.markConnections()
        try bench.node.setParameters([("ipv4/conf/all/rp_filter", "1"), ("ipv4/conf/eth1/rp_filter", "1")])
        #expect(try await bench.tally(.nodePortOnSecondAddress, .ipv4).answers.isEmpty)
        #expect(try await bench.tally(.nodePort, .ipv4).answers.count == 12)
    }
}
