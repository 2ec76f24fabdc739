import FairleadTestKit
import NetworkTypes
import Testing

/// Nodes whose firewall drops by default, after kube-proxy's iptables mode, whose rules admitted what it served.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct FirewallTests {
    private static let healthPort: UInt16 = 30901
    private static let service = Scenario(
        name: "firewall", externalPolicy: "Local", endpoints: [.ready("local-1"), .ready("remote-1")],
        adjust: { objects, _ in objects.service.extra.append("healthCheckNodePort: \(healthPort)") },
        expectations: [])

    /// What keeps the node's firewall.
    enum Keeper: CaseIterable { case iptables, nftables, wanderer }

    /// A node whose firewall drops what comes from outside.
    private struct Bench {
        let daemon: DaemonBench
        var node: NetworkNamespace { daemon.cluster.node1.namespace }

        init(_ keeper: Keeper) async throws {
            daemon = try await DaemonBench(FirewallTests.service)
            try await daemon.waitUntilInLine()
            switch keeper {
            case .iptables:
                let rules = """
                    *filter
                    :INPUT DROP [0:0]
                    :FORWARD DROP [0:0]
                    :OTHERS - [0:0]
                    -A INPUT -i lo -j ACCEPT
                    -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
                    -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
                    -A FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
                    -A FORWARD -j OTHERS
                    -A OTHERS -i local-2 -j ACCEPT

                    """
                for (program, range, icmp) in [
                    ("iptables-nft-restore", "10.128.0.0/16", "icmp"),
                    ("ip6tables-nft-restore", "fd00:10:128::/48", "ipv6-icmp"),
                ] {
                    let more = "-A FORWARD -s \(range) -j ACCEPT\n-A INPUT -p \(icmp) -j ACCEPT\nCOMMIT\n"
                    try await node.execute(Program(program, [], input: rules + more)).requireSuccess()
                }
            case .nftables:
                try await NFT(node).load(
                    """
                    table inet filter {
                        chain input {
                            type filter hook input priority 0; policy drop;
                            ct state vmap { established : accept, related : accept, invalid : drop }
                            iif lo accept
                            meta l4proto { icmp, ipv6-icmp } accept
                            tcp dport { 22, 10250 } accept
                        }
                        chain forward {
                            type filter hook forward priority 0; policy drop;
                            ct state vmap { established : accept, related : accept, invalid : drop }
                            iifname "local-*" accept
                        }
                    }

                    """)
            case .wanderer:
                // No policy: the last rule rejects, two chains further on.
                try await NFT(node).load(
                    """
                    table inet guard {
                        chain rest {
                            ct state established,related accept
                            ip saddr 10.128.0.0/16 accept
                            ip6 saddr fd00:10:128::/48 accept
                            meta l4proto { icmp, ipv6-icmp } accept
                            limit rate 1/second log
                            reject
                        }
                        chain middle { goto rest
                        }
                        chain in {
                            type filter hook input priority 10; policy accept;
                            iifname "lo" accept
                            jump middle
                        }
                        chain through {
                            type filter hook forward priority 10; policy accept;
                            jump middle
                        }
                    }

                    """)
            }
        }

        /// How many of four connections from outside to the node port, and of two to the health check port, get through.
        func passes(_ family: IPFamily) async throws -> (service: Int, health: Int) {
            let destination = Target.nodePort.destination(DaemonBench.numbers, family)
            let probe = Probe(.tcp, to: destination, timeLimit: .milliseconds(500))
            let tally = try await daemon.cluster.client.namespace.tally(probe, count: 4)
            let node = daemon.cluster.node1.address(family)
            var health = 0
            for _ in 0..<2 {
                let url = "http://\(family == .ipv4 ? "\(node)" : "[\(node)]"):\(FirewallTests.healthPort)/"
                let answer = try await daemon.cluster.client.namespace.execute(
                    Program("curl", ["-s", "-m", "1", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*", url]))
                if answer.standardOutput == "200" { health += 1 }
            }
            return (tally.answers.count, health)
        }

        func fairlead(_ arguments: String...) async throws -> ProgramResult {
            try await FairleadCommand().run(arguments, in: node)
        }

        func explain(_ family: IPFamily) async throws -> String {
            let destination = "\(Target.nodePort.destination(DaemonBench.numbers, family))"
            let arguments = FairleadCommand.clusterArguments(manifests: daemon.directory.path)
            return try await FairleadCommand().run(
                ["explain", "--live", "--from", "external", "--to", destination] + arguments, in: node
            ).standardOutput
        }
    }

    @Test(
        "where INPUT or FORWARD drop by default, run, status, migrate and explain name the chain and what admits; then all pass",
        arguments: Keeper.allCases)
    func takeover(_ keeper: Keeper) async throws {
        let bench = try await Bench(keeper)
        let (forward, input) =
            switch keeper {
            case .iptables:
                ("table ip filter, chain FORWARD (policy drop)", "table ip filter, chain INPUT (policy drop)")
            case .nftables:
                ("table inet filter, chain forward (policy drop)", "table inet filter, chain input (policy drop)")
            case .wanderer:
                (
                    "table inet guard, chain through (a rule that drops the rest)",
                    "table inet guard, chain in (a rule that drops the rest)"
                )
            }
        for family in IPFamily.allCases { #expect(try await bench.passes(family) == (0, 0), "\(family)") }

        for command in ["migrate", "firewall"] {
            let result = try await bench.fairlead(command)
            #expect(result.standardOutput.contains("firewall: \(forward) may drop connections"), "\(result)")
            #expect(result.standardOutput.contains("firewall: \(input) may drop health checks"), "\(result)")
            #expect(result.standardOutput.contains("(port \(Self.healthPort))"), "\(result)")
            #expect(result.status == (command == "migrate" ? 0 : 1))
        }
        try await bench.daemon.daemon.waitForOutput(forward, timeLimit: .seconds(60))
        let status = try await bench.fairlead("status").standardOutput
        #expect(status.contains(forward) && status.contains(input), "\(status)")
        for family in IPFamily.allCases {
            let chain = family == .ipv6 && keeper == .iptables ? "table ip6 filter, chain FORWARD" : forward
            let text = try await bench.explain(family)
            #expect(text.contains("reaches") && text.contains("\(chain)"), "\(text)")
            #expect(text.contains("sees the packet too and may drop it"), "\(text)")
        }

        let commands = try await bench.fairlead("firewall", "--commands").standardOutput
        try await bench.node.execute(Program("sh", ["-e"], input: commands)).requireSuccess()
        for family in IPFamily.allCases { #expect(try await bench.passes(family) == (4, 2), "\(family)\n\(commands)") }
        let after = try await bench.fairlead("firewall")
        #expect(after.status == 0 && after.standardOutput.contains("nothing in other programs' chains"), "\(after)")
        #expect(try await !bench.fairlead("migrate").standardOutput.contains("may drop"))
        #expect(try await !bench.explain(.ipv4).contains("may drop"))
        try await bench.daemon.daemon.waitForOutput("no longer so: \(forward)", timeLimit: .seconds(60))
        #expect(try await !bench.fairlead("status").standardOutput.contains("may drop"))
    }

    @Test("what only rules of kube-proxy's iptables mode admit is named by migrate before they are removed")
    func beforeRemoval() async throws {
        let bench = try await Bench(.iptables)
        let rules = """
            *filter
            :KUBE-FORWARD - [0:0]
            :KUBE-NODEPORTS - [0:0]
            -I INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
            -I FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
            -A KUBE-NODEPORTS -p tcp -m tcp --dport \(Self.healthPort) -j ACCEPT
            -A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
            COMMIT

            """
        for program in ["iptables-nft-restore", "ip6tables-nft-restore"] {
            try await bench.node.execute(Program(program, ["--noflush"], input: rules)).requireSuccess()
        }
        #expect(try await bench.passes(.ipv4) == (0, 2))
        let before = try await bench.fairlead("migrate")
        for hook in ["INPUT (policy drop) may drop health", "FORWARD (policy drop) may drop connections"] {
            #expect(before.standardOutput.contains("firewall: table ip filter, chain \(hook)"), "\(before)")
        }
        let commands = try await bench.fairlead("firewall", "--commands").standardOutput
        try await bench.node.execute(Program("sh", ["-e"], input: commands)).requireSuccess()
        #expect(try await bench.fairlead("migrate", "--remove-kube-proxy-rules").status == 0)
        for family in IPFamily.allCases { #expect(try await bench.passes(family) == (4, 2), "\(family)") }
    }

    @Test(
        "an accept in a table of one's own does not admit what another table drops; nothing of another table is changed"
    )
    func ownTable() async throws {
        let bench = try await Bench(.iptables)
        let before = try await bench.node.execute(Program("iptables-nft-save", [])).requireSuccess().standardOutput
        try await NFT(bench.node).load(
            """
            table inet admit {
                chain first { type filter hook forward priority -300; accept
                }
                chain last { type filter hook forward priority 300; accept
                }
                chain input { type filter hook input priority -300; accept
                }
            }

            """)
        #expect(try await bench.passes(.ipv4) == (0, 0))
        #expect(try await bench.fairlead("firewall").status == 1)
        _ = try await bench.fairlead("migrate")
        let after = try await bench.node.execute(Program("iptables-nft-save", [])).requireSuccess().standardOutput
        func rules(_ text: String) -> [Substring] { text.split(separator: "\n").filter { $0.hasPrefix("-A") } }
        #expect(rules(before) == rules(after) && !rules(before).isEmpty)
    }

    @Test("rules that admit endpoints by their address, with iptables or a set, are taken for what they are")
    func otherRules() async throws {
        let bench = try await Bench(.iptables)
        for (program, range) in [("iptables-nft", "10.128.0.0/16"), ("ip6tables-nft", "fd00:10:128::/48")] {
            try await bench.node.execute(Program(program, ["-A", "FORWARD", "-d", range, "-j", "ACCEPT"]))
                .requireSuccess()
            // The other ports of the list are nobody's.
            let ports = ["-p", "tcp", "-m", "multiport", "--dports", "10256,30900:30902"]
            try await bench.node.execute(
                Program(program, ["-A", "INPUT"] + ports + ["-m", "comment", "--comment", "x", "-j", "ACCEPT"])
            ).requireSuccess()
        }
        for family in IPFamily.allCases { #expect(try await bench.passes(family) == (4, 2), "\(family)") }
        let result = try await bench.fairlead("firewall")
        #expect(result.status == 0, "\(result)")
    }

    @Test(
        "a chain of iptables-legacy that drops by default is named; whoever has rules there is told that they cannot be seen"
    )
    func legacy() async throws {
        let bench = try await DaemonBench(Self.service)
        try await bench.waitUntilInLine()
        let node = bench.cluster.node1.namespace
        let drops = try await node.execute(Program("iptables-legacy", ["-P", "FORWARD", "DROP"]))
        // A kernel without the old tables.
        if drops.status != 0 { return }
        let first = try await FairleadCommand().run(["firewall"], in: node)
        #expect(
            first.status == 1
                && first.standardOutput.contains("iptables-legacy, table filter, chain FORWARD (policy drop) may drop"),
            "\(first)")
        try await node.execute(Program("iptables-legacy", ["-A", "FORWARD", "-j", "ACCEPT"])).requireSuccess()
        let second = try await FairleadCommand().run(["firewall"], in: node)
        #expect(second.standardOutput.contains("(policy drop; its rules cannot be seen from here)"), "\(second)")
        try await node.execute(Program("iptables-legacy", ["-P", "FORWARD", "ACCEPT"])).requireSuccess()
        #expect(try await FairleadCommand().run(["firewall"], in: node).status == 0)
    }
}
