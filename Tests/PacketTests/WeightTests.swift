import FairleadTestKit
import NetworkTypes
import Testing

private let outside = Expectation.outside
private let pods = Expectation.pods
private let annotation = "service.cilium.io/weight"

/// Gives the slices of the endpoints a weight, and adds slices with others.
private func weighing(
    _ own: String?, _ others: [(weight: String?, endpoints: [EndpointShape])] = []
) -> @Sendable (inout Scenario.Objects, Numbers) -> Void {
    let more = others
    return { objects, numbers in
        objects.eachSlice { if let own { $0.annotations[annotation] = own } }
        for (index, group) in more.enumerated() {
            objects.slices += IPFamily.allCases.map { family in
                var slice = Scenario.slice(numbers.name, family, group.endpoints, suffix: "-w\(index)")
                if let weight = group.weight { slice.annotations[annotation] = weight }
                return slice
            }
        }
    }
}

/// Endpoints with weights.
let weightScenarios: [Scenario] = [
    Scenario(
        name: "an endpoint with weight 0 gets no new connection", endpoints: [.ready("local-1"), .ready("remote-1")],
        adjust: weighing(nil, [("0", [.ready("local-2"), .ready("remote-2")])]),
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .client)),
            .from(outside, to: Target.external, .answered(["local-1", "remote-1"], sees: .node)),
        ]),
    Scenario(
        name: "where all endpoints have weight 0, new connections are rejected",
        endpoints: [.ready("local-1"), .ready("remote-1")], adjust: weighing("0"),
        expectations: [.from(Expectation.everyone, to: Target.all, .rejected)]),
    Scenario(
        name: "where all local endpoints have weight 0, policy Local drops what comes from outside",
        externalPolicy: "Local",
        endpoints: [.ready("remote-1")], adjust: weighing(nil, [("0", [.ready("local-1")])]),
        expectations: [
            .from(outside, to: Target.external, .dropped),
            .from(pods, to: Target.all, .answered(["remote-1"], sees: .client)),
        ]),
    Scenario(
        name: "ready endpoints with weight 0 leave it to those that terminate", endpoints: [.ready("local-1")],
        adjust: weighing("0", [(nil, [.serving("local-2"), .serving("remote-2")])]),
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-2", "remote-2"], sees: .client))
        ]),
    Scenario(
        name: "endpoints of different weights all serve, under policy Local those here", externalPolicy: "Local",
        endpoints: [.ready("local-1")], adjust: weighing("60", [("40", [.ready("local-2"), .ready("remote-1")])]),
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1", "local-2", "remote-1"], sees: .client)),
            .from(outside, to: Target.external, .answered(["local-1", "local-2"], sees: .client)),
        ]),
    Scenario(
        name: "a weight that is none is as if there were none", endpoints: [.ready("local-1")],
        adjust: weighing("-1", [("65536", [.ready("remote-1")])]),
        expectations: [.from(pods, to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .client))]),
]

