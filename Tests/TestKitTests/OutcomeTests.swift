import FairleadTestKit
import NetworkTypes
import Testing

/// The cluster without Fairlead: rules written by hand show that each outcome of a probe is told from every other one.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct OutcomeTests {
    /// A protocol in a family.
    struct Flavour: Sendable, CustomTestStringConvertible {
        var transport: TransportProtocol
        var family: IPFamily

        static let all = TransportProtocol.allCases.flatMap { transport in
            IPFamily.allCases.map { Flavour(transport: transport, family: $0) }
        }

        var testDescription: String { "\(transport) over \(family)" }

        /// The virtual address that the rules speak of.
        var virtual: IPAddress { family == .ipv4 ? "10.96.0.10" : "fd00:10:96::10" }

        func probe(_ port: UInt16, to address: IPAddress? = nil, source: IPAddress? = nil, brief: Bool = false) -> Probe
        {
            Probe(
                transport, to: HostPort(address ?? virtual, port), source: source,
                timeLimit: brief ? Probe.brief : Probe.patient)
        }
    }

    private static let cluster = Shared { () async throws(TestKitError) in
        let cluster = try await ClusterTopology.make()
        try await NFT(cluster.node1.namespace).load(rules)
        return cluster
    }

    private static let rules = IPFamily.allCases.map { family in
        let (table, virtual, pod) =
            family == .ipv4 ? ("ip", "10.96.0.10", "10.128") : ("ip6", "fd00:10:96::10", "fd00:10:128")
        let (local, remote) = family == .ipv4 ? ("\(pod).1.11", "\(pod).2.11") : ("[\(pod):1::11]", "[\(pod):2::11]")
        return """
            table \(table) test {
                chain prerouting {
                    type nat hook prerouting priority -100
                    \(table) daddr \(virtual) th dport 1 meta l4proto { tcp, udp, sctp } dnat to \(local):8080
                    \(table) daddr \(virtual) th dport 2 meta l4proto { tcp, udp, sctp } dnat to \(remote):8081
                    \(table) daddr \(virtual) th dport 6 meta l4proto { tcp, udp, sctp } dnat to \(local):9
                }
                chain output {
                    type nat hook output priority -100
                    \(table) daddr \(virtual) th dport 2 meta l4proto { tcp, udp, sctp } dnat to \(remote):8081
                }
                chain after {
                    type filter hook prerouting priority -95
                    \(table) daddr \(virtual) th dport 3 reject
                    \(table) daddr \(virtual) th dport 4 meta l4proto tcp reject with tcp reset
                    \(table) daddr \(virtual) th dport 5 drop
                }
                chain after-output {
                    type filter hook output priority -95
                    \(table) daddr \(virtual) th dport 3 reject
                    \(table) daddr \(virtual) th dport 5 drop
                }
                chain postrouting {
                    type nat hook postrouting priority 100
                    ct status dnat ct original \(table) daddr \(virtual) th dport 8081 masquerade
                }
            }

            """
    }.joined()

    @Test("a server answers, and sees the client's address", arguments: Flavour.all)
    func kept(_ flavour: Flavour) async throws {
        let cluster = try await Self.cluster.value()
        for source in [cluster.client, cluster.secondClient] {
            let probe = flavour.probe(1, source: source.address(flavour.family))
            let tally = try await cluster.client.namespace.tally(probe, count: 8)
            #expect(tally.servers == ["local-1": 8], "\(tally)")
            #expect(tally.sources == [source.address(flavour.family)], "\(tally)")
        }
    }

    @Test("a masqueraded connection shows the node's address", arguments: Flavour.all)
    func masqueraded(_ flavour: Flavour) async throws {
        let cluster = try await Self.cluster.value()
        for source in [cluster.client, cluster.node1, cluster.localCaller, cluster.remoteCaller] {
            let tally = try await source.namespace.tally(flavour.probe(2), count: 8)
            #expect(tally.servers == ["remote-1": 8], "from \(source.name): \(tally)")
            #expect(tally.sources == [cluster.node1.address(flavour.family)], "from \(source.name): \(tally)")
            #expect(tally.answers.allSatisfy { $0.local.port == 8081 }, "from \(source.name): \(tally)")
        }
    }

    @Test("an ICMP rejection is told from a reset", arguments: Flavour.all)
    func rejected(_ flavour: Flavour) async throws {
        let cluster = try await Self.cluster.value()
        for source in [cluster.client, cluster.node1, cluster.localCaller, cluster.remoteCaller] {
            let tally = try await source.namespace.tally(flavour.probe(3), count: 20)
            let allUnreachable = tally.outcomes.allSatisfy { outcome in
                if case .refused(let refusal) = outcome { refusal.isPortUnreachable } else { false }
            }
            #expect(allUnreachable, "from \(source.name): \(tally)")
        }
        let probe = Probe(.tcp, to: HostPort(flavour.virtual, 4))
        #expect(try await cluster.client.namespace.probe([probe]) == [.refused(.reset)])
    }

    @Test("a dropped packet is a time-out, also when this host's own rules drop it", arguments: Flavour.all)
    func dropped(_ flavour: Flavour) async throws {
        let cluster = try await Self.cluster.value()
        for source in [cluster.client, cluster.node1] {
            let outcomes = try await source.namespace.probe([flavour.probe(5, brief: true)])
            #expect(outcomes == [.timedOut], "from \(source.name): \(outcomes)")
        }
    }

    @Test("a port that nobody listens on refuses", arguments: Flavour.all)
    func closed(_ flavour: Flavour) async throws {
        let cluster = try await Self.cluster.value()
        let outcomes = try await cluster.client.namespace.probe([flavour.probe(6)])
        guard case .refused(let refusal) = outcomes.first else {
            Issue.record("\(outcomes)")
            return
        }
        #expect(flavour.transport == .udp ? refusal.isPortUnreachable : refusal == .reset)
    }

    @Test("what the node leaves alone reaches the hosts behind it", arguments: Flavour.all)
    func leak(_ flavour: Flavour) async throws {
        let cluster = try await Self.cluster.value()
        let outcomes = try await cluster.client.namespace.probe([flavour.probe(7)])
        if flavour.transport != .sctp {
            guard case .refused = outcomes.first else {
                Issue.record("\(outcomes)")
                return
            }
        }
        try cluster.servers.open(
            "beyond", in: cluster.node2.namespace, at: [flavour.virtual], ports: [8], transports: [flavour.transport])
        let tally = try await cluster.client.namespace.tally(flavour.probe(8), count: 4)
        #expect(tally.servers == ["beyond": 4], "\(tally)")
    }

    @Test("pods, nodes and the client reach each other without translation", arguments: Flavour.all)
    func flat(_ flavour: Flavour) async throws {
        let cluster = try await Self.cluster.value()
        for source in cluster.callers where source.name != "second-client" {
            for target in cluster.localPods + cluster.remotePods {
                let probe = flavour.probe(8082, to: target.address(flavour.family))
                let tally = try await source.namespace.tally(probe, count: 1)
                #expect(tally.servers == [target.name: 1], "from \(source.name): \(tally)")
                if source.namespace !== cluster.node1.namespace {
                    #expect(tally.sources == [source.address(flavour.family)], "from \(source.name): \(tally)")
                }
            }
            for node in [cluster.node1, cluster.node2] {
                let probe = flavour.probe(9100, to: node.address(flavour.family))
                #expect(try await source.namespace.tally(probe, count: 1).servers == [node.name: 1])
            }
        }
    }
}
