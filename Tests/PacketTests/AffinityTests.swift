import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

extension Scenario {
    /// A Service with ClientIP affinity.
    static func affine(
        _ endpoints: [String] = ["local-1", "local-2", "local-3", "remote-1", "remote-2"], terminating: [String] = [],
        timeout: Int? = nil, externalPolicy: String = "Cluster", internalPolicy: String = "Cluster"
    ) -> Scenario {
        Scenario(
            name: "affinity", externalPolicy: externalPolicy, internalPolicy: internalPolicy,
            endpoints: endpoints.map { .ready($0) } + terminating.map { .serving($0) },
            adjust: { objects, _ in
                objects.service.extra += ["sessionAffinity: ClientIP"]
                if let timeout {
                    objects.service.extra += ["sessionAffinityConfig: {clientIP: {timeoutSeconds: \(timeout)}}"]
                }
                objects.service.ports.append(ServiceManifest.Port("other", .tcp, 81))
                objects.eachSlice { $0.ports.append(SliceManifest.Port("other", .tcp, 8081)) }
            },
            expectations: [])
    }

    /// The same endpoints without affinity.
    static func plain(_ endpoints: [String] = ["local-1", "local-2", "local-3", "remote-1", "remote-2"]) -> Scenario {
        Scenario(name: "no affinity", endpoints: endpoints.map { .ready($0) }, expectations: [])
    }
}

