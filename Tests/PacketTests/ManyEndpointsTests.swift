import FairleadTestKit
import NetworkTypes
import Testing

/// A Service whose pool outgrows the size classes that exist from the start.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct ManyEndpointsTests {
    private static let hosts = ["local-1", "local-2", "local-3", "remote-1", "remote-2"]
    private static let ports = (0..<40).map { UInt16(8080 + $0) }

    /// So many endpoints: few pods with many ports, a slice for each port. The first one is local-1:8080.
    private static func service(_ count: Int) -> Scenario {
        Scenario(
            name: "\(count) endpoints", endpoints: [],
            adjust: { objects, numbers in
                objects.slices = []
                for (index, port) in ports.enumerated() {
                    let members = hosts.prefix(max(0, count - index * hosts.count)).map { EndpointShape.ready($0) }
                    objects.slices += IPFamily.allCases.map {
                        Scenario.slice(numbers.name, $0, members, suffix: "-\(port)", port: port)
                    }
                }
            }, expectations: [])
    }

    private static var topology: ClusterTopology.Options {
        var options = ClusterTopology.Options()
        options.podPorts = ports
        return options
    }

    private static func endpoints(_ tally: Tally) -> [String: Int] {
        Dictionary(tally.answers.map { ("\($0.server):\($0.local.port)", 1) }, uniquingKeysWith: +)
    }

    private static func expected(_ count: Int) -> Set<String> {
        Set((0..<count).map { "\(hosts[$0 % hosts.count]):\(ports[$0 / hosts.count])" })
    }

    @Test("a Service grows from 1 to 200 endpoints and back without a lost connection", arguments: IPFamily.allCases)
    func grow(_ family: IPFamily) async throws {
        let bench = try await DaemonBench(Self.service(1), topology: Self.topology)
        #expect(try await bench.serves(["local-1"], family), "\(bench.daemon.output)")
        let probe = Probe(.tcp, to: Target.clusterIP.destination(DaemonBench.numbers, family))
        let early = try await Conversation.begin(probe, in: bench.cluster.localCaller.namespace)
        // Connections go on while the Service changes.
        let traffic = Task {
            var tally = Tally()
            while !Task.isCancelled { tally.add(try await bench.tally(.tcp, family, count: 8).outcomes) }
            return tally
        }
        for count in [3, 64, 65, 129, 200, 130, 64, 200, 1] {
            try bench.change(to: Self.service(count))
            try await bench.waitUntilInLine()
            let seen = Self.endpoints(try await bench.tally(.tcp, family, count: 100))
            #expect(Self.expected(count).isSuperset(of: seen.keys), "\(count) endpoints")
            // Of 64 endpoints or more, 100 connections meet 50 on average; fewer than 35 are met once in 10^6 times.
            #expect(seen.count >= min(count, 35), "\(count) endpoints: \(seen)")
        }
        traffic.cancel()
        let tally = try await traffic.value
        let lost = tally.outcomes.filter { $0.answer == nil }
        #expect(lost.isEmpty && tally.outcomes.count > 100, "\(Tally(lost)) of \(tally.outcomes.count)")
        #expect(early.echoes())
    }

    @Test("each of 200 endpoints gets its share", arguments: IPFamily.allCases)
    func share(_ family: IPFamily) async throws {
        let bench = try await DaemonBench(Self.service(200), topology: Self.topology)
        try await bench.waitUntilInLine()
        var tally = Tally()
        for _ in 0..<80 { tally.add(try await bench.tally(.udp, family, count: 100).outcomes) }
        let counts = Self.endpoints(tally)
        #expect(tally.answers.count == 8000, "\(tally.outcomes.count - tally.answers.count) without an answer")
        #expect(Set(counts.keys) == Self.expected(200))
        // Chi-squared with 199 degrees of freedom: 199 on average, above 320 once in 10^7 times.
        let deviation = Self.expected(200).reduce(0.0) { sum, endpoint in
            let difference = Double(counts[endpoint] ?? 0) - 40
            return sum + difference * difference / 40
        }
        #expect(deviation < 320, "\(counts)")
    }
}
