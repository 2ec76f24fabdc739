import FairleadTestKit
import NetworkTypes
import Testing

/// `--service-traffic`: bytes and packets of real connections.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct ServiceTrafficTests {
    private static let options = ["--service-traffic"]

    private static func scenario(_ endpoints: [EndpointShape], policy: String = "Cluster") -> Scenario {
        Scenario(name: "counted", externalPolicy: policy, endpoints: endpoints, expectations: [])
    }

    private static func series(
        _ what: String, _ direction: String, _ target: Target, _ transport: TransportProtocol, _ family: IPFamily
    ) -> String {
        let destination = target.destination(DaemonBench.numbers, family)
        let any = family == .ipv4 ? "0.0.0.0:\(destination.port)" : "[::]:\(destination.port)"
        let frontend = target == .nodePort ? any : "\(destination)"
        return
            #"fairlead_service_\#(what)_total{namespace="default",service="\#(DaemonBench.numbers.name)","#
            + #"port="\#(transport)",frontend="\#(frontend)/\#(transport)",direction="\#(direction)"}"#
    }

    private static func values(_ bench: DaemonBench) async throws -> [String: Double] {
        let program = Program("curl", ["-s", "--max-time", "5", "http://127.0.0.1:10249/metrics"])
        return try PrometheusPage(try await bench.cluster.node1.namespace.execute(program).standardOutput).values
    }

    /// Scrapes until all values are there. (Scrapes within a second of each other share one look.)
    private static func tells(_ expected: [String: Double], _ bench: DaemonBench) async throws -> Bool {
        try await eventually {
            let values = try await values(bench)
            return expected.allSatisfy { values[$0.key] == $0.value }
        }
    }

    /// So many datagrams of 2 bytes there and as many back, in one flow.
    private static func ask(
        _ bench: DaemonBench, _ count: Int, from caller: String, to target: Target, _ family: IPFamily
    ) async throws {
        let probe = Probe(.udp, to: target.destination(DaemonBench.numbers, family))
        let flow = try await Conversation.begin(probe, in: bench.cluster.host(caller).namespace)
        for _ in 1..<count { #expect(flow.ask() != nil, "\(caller) to \(target)") }
    }

    @Test(
        "each packet is counted once, with its bytes, in its direction, the first one too", arguments: IPFamily.allCases
    )
    func exact(_ family: IPFamily) async throws {
        let bench = try await DaemonBench(
            Self.scenario([.ready("local-1"), .ready("remote-1")], policy: "Local"), options: Self.options)
        try await bench.waitUntilInLine()
        var expected: [String: Double] = [:]
        // IP and UDP headers, and "?\n".
        let size = Double(family == .ipv4 ? 30 : 50)
        for (offset, target) in Target.all.enumerated() {
            for (caller, count) in [("client", 3 + offset), ("local-caller", 2), ("node1", 4)] {
                try await Self.ask(bench, count, from: caller, to: target, family)
                expected[Self.series("packets", "in", target, .udp, family), default: 0] += Double(count)
                expected[Self.series("packets", "out", target, .udp, family), default: 0] += Double(count)
                expected[Self.series("bytes", "in", target, .udp, family), default: 0] += Double(count) * size
            }
        }
        #expect(try await Self.tells(expected, bench), "\(expected) \(bench.daemon.output)")
        let values = try await Self.values(bench)
        for target in Target.all {
            let out = values[Self.series("bytes", "out", target, .udp, family)] ?? 0
            #expect(out > values[Self.series("bytes", "in", target, .udp, family)] ?? .infinity, "answers are longer")
            #expect(values[Self.series("bytes", "in", target, .tcp, family)] == 0, "nobody used TCP")
        }
        // What has to do with no Service is not counted.
        let pod = try bench.cluster.host("remote-1").address(family)
        let tally = try await bench.cluster.client.namespace.tally(Probe(.udp, to: HostPort(pod, 8080)), count: 5)
        #expect(tally.answers.count == 5)
        #expect(try await Self.tells(expected, bench))
    }

    @Test("what the node sends to itself passes twice and is counted once", arguments: IPFamily.allCases)
    func toItself(_ family: IPFamily) async throws {
        let bench = try await DaemonBench(
            Scenario(
                name: "the node itself", endpoints: [.ready("node1")],
                adjust: { objects, _ in
                    objects.eachSlice { for index in $0.ports.indices { $0.ports[index].port = 9100 } }
                }, expectations: []), options: Self.options)
        try await bench.waitUntilInLine()
        for caller in ["node1", "client"] { try await Self.ask(bench, 5, from: caller, to: .loadBalancerIP, family) }
        let expected = ["in", "out"].map { Self.series("packets", $0, .loadBalancerIP, .udp, family) }
        let isRight = try await Self.tells(Dictionary(uniqueKeysWithValues: expected.map { ($0, 10) }), bench)
        let values = try await Self.values(bench).filter { $0.key.contains("packets_total") }
        #expect(isRight, "\(values)")
    }

    /// What clients in IPv6 have sent to the ClusterIP.
    private static func packets(_ transport: TransportProtocol, _ bench: DaemonBench) async throws -> Double {
        try await values(bench)[series("packets", "in", .clusterIP, transport, .ipv6)] ?? -1
    }

    /// Waits until that is so much at least.
    private static func reach(
        _ count: Double, _ transport: TransportProtocol, _ bench: DaemonBench
    ) async throws -> Bool {
        try await eventually { try await packets(transport, bench) >= count }
    }

    @Test("TCP and SCTP are counted, endpoints and the daemon may come and go, and status lists who moves most")
    func goesOn() async throws {
        let both = Self.scenario([.ready("local-1"), .ready("remote-1")])
        let bench = try await DaemonBench(both, options: Self.options)
        try await bench.waitUntilInLine()
        for transport in [TransportProtocol.tcp, .sctp] {
            let tally = try await bench.tally(transport, .ipv6, count: 4)
            #expect(tally.answers.count == 4)
        }
        // A client of TCP opens with two packets; an association of the harness is one and its answer.
        for transport in [TransportProtocol.tcp, .sctp] {
            #expect(try await Self.reach(transport == .tcp ? 8 : 4, transport, bench), "\(transport)")
        }
        let before = try await Self.packets(.tcp, bench)
        let target = Target.clusterIP.destination(DaemonBench.numbers, .ipv6)
        let connection = try await Conversation.begin(Probe(.tcp, to: target), in: bench.cluster.localCaller.namespace)
        try bench.change(to: Self.scenario([.ready("local-2"), .ready("local-3"), .ready("remote-2")]))
        try await bench.waitUntilInLine()
        for _ in 0..<20 { #expect(connection.echoes()) }
        #expect(try await Self.reach(before + 20, .tcp, bench))
        let status = try await FairleadCommand().run(["status"], in: bench.cluster.node1.namespace)
        #expect(
            status.standardOutput.contains("Services by traffic (bytes in and out, packets in and out, rate)"),
            "\(status)")
        #expect(status.standardOutput.contains("default/\(DaemonBench.numbers.name)"), "\(status)")
        bench.daemon.signal(15)
        _ = try await bench.daemon.waitForEnd()
        for _ in 0..<20 { #expect(connection.echoes()) }
        let arguments = ["run"] + FairleadCommand.clusterArguments(manifests: bench.directory.path) + Self.options
        let second = try await FairleadCommand().start(arguments, in: bench.cluster.node1.namespace)
        try await second.waitForOutput("serving")
        #expect(try await Self.reach(before + 40, .tcp, bench))
    }

    @Test("the option comes and goes in place, under a connection; without it there is nothing of it")
    func comesAndGoes() async throws {
        let bench = try await Bench(.apply, [Self.scenario([.ready("local-1"), .ready("remote-1")])])
        let namespace = bench.cluster.node1.namespace
        let target = Target.loadBalancerIP.destination(Numbers(index: 1), .ipv4)
        let connection = try await Conversation.begin(Probe(.tcp, to: target), in: bench.cluster.client.namespace)
        func traffic() async throws -> Bool {
            try await NFT(namespace).list(["ruleset"]).contains("traffic-in")
        }
        let isThere = try await traffic()
        #expect(!isThere)
        for options in [Self.options, [], Self.options] {
            let fairlead = try FairleadCommand()
            try await fairlead.run(["apply"] + bench.arguments + options, in: namespace).requireSuccess()
            let diff = try await fairlead.run(["diff"] + bench.arguments + options, in: namespace)
            #expect(diff.status == 0, "\(diff)")
            let isCounted = try await traffic()
            #expect(isCounted == !options.isEmpty)
            #expect(connection.echoes())
        }
        let listed = try await bench.list("set", .ipv4, "traffic-out")
        #expect(listed.contains("counter packets 1 ") || listed.contains("counter packets 2 "), "\(listed)")
    }
}
