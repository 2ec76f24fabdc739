import FairleadTestKit
import NetworkTypes
import Testing

/// `--service-counters` under `run`: what a scrape tells of real connections.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct ServiceCounterTests {
    private static func scenario(_ endpoints: [String], policy: String = "Local") -> Scenario {
        Scenario(
            name: "counted", externalPolicy: policy, endpoints: endpoints.map { .ready($0) }, expectations: [])
    }

    private static let options = ["--service-counters"]

    /// The daemon's connections metric of the frontend.
    private static func series(_ target: Target, _ transport: TransportProtocol, _ family: IPFamily) -> String {
        let destination = target.destination(DaemonBench.numbers, family)
        let port = destination.port
        let any = family == .ipv4 ? "0.0.0.0:\(port)" : "[::]:\(port)"
        let frontend = target == .nodePort ? any : "\(destination)"
        return
            #"fairlead_service_connections_total{namespace="default",service="\#(DaemonBench.numbers.name)","#
            + #"port="\#(transport)",frontend="\#(frontend)/\#(transport)"}"#
    }

    private static func page(_ bench: DaemonBench) async throws -> PrometheusPage {
        let program = Program("curl", ["-s", "--max-time", "5", "http://127.0.0.1:10249/metrics"])
        return try PrometheusPage(try await bench.cluster.node1.namespace.execute(program).standardOutput)
    }

    /// Scrapes until all values are there. (Scrapes within a second of each other share one look.)
    private static func tells(_ expected: [String: Double], _ bench: DaemonBench) async throws -> Bool {
        try await eventually {
            let values = try await page(bench).values
            return expected.allSatisfy { values[$0.key] == $0.value }
        }
    }

    /// Makes connections, and requires that all are answered.
    private static func connect(
        _ bench: DaemonBench, _ count: Int, from caller: String, to target: Target, _ transport: TransportProtocol,
        _ family: IPFamily
    ) async throws {
        let probe = Probe(transport, to: target.destination(DaemonBench.numbers, family))
        let tally = try await bench.cluster.host(caller).namespace.tally(probe, count: count)
        #expect(tally.answers.count == count, "\(caller) to \(target): \(tally)")
    }

    @Test("with --service-counters a scrape counts each connection of each frontend", arguments: IPFamily.allCases)
    func connections(_ family: IPFamily) async throws {
        let bench = try await DaemonBench(Self.scenario(["local-1", "remote-1"]), options: Self.options)
        try await bench.waitUntilInLine()
        var expected: [String: Double] = [:]
        for (offset, target) in Target.all.enumerated() {
            for transport in TransportProtocol.allCases {
                // From outside by the local pool, from a pod and the node itself by the other one: one frontend.
                for (caller, count) in [("client", 3 + offset), ("local-caller", 2), ("node1", 1)] {
                    try await Self.connect(bench, count, from: caller, to: target, transport, family)
                    expected[Self.series(target, transport, family), default: 0] += Double(count)
                }
            }
        }
        #expect(try await Self.tells(expected, bench), "\(expected) \(bench.daemon.output)")
        // The other family's frontends have counted nothing.
        let other = family == .ipv4 ? IPFamily.ipv6 : .ipv4
        #expect(try await Self.page(bench).values[Self.series(.clusterIP, .tcp, other)] == 0)
    }

    @Test("counters go on over changes of endpoints and policies")
    func changes() async throws {
        let bench = try await DaemonBench(Self.scenario(["local-1", "local-2", "remote-1"]), options: Self.options)
        try await bench.waitUntilInLine()
        let series = Self.series(.loadBalancerIP, .tcp, .ipv4)
        var total = 0
        let steps: [(String, Scenario)] = [
            ("the same size class", Self.scenario(["local-1", "local-2", "remote-1", "remote-2"])),
            ("a larger size class", Self.scenario(["local-1", "local-2", "local-3", "remote-1", "remote-2"])),
            ("a smaller size class", Self.scenario(["local-1", "remote-1"])),
            ("another policy", Self.scenario(["local-1", "remote-1"], policy: "Cluster")),
            ("the first policy", Self.scenario(["local-1", "remote-1"])),
        ]
        for (number, (name, scenario)) in ([("the start", Self.scenario(["local-1"]))] + steps).enumerated() {
            if number > 0 {
                try bench.change(to: scenario)
                try await bench.waitUntilInLine()
            }
            for caller in ["client", "local-caller"] {
                try await Self.connect(bench, 2 + number, from: caller, to: .loadBalancerIP, .tcp, .ipv4)
                total += 2 + number
            }
            #expect(try await Self.tells([series: Double(total)], bench), "\(name): \(total)")
        }
        // Without an endpoint nothing can be connected: the frontend counts what it refuses instead.
        try bench.change(to: Self.scenario([]))
        try await bench.waitUntilInLine()
        let isGone = try await eventually { try await Self.page(bench).values[series] == nil }
        #expect(isGone)
        try bench.change(to: Self.scenario(["local-1"]))
        try await bench.waitUntilInLine()
        try await Self.connect(bench, 5, from: "client", to: .loadBalancerIP, .tcp, .ipv4)
        #expect(try await Self.tells([series: 5], bench))
    }

    @Test("a restart of the daemon keeps what was counted")
    func restart() async throws {
        let bench = try await DaemonBench(Self.scenario(["local-1"]), options: Self.options)
        try await bench.waitUntilInLine()
        let series = Self.series(.clusterIP, .udp, .ipv6)
        try await Self.connect(bench, 4, from: "local-caller", to: .clusterIP, .udp, .ipv6)
        bench.daemon.signal(15)
        _ = try await bench.daemon.waitForEnd()
        try await Self.connect(bench, 3, from: "local-caller", to: .clusterIP, .udp, .ipv6)
        let arguments = ["run"] + FairleadCommand.clusterArguments(manifests: bench.directory.path) + Self.options
        let second = try await FairleadCommand().start(arguments, in: bench.cluster.node1.namespace)
        try await second.waitForOutput("serving")
        try await Self.connect(bench, 2, from: "local-caller", to: .clusterIP, .udp, .ipv6)
        #expect(try await Self.tells([series: 9], bench), "\(second.output)")
    }

    @Test(
        "packets that fit no connection, and clients that are kept out, are not counted as connections",
        arguments: IPFamily.allCases)
    func others(_ family: IPFamily) async throws {
        var scenario = Self.scenario(["local-1"])
        scenario.adjust = { objects, _ in
            objects.service.extra.append("loadBalancerSourceRanges: [\"10.128.0.0/16\", \"fd00:10:128::/48\"]")
        }
        let bench = try await DaemonBench(scenario, options: Self.options)
        try await bench.waitUntilInLine()
        let (client, pod) = (bench.cluster.client, try bench.cluster.host("local-1"))
        try await Self.connect(bench, 2, from: "client", to: .clusterIP, .tcp, family)
        let sockets = (
            client: try SegmentSocket(client.namespace, family), pod: try SegmentSocket(pod.namespace, family)
        )
        for number: UInt16 in 0..<10 {
            // The second step of connections that nobody began: INVALID.
            for target in Target.all {
                let destination = target.destination(DaemonBench.numbers, family)
                let segment = TCPSegment(
                    from: HostPort(client.address(family), 5000 + number), toPort: destination.port, sequence: 7,
                    acknowledgement: 8, flags: [.synchronize, .acknowledge])
                try sockets.client.send(segment, to: destination.address)
            }
            let answer = TCPSegment(
                from: HostPort(pod.address(family), 8080), toPort: 6000 + number, sequence: 7, acknowledgement: 8,
                flags: [.synchronize, .acknowledge])
            try sockets.pod.send(answer, to: client.address(family))
        }
        let kept = Probe(
            .tcp, to: Target.loadBalancerIP.destination(DaemonBench.numbers, family), timeLimit: Probe.brief)
        let refused = try await client.namespace.tally(kept, count: 3)
        #expect(refused.outcomes.allSatisfy { $0 == .timedOut }, "\(refused)")
        // One more connection, so that the count is of after all that.
        try await Self.connect(bench, 1, from: "client", to: .clusterIP, .tcp, family)
        let expected: [String: Double] = [
            Self.series(.clusterIP, .tcp, family): 3, Self.series(.loadBalancerIP, .tcp, family): 0,
            Self.series(.externalIP, .tcp, family): 0, Self.series(.nodePort, .tcp, family): 0,
        ]
        #expect(try await Self.tells(expected, bench), "\(bench.daemon.output)")
    }
}