/// What endpoints get by their weights, and what goes on when they change.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct WeightTests {
    private static func scenario(
        _ weights: [(weight: String?, endpoints: [String])], affine: Bool = false
    ) -> Scenario {
        let groups = weights.map { (weight: $0.weight, endpoints: $0.endpoints.map { EndpointShape.ready($0) }) }
        let adjust = weighing(nil, groups)
        return Scenario(
            name: "weights", endpoints: [],
            adjust: { objects, numbers in
                adjust(&objects, numbers)
                if affine { objects.service.extra += ["sessionAffinity: ClientIP"] }
            }, expectations: [])
    }

    @Test("shares follow weights, for ClusterIPs, node ports and load balancer IPs", arguments: IPFamily.allCases)
    func shares(_ family: IPFamily) async throws {
        let bench = try await Bench(.apply, [Self.scenario([("300", ["local-1"]), (nil, ["remote-1"])])])
        for (caller, target) in [
            ("local-caller", Target.clusterIP), ("client", .loadBalancerIP), ("client", .nodePort),
        ] {
            let tally = try await bench.tally(caller, to: target, .udp, family, count: 400)
            let heavy = tally.answers.count { $0.server == "local-1" }
            #expect(tally.answers.count == 400)
            // 300 on average with a standard deviation of 8.7: farther off once in 10^6 times.
            #expect((257...343).contains(heavy), "\(caller) to \(target): \(heavy) of 400")
        }
    }

    @Test(
        "weight 0 lets connections go on, also where it is the last one's, and a weight takes new ones again",
        arguments: Mode.allCases)
    func drain(_ mode: Mode) async throws {
        let both = Self.scenario([(nil, ["local-1"]), (nil, ["remote-1"])])
        let bench = try await Bench(mode, [both])
        let chains = try await NFT(bench.cluster.node1.namespace).list(["chains", "ip"])
        for family in IPFamily.allCases {
            let target = Target.loadBalancerIP.destination(Numbers(index: 1), family)
            func converse(_ transport: TransportProtocol) async throws -> [Conversation] {
                var result: [Conversation] = []
                while Set(result.map(\.greeting.server)).count < 2 || result.count < 6 {
                    result.append(
                        try await Conversation.begin(Probe(transport, to: target), in: bench.cluster.client.namespace))
                }
                return result
            }
            try await bench.show([both])
            let (connections, flows) = (try await converse(.tcp), try await converse(.udp))
            func goOn(_ what: String) {
                for connection in connections { #expect(connection.echoes(), "\(what): \(connection.greeting.server)") }
                for flow in flows { #expect(flow.ask()?.server == flow.greeting.server, "\(what)") }
            }
            try await bench.show([Self.scenario([("0", ["local-1"]), (nil, ["remote-1"])])])
            goOn("one drained")
            for caller in ["client", "local-caller"] {
                let tally = try await bench.tally(caller, to: .loadBalancerIP, .tcp, family, count: 20)
                #expect(tally.answers.count == 20 && Set(tally.servers.keys) == ["remote-1"], "\(tally)")
            }
            try await bench.show([Self.scenario([("0", ["local-1"]), ("0", ["remote-1"])])])
            goOn("both drained")
            for transport in [TransportProtocol.tcp, .udp] {
                let refused = try await bench.tally("client", to: .loadBalancerIP, transport, family)
                #expect(refused.outcomes.allSatisfy { if case .refused = $0 { true } else { false } }, "\(refused)")
            }
            goOn("after others were refused")
            try await bench.show([Self.scenario([("7", ["local-1"]), ("0", ["remote-1"])])])
            goOn("one is back")
            let back = try await bench.tally("client", to: .clusterIP, .tcp, family, count: 12)
            #expect(back.answers.count == 12 && Set(back.servers.keys) == ["local-1"], "\(back)")
        }
        #expect(try await NFT(bench.cluster.node1.namespace).list(["chains", "ip"]) == chains)
    }

    @Test("a client with affinity leaves an endpoint that is drained", arguments: Mode.allCases)
    func affinity(_ mode: Mode) async throws {
        let both = [(weight: String?("10"), endpoints: ["local-1"]), (weight: String?("30"), endpoints: ["local-2"])]
        let bench = try await Bench(mode, [Self.scenario(both, affine: true)])
        for family in IPFamily.allCases {
            try await bench.show([Self.scenario(both, affine: true)])
            let first = try await bench.tally("client", to: .clusterIP, .tcp, family, count: 12)
            #expect(first.servers.count == 1, "\(first)")
            let home = try #require(first.servers.keys.first)
            let drained = both.map { (weight: $0.endpoints == [home] ? "0" : $0.weight, endpoints: $0.endpoints) }
            try await bench.show([Self.scenario(drained, affine: true)])
            let moved = try await eventually {
                let tally = try await bench.tally("client", to: .clusterIP, .tcp, family, count: 4)
                return tally.answers.count == 4 && tally.servers[home] == nil
            }
            #expect(moved)
        }
    }

    @Test("a restart finds the slots again and changes nothing; diff sees no difference", arguments: Mode.allCases)
    func restart(_ mode: Mode) async throws {
        let weights = [
            (weight: String?("33"), endpoints: ["local-1"]), (weight: String?("67"), endpoints: ["remote-1"]),
        ]
        let bench = try await Bench(mode, [Self.scenario(weights)])
        // A way to the slots that no fresh start would come to.
        try await bench.show([Self.scenario([("50", ["local-1", "local-2"]), ("10", ["remote-1"])])])
        try await bench.show([Self.scenario(weights)])
        let monitor = try await RulesetMonitor(bench.cluster.node1.namespace)
        try await bench.stop()
        try await bench.start()
        let diff = try await FairleadCommand().run(["diff"] + bench.arguments, in: bench.cluster.node1.namespace)
        #expect(diff.status == 0 && diff.standardOutput == "no difference\n", "\(diff)")
        // A daemon takes the tables over by adding them, which changes nothing.
        let changes = try await monitor.changes().filter { !$0.hasPrefix("add table") }
        #expect(changes == [])
        let explained = try await FairleadCommand().run(
            ["explain", "--from", "external", "--to", "default/case-1:tcp"] + bench.arguments,
            in: bench.cluster.node1.namespace)
        #expect(explained.standardOutput.contains("10.128.1.11:8080  32.8 %  on node1  weight 33"), "\(explained)")
        #expect(explained.standardOutput.contains("10.128.2.11:8080  67.2 %  on node2  weight 67"), "\(explained)")
    }

    @Test("what a weight that is none costs is named, once and with its field")
    func invalid() async throws {
        let bench = try await Bench(.apply, [Self.scenario([("1.5", ["local-1"]), ("99999", ["remote-1"])])])
        let words = try await bench.complaints()
        for value in ["1.5", "99999"] {
            #expect(
                words.contains("metadata.annotations[service.cilium.io/weight]: must be 0 to 65535, is \"\(value)\""),
                "\(words)")
        }
    }

    @Test("direct return deals slots by weight, and drains", arguments: IPFamily.allCases)
    func directReturn(_ family: IPFamily) async throws {
        var service = DirectReturnBench.service(["node2-a", "node3-a"])
        service.weights = ["node2-a": 300]
        let bench = try await DirectReturnBench(service)
        let ports = (0..<400).map { UInt16(30_000 + $0 * 7) }
        let outcomes = try await bench.probe(.udp, family, ports: ports)
        let heavy = outcomes.count { $0.answer?.server == "node2-a" }
        #expect((257...343).contains(heavy) && outcomes.allSatisfy { $0.answer != nil }, "\(heavy)")
        let connections = try await bench.converse(12, family)
        #expect(Set(connections.map(\.greeting.server)) == ["node2-a", "node3-a"])
        func check(_ what: String) async throws {
            for node in ["node1", "node2", "node3"] {
                try await bench.route(to: [node])
                let dead = await bench.dead(connections)
                #expect(dead.isEmpty, "\(what), by \(node): \(dead)")
            }
        }
        service.weights = ["node2-a": 0]
        try await bench.show(service)
        try await check("one drained")
        let moved = try await bench.probe(.tcp, family, ports: Array(ports.prefix(24)))
        #expect(moved.allSatisfy { $0.answer?.server == "node3-a" }, "\(moved)")
        service.weights = ["node2-a": 0, "node3-a": 0]
        try await bench.show(service)
        try await check("both drained")
        for node in ["node1", "node2"] {
            try await bench.route(to: [node])
            let refused = try await bench.probe(.tcp, family, ports: Array(ports.suffix(24)))
            #expect(refused.allSatisfy { if case .refused = $0 { true } else { false } }, "\(node): \(refused)")
        }
        let diff = try await bench.fairlead("diff", service, on: "node2")
        #expect(diff.status == 0, "\(diff)")
    }
}
