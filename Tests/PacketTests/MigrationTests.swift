import FairleadTestKit
import Foundation
import Glibc
import NetworkTypes
import Testing

/// Taking over from kube-proxy on a node with live connections.
///
/// What stands in for kube-proxy has its names of tables, maps and chains, and sends connections to another pod than
/// Fairlead does: so an answer tells who decided.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct MigrationTests {
    enum Mode: CaseIterable { case nftables, iptables }

    /// A node that kube-proxy has served so far.
    private struct Bench: Sendable {
        let cluster: ClusterTopology
        let directory: TemporaryDirectory
        var node: NetworkNamespace { cluster.node1.namespace }
        static let numbers = Numbers(index: 1)

        init(_ mode: Mode) async throws {
            cluster = try await ClusterTopology.make()
            directory = try TemporaryDirectory()
            try directory.write(Manifest.cluster, to: "cluster.yaml")
            let objects = Scenario(name: "migration", endpoints: [.ready("local-2")], expectations: [])
                .objects(Self.numbers)
            try directory.write(
                Manifest.documents(objects.services.map(\.yaml) + objects.slices.map(\.yaml)), to: "service.yaml")
            switch mode {
            case .nftables: try await loadTables()
            case .iptables: try await loadChains()
            }
        }

        /// The pod that kube-proxy's rules lead to.
        var pod: ClusterTopology.Host { cluster.localPods[0] }

        /// The tables of kube-proxy's nftables mode, and somebody else's.
        private func loadTables() async throws {
            for family in IPFamily.allCases {
                let name = family == .ipv4 ? "ip" : "ip6"
                let address = Self.numbers.clusterIPs[family == .ipv4 ? 0 : 1]
                let pod = family == .ipv4 ? "\(pod.ipv4):8080" : "[\(pod.ipv6)]:8080"
                try await NFT(node).load(
                    """
                    table \(name) kube-proxy {
                        map service-ips {
                            type \(name == "ip" ? "ipv4" : "ipv6")_addr . inet_proto . inet_service : verdict
                            elements = { \(address) . tcp . 80 : goto service }
                        }
                        map service-nodeports {
                            type inet_proto . inet_service : verdict
                            elements = { tcp . \(Self.numbers.nodePort) : goto service }
                        }
                        chain service {
                            meta l4proto tcp dnat to \(pod)
                        }
                        chain nat-prerouting {
                            type nat hook prerouting priority dstnat;
                            \(name) daddr . meta l4proto . th dport vmap @service-ips
                        }
                        chain nat-output {
                            type nat hook output priority -100;
                            \(name) daddr . meta l4proto . th dport vmap @service-ips
                        }
                    }
                    table \(name) somebody-else {
                        chain KUBE-SERVICES {
                            counter
                        }
                        chain input {
                            type filter hook input priority 10;
                            jump KUBE-SERVICES
                        }
                    }
                    """)
            }
        }

        /// The chains of kube-proxy's iptables mode among those of others, made by the real program.
        private func loadChains() async throws {
            for family in IPFamily.allCases {
                let address = Self.numbers.clusterIPs[family == .ipv4 ? 0 : 1]
                let pod = family == .ipv4 ? "\(pod.ipv4):8080" : "[\(pod.ipv6)]:8080"
                let rules = """
                    *filter
                    :KUBE-FIREWALL - [0:0]
                    :KUBE-FORWARD - [0:0]
                    :SOMEBODY - [0:0]
                    -A INPUT -j KUBE-FIREWALL
                    -A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
                    -A FORWARD -j SOMEBODY
                    -A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
                    COMMIT
                    *nat
                    :KUBE-SERVICES - [0:0]
                    :KUBE-SVC-ABCDEF - [0:0]
                    :KUBE-SEP-ABCDEF - [0:0]
                    :KUBE-POSTROUTING - [0:0]
                    :KUBE-KUBELET-CANARY - [0:0]
                    -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
                    -A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
                    -A POSTROUTING -j KUBE-POSTROUTING
                    -A KUBE-SERVICES -d \(address) -p tcp -m tcp --dport 80 -j KUBE-SVC-ABCDEF
                    -A KUBE-SVC-ABCDEF -j KUBE-SEP-ABCDEF
                    -A KUBE-SEP-ABCDEF -p tcp -m tcp -j DNAT --to-destination \(pod)
                    -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
                    -A KUBE-POSTROUTING -j MASQUERADE
                    COMMIT

                    """
                let program = family == .ipv4 ? "iptables-nft-restore" : "ip6tables-nft-restore"
                try await node.execute(Program(program, [], input: rules)).requireSuccess()
            }
        }

        func migrate(_ arguments: String...) async throws -> ProgramResult {
            try await FairleadCommand().run(["migrate"] + arguments, in: node)
        }

        func startDaemon() async throws -> Daemon {
            let arguments = ["run"] + FairleadCommand.clusterArguments(manifests: directory.path)
            let daemon = try await FairleadCommand().start(arguments, in: node)
            try await daemon.waitForOutput("serving", timeLimit: .seconds(20))
            return daemon
        }

        func probe(_ family: IPFamily) -> Probe {
            Probe(.tcp, to: Target.clusterIP.destination(Self.numbers, family))
        }

        func conversations() async throws -> [Conversation] {
            var result: [Conversation] = []
            for family in IPFamily.allCases {
                result.append(try await .begin(probe(family), in: cluster.client.namespace))
                result.append(try await .begin(probe(family), in: cluster.localCaller.namespace))
            }
            return result
        }

        /// Who answers new connections from outside and from a pod.
        func servers() async throws -> Set<String> {
            var result: Set<String> = []
            for family in IPFamily.allCases {
                for caller in [cluster.client, cluster.localCaller] {
                    let tally = try await caller.namespace.tally(probe(family), count: 6)
                    result.formUnion(tally.servers.keys)
                    if tally.answers.count < 6 { result.insert("nobody") }
                }
            }
            return result
        }
    }

    @Test("connections live through the take-over; new ones go by Fairlead's rules", arguments: Mode.allCases)
    func takeOver(_ mode: Mode) async throws {
        let bench = try await Bench(mode)
        let old = try await bench.conversations()
        #expect(old.allSatisfy { $0.greeting.server == "local-1" })
        let daemon = try await bench.startDaemon()
        #expect(daemon.output.contains("kube-proxy has rules on this node"))
        #expect(try await bench.servers() == ["local-2"])
        let young = try await bench.conversations()
        let look = try await bench.migrate()
        #expect(look.status == 1 && look.standardOutput.contains("--remove-kube-proxy-rules"), "\(look)")
        #expect(old.allSatisfy { $0.echoes() } && young.allSatisfy { $0.echoes() })

        let removal = try await bench.migrate("--remove-kube-proxy-rules")
        #expect(removal.status == 0 && removal.standardOutput.contains("removed kube-proxy's rules"), "\(removal)")
        #expect(old.allSatisfy { $0.echoes() } && young.allSatisfy { $0.echoes() })
        #expect(try await bench.servers() == ["local-2"])
        let rest = try await NFT(bench.node).listRuleset()
        switch mode {
        case .nftables:
            #expect(!rest.contains("kube-proxy"))
            #expect(rest.contains("table ip6 somebody-else") && rest.contains("jump KUBE-SERVICES"))
        case .iptables:
            for gone in ["KUBE-SERVICES", "KUBE-SVC-", "KUBE-SEP-", "KUBE-POSTROUTING", "KUBE-FORWARD"] {
                #expect(!rest.contains(gone), "\(gone)")
            }
            for kept in ["jump KUBE-FIREWALL", "chain KUBE-KUBELET-CANARY", "jump SOMEBODY"] {
                #expect(rest.contains(kept), "\(kept)")
            }
        }
        let again = try await bench.migrate()
        #expect(again.status == 0 && again.standardOutput.contains("nothing of kube-proxy is left"), "\(again)")
    }

    @Test("nothing is removed before Fairlead serves what kube-proxy served")
    func refusal() async throws {
        let bench = try await Bench(.nftables)
        let before = try await NFT(bench.node).listRuleset()
        let early = try await bench.migrate("--remove-kube-proxy-rules")
        #expect(early.status == 2 && early.standardError.contains("start 'fairlead run' first"), "\(early)")
        #expect(try await NFT(bench.node).listRuleset() == before)

        let daemon = try await bench.startDaemon()
        defer { daemon.signal(SIGTERM) }
        try await NFT(bench.node).load(
            "add element ip kube-proxy service-ips { 10.96.9.9 . udp . 53 : goto service }\n"
                + "add element ip6 kube-proxy service-nodeports { tcp . 31999 : goto service }\n")
        let short = try await bench.migrate("--remove-kube-proxy-rules")
        #expect(short.status == 2 && short.standardOutput.contains("served by kube-proxy only: 10.96.9.9:53/udp\n"))
        #expect(short.standardOutput.contains("served by kube-proxy only: :31999/tcp\n"), "\(short)")
        #expect(try await NFT(bench.node).listTables().contains { $0.contains("kube-proxy") })
        let forced = try await bench.migrate("--remove-kube-proxy-rules", "--force")
        #expect(forced.status == 0, "\(forced)")
        #expect(try await NFT(bench.node).listTables().allSatisfy { !$0.contains("kube-proxy") })
    }

    @Test("a configuration file is looked at, and one that cannot be read is a failure")
    func configuration() async throws {
        let directory = try TemporaryDirectory()
        try directory.write(
            "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ipvs\n",
            to: "config.yaml")
        let cluster = try await ClusterTopology.make()
        func migrate(_ file: String) async throws -> ProgramResult {
            try await FairleadCommand().run(
                ["migrate", "--config", "\(directory.path)/\(file)"], in: cluster.node1.namespace)
        }
        let result = try await migrate("config.yaml")
        #expect(result.standardOutput.contains("configuration: \(directory.path)/config.yaml:3: mode: "), "\(result)")
        #expect(result.standardOutput.contains("done: nothing of kube-proxy is here"), "\(result)")
        #expect(try await migrate("missing.yaml").status == 2)
    }

    @Test("nothing is removed while kube-proxy runs")
    func running() async throws {
        let bench = try await Bench(.nftables)
        let daemon = try await bench.startDaemon()
        defer { daemon.signal(SIGTERM) }
        let program = "\(bench.directory.path)/kube-proxy"
        try await bench.node.execute(Program("cp", ["/bin/sleep", program])).requireSuccess()
        let proxy = try await Daemon(Program(program, ["60"], timeLimit: .seconds(60)), in: bench.node)
        let result = try await bench.migrate("--remove-kube-proxy-rules")
        #expect(result.status == 2 && result.standardOutput.contains("kube-proxy: runs as process"), "\(result)")
        #expect(try await NFT(bench.node).listTables().contains { $0.contains("kube-proxy") })
        proxy.signal(SIGKILL)
        _ = try await proxy.waitForEnd()
        #expect(try await bench.migrate("--remove-kube-proxy-rules").status == 0)
    }

    @Test(
        "a kube-proxy that has ended and is not yet reaped, or runs in another network namespace, is not taken for a running one"
    )
    func ended() async throws {
        let bench = try await Bench(.nftables)
        let daemon = try await bench.startDaemon()
        defer { daemon.signal(SIGTERM) }
        let program = "\(bench.directory.path)/kube-proxy"
        try await bench.node.execute(Program("cp", ["/bin/sleep", program])).requireSuccess()
        // The shell becomes a program that waits for nobody, and its child ends after that: it stays a zombie.
        let parent = try await Daemon(
            Program("sh", ["-c", "\(program) 2 & echo $!; exec sleep 60"], timeLimit: .seconds(60)), in: bench.node)
        defer { parent.signal(SIGKILL) }
        try await parent.waitForOutput("\n")
        let zombie = try #require(Int(parent.output.prefix { $0.isNumber }))
        let elsewhere = try await Daemon(
            Program(program, ["60"], timeLimit: .seconds(60)), in: bench.cluster.node2.namespace)
        defer { elsewhere.signal(SIGKILL) }
        let stat = "/proc/\(zombie)/stat"
        let hasEnded = try await eventually { try String(contentsOfFile: stat, encoding: .utf8).contains(") Z ") }
        #expect(hasEnded)
        let result = try await bench.migrate("--remove-kube-proxy-rules")
        #expect(result.status == 0 && !result.standardOutput.contains("runs as process"), "\(result)")
    }
}