/// ClientIP affinity: who is sent where.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct AffinityTests {
    private static let callers = ["client", "second-client", "local-caller", "remote-caller", "node1", "local-1"]

    @Test("a client stays with one endpoint, whichever address of the Service it uses", arguments: Mode.allCases)
    func shared(_ mode: Mode) async throws {
        let bench = try await Bench(mode, [.affine()])
        for family in IPFamily.allCases {
            for transport in TransportProtocol.allCases {
                for caller in Self.callers {
                    var tally = Tally()
                    for target in Target.all {
                        tally.add(try await bench.tally(caller, to: target, transport, family).outcomes)
                    }
                    #expect(
                        tally.servers.count == 1 && tally.answers.count == tally.outcomes.count,
                        "\(caller), \(transport), \(family): \(tally)")
                }
            }
        }
    }

    @Test("clients spread, and each port of a Service has a memory of its own", arguments: IPFamily.allCases)
    func spread(_ family: IPFamily) async throws {
        let bench = try await Bench(.apply, [.affine()])
        let crowd = try await Crowd.join(bench)
        let homes = try await crowd.ask(.clusterIP, .tcp, family)
        #expect(!homes.values.contains("nobody") && Set(homes.values).count > 1, "\(homes)")
        // Twenty clients with five endpoints agree by chance once in 10^14 times.
        #expect(try await crowd.ask(.clusterIP, .udp, family) != homes)
        #expect(try await crowd.ask(.clusterIPPort(81), .tcp, family) != homes)
        #expect(try await crowd.ask(.loadBalancerIP, .tcp, family) == homes)
        #expect(try await crowd.ask(.nodePort, .tcp, family) == homes)
    }

    @Test("policies Local have a memory of the local endpoints", arguments: IPFamily.allCases)
    func local(_ family: IPFamily) async throws {
        let endpoints = ["local-1", "local-2", "local-3", "remote-1", "remote-2"]
        let bench = try await Bench(
            .apply,
            [.affine(endpoints, externalPolicy: "Local"), .affine(endpoints, internalPolicy: "Local")])
        let locals: Set = ["local-1", "local-2", "local-3"]
        let crowd = try await Crowd.join(bench)
        let homes = try await crowd.ask(.loadBalancerIP, .tcp, family)
        #expect(Set(homes.values).isSubset(of: locals) && Set(homes.values).count > 1, "\(homes)")
        for target in Target.external { #expect(try await crowd.ask(target, .tcp, family) == homes, "\(target)") }
        let outside = try await bench.tally("client", to: .nodePort, .tcp, family)
        #expect(outside.sources == [bench.cluster.client.address(family)], "\(outside)")
        // Pods are short-circuited to all endpoints, and remembered among those.
        for target in Target.all {
            let pod = try await bench.tally("local-caller", to: target, .udp, family, count: 12)
            #expect(pod.servers.count == 1 && pod.answers.count == 12, "\(pod)")
        }
        let inside = try await crowd.ask(.clusterIP, .tcp, family, service: 2)
        #expect(Set(inside.values).isSubset(of: locals) && Set(inside.values).count > 1, "\(inside)")
        #expect(try await crowd.ask(.clusterIP, .tcp, family, service: 2) == inside)
    }

    @Test(
        "a client is forgotten after the timeout, which each new connection starts again", arguments: IPFamily.allCases)
    func timeout(_ family: IPFamily) async throws {
        let timeout = Duration.seconds(4)
        let bench = try await Bench(.apply, [.affine(timeout: 4)])
        let crowd = try await Crowd.join(bench)
        var start = ContinuousClock.now
        var last = try await crowd.ask(.clusterIP, .tcp, family)
        for _ in 0..<6 {
            try await Task.sleep(for: .seconds(1))
            let (before, homes) = (start, last)
            start = .now
            last = try await crowd.ask(.clusterIP, .tcp, family)
            // A machine that is busy with other things may have let the time pass.
            if .now - before < timeout { #expect(last == homes) }
        }
        try await Task.sleep(for: timeout + .seconds(1))
        let later = try await crowd.ask(.clusterIP, .tcp, family)
        #expect(later != last && !later.values.contains("nobody"))
    }

    @Test("a changed timeout holds from the next connection on", arguments: Mode.allCases)
    func changedTimeout(_ mode: Mode) async throws {
        let bench = try await Bench(mode, [.affine()])
        let crowd = try await Crowd.join(bench)
        let homes = try await crowd.ask(.clusterIP, .tcp, .ipv4)
        let homes6 = try await crowd.ask(.clusterIP, .tcp, .ipv6)
        try await bench.show([.affine(timeout: 2)])
        #expect(try await crowd.ask(.clusterIP, .tcp, .ipv4) == homes)
        #expect(try await crowd.ask(.clusterIP, .tcp, .ipv6) == homes6)
        try await Task.sleep(for: .seconds(3))
        #expect(try await crowd.ask(.clusterIP, .tcp, .ipv4) != homes)
        #expect(try await crowd.ask(.clusterIP, .tcp, .ipv6) != homes6)
    }

    @Test("a listing loads again after a timeout was raised for clients that are remembered")
    func raisedTimeout() async throws {
        let bench = try await Bench(.apply, [.affine(timeout: 60)])
        let crowd = try await Crowd.join(bench, size: 10)
        let node = bench.cluster.node1.namespace
        for seconds in [60, 86_400] {
            try await bench.show([.affine(timeout: seconds)])
            for family in IPFamily.allCases {
                #expect(try await !crowd.ask(.clusterIP, .tcp, family).values.contains("nobody"))
            }
            let listing = try await NFT(node).listRuleset()
            #expect(listing.contains("timeout \(seconds == 60 ? "1m" : "1d") expires"))
            try await NFT(NetworkNamespace("boot")).load(listing)
        }
    }

    @Test("rules for other timeouts come and go while clients connect", arguments: Mode.allCases)
    func anotherTimeout(_ mode: Mode) async throws {
        let bench = try await Bench(mode, [.affine()])
        let crowd = try await Crowd.join(bench, size: 10)
        let homes = try await crowd.ask(.clusterIP, .tcp, .ipv6)
        let changes = Task {
            for count in [1, 2, 3, 4, 5, 6, 3, 1] {
                try await bench.show([.affine()] + (0..<count).map { .affine(timeout: 100 + $0) })
            }
        }
        for _ in 0..<20 {
            #expect(try await crowd.ask(.clusterIP, .tcp, .ipv6) == homes)
            try await Task.sleep(for: .milliseconds(20))
        }
        try await changes.value
        let second = try await crowd.ask(.clusterIP, .udp, .ipv6, service: 2)
        #expect(!second.values.contains("nobody"))
        #expect(try await crowd.ask(.loadBalancerIP, .udp, .ipv6, service: 2) == second)
        // Those that no Service has any more are gone; `diff` has found nothing to do either.
        let ruleset = try await NFT(bench.cluster.node1.namespace).listRuleset()
        #expect(ruleset.contains("chain remember-100 ") && !ruleset.contains("remember-101"))
    }

    @Test("packets leave the node with the priority that they had", arguments: IPFamily.allCases)
    func priority(_ family: IPFamily) async throws {
        let bench = try await Bench(.apply, [.affine()])
        let watch = """
            table inet watch {
                counter clean { }
                counter tainted { }
                chain out {
                    type filter hook postrouting priority 300;
                    ct status dnat meta priority 0 counter name clean return
                    ct status dnat counter name tainted
                }
            }
            """
        try await NFT(bench.cluster.node1.namespace).load(watch)
        for caller in ["client", "local-caller", "node1"] {
            for transport in TransportProtocol.allCases {
                let tally = try await bench.tally(caller, to: .loadBalancerIP, transport, family)
                #expect(tally.servers.count == 1, "\(tally)")
            }
        }
        let counters = try await NFT(bench.cluster.node1.namespace).list(["counters", "table", "inet", "watch"])
        #expect(counters.contains("counter tainted {\n\t\tpackets 0 "), "\(counters)")
        #expect(!counters.contains("counter clean {\n\t\tpackets 0 "), "\(counters)")
    }

    @Test("a priority that a packet had before comes back, with affinity and without", arguments: IPFamily.allCases)
    func givenPriority(_ family: IPFamily) async throws {
        let bench = try await Bench(.apply, [.affine(), .plain()])
        // Routing gives forwarded packets another one by their TOS: they are looked at before.
        let watch = """
            table inet watch {
                counter kept { }
                counter lost { }
                chain give {
                    ct state new meta priority set 7:77
                }
                chain look {
                    meta priority 7:77 counter name kept return
                    counter name lost
                }
                chain give-in { type filter hook prerouting priority -150; jump give; }
                chain give-out { type filter hook output priority -150; jump give; }
                chain in { type filter hook prerouting priority -90; ct state new ct status dnat jump look; }
                chain out { type filter hook output priority -90; ct state new ct status dnat jump look; }
            }
            """
        try await NFT(bench.cluster.node1.namespace).load(watch)
        for service in 1...2 {
            for caller in ["client", "local-caller", "node1"] {
                for target in Target.all {
                    let tally = try await bench.tally(caller, to: target, .tcp, family, service: service)
                    #expect(tally.answers.count == 6 && (service == 2 || tally.servers.count == 1), "\(tally)")
                }
            }
        }
        let counters = try await NFT(bench.cluster.node1.namespace).list(["counters", "table", "inet", "watch"])
        #expect(counters.contains("counter lost {\n\t\tpackets 0 "), "\(counters)")
        #expect(!counters.contains("counter kept {\n\t\tpackets 0 "), "\(counters)")
    }

    @Test("further packets of a flow that nothing answers keep priorities of their own", arguments: IPFamily.allCases)
    func furtherPackets(_ family: IPFamily) async throws {
        let bench = try await Bench(.apply, [.affine()])
        let node = bench.cluster.node1.namespace
        let watch = """
            table inet watch {
                counter five { }
                counter six { }
                counter none { }
                counter other { }
                chain silence { type filter hook prerouting priority -300; meta l4proto udp drop; }
                chain out { type filter hook output priority -90; meta l4proto udp ct state new ct status dnat jump look; }
                chain look {
                    meta priority 0:5 counter name five return
                    meta priority 0:6 counter name six return
                    meta priority none counter name none return
                    counter name other
                }
            }
            """
        try await NFT(node).load(watch)
        let destination = Target.clusterIP.destination(Numbers(index: 1), family)
        try Datagrams.send(priorities: [0, 5, 6, 6, 0], to: destination, in: node)
        let counters = try await NFT(node).list(["counters", "table", "inet", "watch"])
        for (name, count) in [("five", 1), ("six", 2), ("none", 2), ("other", 0)] {
            #expect(counters.contains("counter \(name) {\n\t\tpackets \(count) "), "\(name): \(counters)")
        }
    }
}
