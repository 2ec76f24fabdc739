import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// ClientIP affinity over changes: who stays, who moves, what is forgotten.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct AffinityChangeTests {
    /// One endpoint less, or one that terminates.
    private static let leavings: [@Sendable () -> Scenario] = [
        { .affine(["local-2", "local-3", "remote-1", "remote-2"]) },
        { .affine(["local-2", "local-3", "remote-1", "remote-2"], terminating: ["local-1"]) },
    ]

    /// Whether the tables remember a client for the endpoint (or for any); waits a little for that to end.
    private static func forgets(_ bench: Bench, _ endpoint: String?, _ family: IPFamily) async throws -> Bool {
        let needle = endpoint.map { ": \(Scenario.address(of: $0, family))" } ?? "expires"
        return try await eventually(within: .seconds(bench.mode == .run ? 5 : 0)) {
            let addresses = try await bench.list("map", family, "affinity")
            let ports = family == .ipv6 ? try await bench.list("map", family, "affinity-port") : ""
            return !addresses.contains(needle) && (endpoint != nil || !ports.contains(needle))
        }
    }

    @Test(
        "an endpoint that goes sets its clients free, all others stay", arguments: Mode.allCases,
        Array(leavings.indices))
    func leaves(_ mode: Mode, _ leaving: Int) async throws {
        let bench = try await Bench(mode, [.affine()])
        let crowd = try await Crowd.join(bench, size: 60)
        for family in IPFamily.allCases {
            try await bench.show([.affine()])
            let homes = try await crowd.ask(.clusterIP, .tcp, family)
            #expect(homes.values.contains("local-1"), "\(homes)")
            let memory = try await bench.list("map", family, "affinity")
            #expect(memory.contains(": \(Scenario.address(of: "local-1", family))"), "\(memory)")
            try await bench.show([Self.leavings[leaving]()])
            #expect(try await Self.forgets(bench, "local-1", family))
            let after = try await crowd.ask(.clusterIP, .tcp, family)
            for (client, home) in homes {
                let now = after[client] ?? ""
                let isRight = home == "local-1" ? now != "local-1" && now != "nobody" : now == home
                #expect(isRight, "\(client): \(home), then \(now)")
            }
            // They stay where they went.
            #expect(try await crowd.ask(.nodePort, .tcp, family) == after)
        }
    }

    @Test(
        "no client is remembered when its Service has lost affinity, endpoints or existence", arguments: Mode.allCases,
        [true, false])
    func forgotten(_ mode: Mode, _ isDaemonAway: Bool) async throws {
        for end in [[], [.plain()], [.affine([])]] as [[Scenario]] {
            let bench = try await Bench(mode, [.affine()])
            let crowd = try await Crowd.join(bench)
            for family in IPFamily.allCases {
                #expect(try await !crowd.ask(.clusterIP, .tcp, family).values.contains("nobody"))
                #expect(try await bench.list("map", family, "affinity").contains("expires"))
            }
            if isDaemonAway {
                try await bench.stop(SIGKILL)
                try await bench.write(end)
                try await bench.start()
            } else {
                try await bench.show(end)
            }
            for family in IPFamily.allCases { #expect(try await Self.forgets(bench, nil, family), "\(end)") }
        }
    }

    @Test("affinity that is turned on or off acts at once", arguments: Mode.allCases)
    func toggled(_ mode: Mode) async throws {
        let bench = try await Bench(mode, [.plain()])
        for scenarios in [[.affine()], [.plain()], [.affine()]] as [[Scenario]] {
            try await bench.show(scenarios)
            let isAffine = scenarios[0].name == "affinity"
            for family in IPFamily.allCases {
                // Without affinity, 30 connections meet one server once in 10^20 times.
                let tally = try await bench.tally("client", to: .clusterIP, .tcp, family, count: 30)
                #expect((tally.servers.count == 1) == isAffine && tally.answers.count == 30, "\(tally)")
            }
        }
    }

    @Test("clients stay over restarts and over changes that do not concern them", arguments: Mode.allCases)
    func survives(_ mode: Mode) async throws {
        let four = ["local-2", "local-3", "remote-1", "remote-2"]
        let bench = try await Bench(mode, [.affine(four)])
        let crowd = try await Crowd.join(bench)
        var homes: [IPFamily: [IPAddress: String]] = [:]
        for family in IPFamily.allCases { homes[family] = try await crowd.ask(.clusterIP, .tcp, family) }
        let expected = homes
        func expectHomes(_ occasion: String) async throws {
            for family in IPFamily.allCases {
                #expect(try await crowd.ask(.externalIP, .tcp, family) == expected[family], "\(occasion), \(family)")
            }
        }
        try await bench.settle()
        try await expectHomes("the same again")
        for signal in [SIGTERM, SIGKILL] {
            try await bench.stop(signal)
            try await bench.start()
            try await expectHomes("a restart")
        }
        try await bench.show([.affine(four), .affine(timeout: 77), .plain()])
        try await expectHomes("other Services")
        try await bench.show([.affine(four), .affine(["local-1"], timeout: 77), .plain(["local-1"])])
        try await expectHomes("changes of other Services")
        try await bench.show([.affine(["local-1"] + four), .affine(["local-1"], timeout: 77)])
        try await expectHomes("one more endpoint")
    }

    @Test("no connection is lost while endpoints with clients come and go", arguments: IPFamily.allCases)
    func noGap(_ family: IPFamily) async throws {
        let bench = try await Bench(.run, [.affine()])
        let crowd = try await Crowd.join(bench)
        let changes = Task {
            for round in 0..<8 {
                try await bench.show([round % 2 == 0 ? .affine(["local-2", "remote-1"]) : .affine()])
            }
        }
        for _ in 0..<24 {
            let answers = try await crowd.ask(.loadBalancerIP, .tcp, family)
            #expect(!answers.values.contains("nobody"), "\(answers)")
            try await Task.sleep(for: .milliseconds(20))
        }
        try await changes.value
    }

    @Test("clients of a Service that is held stay where they are", arguments: Mode.allCases)
    func held(_ mode: Mode) async throws {
        let bench = try await Bench(mode, [.affine()])
        let crowd = try await Crowd.join(bench)
        let homes = try await crowd.ask(.clusterIP, .tcp, .ipv6)
        var broken = Scenario.affine()
        let affine = broken.adjust
        broken.adjust = { objects, numbers in
            affine(&objects, numbers)
            objects.service.extra += ["sessionAffinityConfig: {clientIP: {timeoutSeconds: nonsense}}"]
        }
        try await bench.stop(SIGKILL)
        try await bench.write([broken, .plain()])
        try await bench.start()
        #expect(try await bench.complaints().contains("timeoutSeconds"))
        #expect(try await crowd.ask(.clusterIP, .tcp, .ipv6) == homes)
    }
}
