import FairleadTestKit
import NetworkTypes
import Testing

/// Other tables that translate destinations, as a CNI's plugin for hostPorts does.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct NeighbourTableTests {
    /// Who comes first.
    enum Order: String, CaseIterable, Sendable {
        case tablesFirst
        case neighbourFirst
    }

    /// The pod whose hostPorts these are; nothing of the Service.
    private static let pod = "local-3"
    /// A hostPort that no Service has the number of.
    private static let freePort: UInt16 = 31_999

    /// A port that the first Service's ClusterIP does not have.
    private static let undefinedPort: UInt16 = 81

    /// What leads hostPorts of addresses of the node to port 8080 of the pod, as the portmap plugin does with nftables, and a port
    /// of a ClusterIP that its Service does not have.
    private static func hostPorts(_ bench: Bench, _ ports: [UInt16], priority: Int = -100) throws -> String {
        let pod = try bench.cluster.host(pod)
        let list = ports.map(String.init).joined(separator: ", ")
        let clusterIPs = Numbers(index: 1).clusterIPs
        let rules = """
            ip daddr \(clusterIPs[0]) ip protocol { tcp, udp } th dport \(undefinedPort) dnat ip to \(pod.ipv4):8080
            ip6 daddr \(clusterIPs[1]) ip6 nexthdr { tcp, udp } th dport \(undefinedPort) dnat ip6 to [\(pod.ipv6)]:8080
            fib daddr type local ip protocol { tcp, udp } th dport { \(list) } dnat ip to \(pod.ipv4):8080
            fib daddr type local ip6 nexthdr { tcp, udp } th dport { \(list) } dnat ip6 to [\(pod.ipv6)]:8080
            """
        return """
            table inet hostports {
                chain prerouting {
                    type nat hook prerouting priority \(priority);
                    \(rules)
                }
                chain output {
                    type nat hook output priority \(priority);
                    \(rules)
                }
            }
            """
    }

    /// A node with addresses of load balancers on an interface, and with hostPorts.
    private static func bench(
        _ order: Order, _ scenarios: [Scenario], options: [String] = [], priority: Int = -100
    ) async throws -> Bench {
        let bench = try await Bench(.apply, scenarios, options: options)
        let node = bench.cluster.node1.namespace
        for index in scenarios.indices {
            let addresses = Numbers(index: index + 1).loadBalancerIPs
            try node.ip(["address add \(addresses[0])/32 dev lo", "address add \(addresses[1])/128 dev lo nodad"])
        }
        let ports = [80, freePort] + scenarios.indices.map { Numbers(index: $0 + 1).nodePort }
        let text = try hostPorts(bench, ports, priority: priority)
        if order == .neighbourFirst { try await FairleadCommand().run(["cleanup"], in: node).requireSuccess() }
        try await NFT(node).load(text)
        if order == .neighbourFirst { try await bench.settle() }
        return bench
    }

    private static let transports: [TransportProtocol] = [.tcp, .udp]

    @Test(
        "a node port or load balancer IP is the Service's, not a hostPort's, whichever table came first",
        arguments: Order.allCases, [-100, -110])
    func serviceWins(_ order: Order, _ priority: Int) async throws {
        let cluster = Scenario(name: "Cluster", endpoints: [.ready("local-1"), .ready("remote-1")], expectations: [])
        let local = Scenario(
            name: "Local", externalPolicy: "Local", endpoints: [.ready("local-2"), .ready("remote-2")],
            expectations: [])
        let bench = try await Self.bench(order, [cluster, local], priority: priority)
        for target in [Target.nodePort, .loadBalancerIP] {
            try await bench.check(
                "Cluster",
                .from(
                    ["client", "local-caller", "node1"], to: [target], .answered(["local-1", "remote-1"], sees: .node),
                    transports: Self.transports))
            try await bench.check(
                "Local",
                .from(["client"], to: [target], .answered(["local-2"], sees: .client), transports: Self.transports),
                service: 2)
            try await bench.check(
                "Local",
                .from(
                    ["node1"], to: [target], .answered(["local-2", "remote-2"], sees: .node),
                    transports: Self.transports),
                service: 2)
        }
    }

    @Test(
        "a connection that another table translated is not masqueraded, whichever table came first",
        arguments: Order.allCases, [-90, -100, -110])
    func foreignTranslation(_ order: Order, _ priority: Int) async throws {
        let served = Scenario(name: "served", endpoints: [.ready("local-1"), .ready("remote-1")], expectations: [])
        let elsewhere = Scenario(
            name: "elsewhere", externalPolicy: "Local", endpoints: [.ready("remote-2")], expectations: [])
        let bench = try await Self.bench(order, [served, elsewhere], priority: priority)
        let address = { (family: IPFamily) in bench.cluster.node1.address(family) }
        for family in IPFamily.allCases {
            for transport in Self.transports {
                // A hostPort of its own, and one at the node port of a Service whose policy leaves it no endpoint here.
                let ports = [Self.freePort, Numbers(index: 2).nodePort]
                for port in ports {
                    for caller in ["client", "local-caller"] {
                        // Pods are served from elsewhere; and what this table drops no later one translates.
                        if port == ports[1], caller == "local-caller" || priority > -95 { continue }
                        let host = try bench.cluster.host(caller)
                        let probe = Probe(transport, to: HostPort(address(family), port))
                        let tally = try await host.namespace.tally(probe, count: 3)
                        let name = "\(caller) to \(port), \(transport)"
                        #expect(tally.servers == [Self.pod: 3], "\(name): \(tally)")
                        #expect(tally.sources == [host.address(family)], "\(name): \(tally)")
                    }
                }
                if priority > -95 { continue }
                let tally = try await bench.tally(
                    "client", to: .clusterIPPort(Self.undefinedPort), transport, family, count: 3)
                #expect(tally.servers == [Self.pod: 3], "ClusterIP, \(transport): \(tally)")
                #expect(tally.sources == [bench.cluster.client.address(family)], "ClusterIP, \(transport): \(tally)")
            }
        }
    }

    @Test("with --strict-local a connection that another table translated is not masqueraded either")
    func strictLocal() async throws {
        let elsewhere = Scenario(
            name: "elsewhere", externalPolicy: "Local", endpoints: [.ready("remote-2")], expectations: [])
        let bench = try await Self.bench(.tablesFirst, [elsewhere], options: ["--strict-local"])
        let (node, watch) = (
            bench.cluster.node1,
            """
            table inet watch {
                chain out { type filter hook postrouting priority 300; ct status dnat ct status snat counter; }
            }
            """
        )
        try await NFT(node.namespace).load(watch)
        for family in IPFamily.allCases {
            let tally = try await bench.tally("node1", to: .nodePort, .tcp, family)
            #expect(Set(tally.servers.keys) == [Self.pod], "\(tally)")
        }
        let rules = try await NFT(node.namespace).list(["table", "inet", "watch"])
        #expect(rules.contains("counter packets 0 "), "\(rules)")
    }
}
