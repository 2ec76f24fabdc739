import FairleadTestKit
import NetworkTypes
import Testing

/// External and load balancer IPs, of which Services have only ports.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct UncapturedPortTests {
    private static let targets = [Target.loadBalancerIPPort(81), .externalIPPort(81)]

    /// A cluster whose node sends external addresses to the router, which sends them to the node: as it is where the addresses
    /// are announced for the node, and the node has a default route.
    private static func bench() async throws -> Bench {
        let scenario = Scenario(name: "one port", endpoints: [.ready("local-1")], expectations: [])
        let bench = try await Bench(.apply, [scenario])
        let ranges = ["10.250.0.0/16", "10.251.0.0/16", "fd00:10:250::/112", "fd00:10:251::/112"]
        let routes = ranges.map { "route replace \($0) via \($0.contains(":") ? "fd00:172:30::1" : "172.30.0.1")" }
        let program = Program("ip", ["-batch", "-"], input: routes.joined(separator: "\n") + "\n")
        try await bench.cluster.node1.namespace.execute(program).requireSuccess()
        let counters = """
            table inet watch {
                chain in {
                    type filter hook prerouting priority -300;
                    ip daddr { 10.250.0.0/16, 10.251.0.0/16 } counter
                    ip6 daddr { fd00:10:250::/112, fd00:10:251::/112 } counter
                }
            }
            """
        try await NFT(bench.cluster.node1.namespace).load(counters)
        return bench
    }

    /// How many packets to such addresses the node has seen since the last look.
    private static func arrivals(_ bench: Bench) async throws -> Int {
        let text = try await NFT(bench.cluster.node1.namespace).list(["table", "inet", "watch"])
        let counts = text.split(separator: "counter packets ").dropFirst().compactMap {
            Int($0.prefix { $0.isNumber })
        }
        try await NFT(bench.cluster.node1.namespace).load("reset counters table inet watch\n")
        return counts.reduce(0, +)
    }

    @Test(
        "packets to a port that no Service has of an external or load balancer IP do not go round, and are refused",
        arguments: IPFamily.allCases)
    func uncapturedPorts(_ family: IPFamily) async throws {
        let bench = try await Self.bench()
        for caller in ["client", "local-caller", "remote-caller"] {
            for target in Self.targets {
                for transport in [TransportProtocol.tcp, .udp] {
                    let before = try await Self.arrivals(bench)
                    let tally = try await bench.tally(caller, to: target, transport, family, count: 4)
                    let name = "\(caller), \(target), \(transport)"
                    #expect(tally.outcomes.allSatisfy { $0.isRefused(transport) }, "\(name): \(tally)")
                    // Each once, and once more when it comes back.
                    let arrivals = try await Self.arrivals(bench) - before
                    #expect(arrivals <= 2 * 4, "\(name)")
                }
            }
        }
        // The port that the Service has is served as ever.
        try await bench.check("one port", .from(["client"], to: Target.external, .answered(["local-1"], sees: .node)))
    }

    @Test("ping to an external or load balancer IP does not go round, and is refused", arguments: IPFamily.allCases)
    func ping(_ family: IPFamily) async throws {
        let bench = try await Self.bench()
        for (number, caller) in ["client", "local-caller"].enumerated() {
            for (offset, target) in Self.targets.enumerated() {
                let before = try await Self.arrivals(bench)
                let address = target.destination(Numbers(index: 1), family).address
                let host = try bench.cluster.host(caller)
                for _ in 0..<3 {
                    let outcome = try await Ping.send(
                        to: address, in: host.namespace, identifier: UInt16(700 + 10 * number + offset))
                    #expect(outcome == .unreachable(code: family == .ipv4 ? 3 : 4), "\(caller), \(target)")
                }
                #expect(try await Self.arrivals(bench) - before <= 2 * 3, "\(caller), \(target)")
            }
        }
        // Without the tables they go round: the test is real.
        try await FairleadCommand().run(["cleanup"], in: bench.cluster.node1.namespace).requireSuccess()
        let address = Target.loadBalancerIP.destination(Numbers(index: 1), family).address
        let before = try await Self.arrivals(bench)
        let outcome = try await Ping.send(to: address, in: bench.cluster.client.namespace, identifier: 799)
        #expect(outcome == .timeExceeded)
        #expect(try await Self.arrivals(bench) - before > 20)
    }

    @Test(
        "what another host serves of an external or load balancer IP is forwarded there, in any number",
        arguments: IPFamily.allCases)
    func elsewhere(_ family: IPFamily) async throws {
        let scenario = Scenario(name: "one port", endpoints: [.ready("local-1")], expectations: [])
        let bench = try await Bench(.apply, [scenario])
        let (node2, numbers) = (bench.cluster.node2.namespace, Numbers(index: 1))
        let addresses = (numbers.loadBalancerIPs + numbers.externalIPs).map { IPAddress(stringLiteral: $0) }
        try bench.cluster.servers.open("appliance", in: node2, at: addresses, ports: [81], transports: [.tcp, .udp])
        for caller in ["client", "local-caller", "remote-caller"] {
            for target in Self.targets {
                for transport in [TransportProtocol.tcp, .udp] {
                    let tally = try await bench.tally(caller, to: target, transport, family, count: 20)
                    #expect(tally.servers == ["appliance": 20], "\(caller), \(target): \(tally)")
                }
                let address = target.destination(numbers, family).address
                let namespace = try bench.cluster.host(caller).namespace
                for identifier in 801...803 as ClosedRange<UInt16> {
                    let outcome = try await Ping.send(to: address, in: namespace, identifier: identifier)
                    #expect(outcome == .answered, "\(caller), \(target)")
                }
            }
        }
    }

    @Test("a node that has a load balancer IP on an interface answers for itself", arguments: IPFamily.allCases)
    func onInterface(_ family: IPFamily) async throws {
        let bench = try await Self.bench()
        let node = bench.cluster.node1.namespace
        let addresses = Numbers(index: 1).loadBalancerIPs
        try node.ip(["address add \(addresses[0])/32 dev lo", "address add \(addresses[1])/128 dev lo nodad"])
        // The kernel routes to a new IPv6 address a while after it has taken it.
        let routes = Program("ip", ["-6", "route", "show", "table", "local"])
        #expect(
            try await eventually {
                try await node.execute(routes).standardOutput.contains("local \(addresses[1]) dev lo")
            })
        try bench.cluster.servers.open(
            "host", in: node, at: addresses.map { IPAddress(stringLiteral: $0) }, ports: [81], transports: [.tcp, .udp])
        for caller in ["client", "local-caller", "node1"] {
            for transport in [TransportProtocol.tcp, .udp] {
                let tally = try await bench.tally(caller, to: .loadBalancerIPPort(81), transport, family)
                #expect(tally.servers == ["host": 6], "\(caller), \(transport): \(tally)")
            }
            let address = Target.loadBalancerIP.destination(Numbers(index: 1), family).address
            let namespace = try bench.cluster.host(caller).namespace
            #expect(try await Ping.send(to: address, in: namespace, identifier: 811) == .answered, "\(caller)")
        }
    }
}

extension Outcome {
    /// Whether the sender was told at once, as fits the protocol.
    fileprivate func isRefused(_ transport: TransportProtocol) -> Bool {
        guard case .refused(let how) = self else { return false }
        return transport == .tcp ? how == .reset : how.isPortUnreachable
    }
}
