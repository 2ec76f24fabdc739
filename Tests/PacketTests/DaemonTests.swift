import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// `fairlead run`: what changes while connections are open.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct DaemonTests {
    @Test("the rules follow the manifests", arguments: IPFamily.allCases)
    func follow(_ family: IPFamily) async throws {
        let bench = try await DaemonBench([.ready("local-1")])
        #expect(try await bench.serves(["local-1"], family), "\(bench.daemon.output)")
        try bench.change(to: [.ready("local-1"), .ready("remote-1"), .ready("local-2")])
        #expect(try await bench.serves(["local-1", "remote-1", "local-2"], family), "\(bench.daemon.output)")
        try bench.change(to: [.ready("local-2"), .notReady("local-1")])
        #expect(try await bench.serves(["local-2"], family), "\(bench.daemon.output)")
        bench.directory.remove("service.yaml")
        let gone = try await eventually {
            let probe = bench.probe(.tcp, family)
            return try await bench.cluster.localCaller.namespace.probe([probe]) == [.timedOut]
        }
        #expect(gone, "\(bench.daemon.output)")
        #expect(bench.daemon.isRunning)
    }

    @Test("a file that cannot be parsed keeps the rules, its repair is followed")
    func broken() async throws {
        let bench = try await DaemonBench([.ready("local-1")])
        #expect(try await bench.serves(["local-1"]), "\(bench.daemon.output)")
        try bench.directory.write("kind: [", to: "service.yaml")
        try await Task.sleep(for: .milliseconds(500))
        #expect(try await bench.serves(["local-1"]), "\(bench.daemon.output)")
        try bench.change(to: [.ready("remote-1")])
        #expect(try await bench.serves(["remote-1"]), "\(bench.daemon.output)")
    }

    @Test("an established TCP connection outlives its endpoint, its Service and the daemon")
    func established() async throws {
        let bench = try await DaemonBench([.ready("remote-1")])
        #expect(try await bench.serves(["remote-1"]), "\(bench.daemon.output)")
        let connection = try await Conversation.begin(bench.probe(), in: bench.cluster.localCaller.namespace)
        #expect(connection.greeting.server == "remote-1")
        try bench.change(to: [.ready("local-1")])
        #expect(try await bench.serves(["local-1"]), "\(bench.daemon.output)")
        #expect(connection.echoes())
        bench.directory.remove("service.yaml")
        let gone = try await eventually {
            try await bench.cluster.localCaller.namespace.probe([bench.probe()]) == [.timedOut]
        }
        #expect(gone, "\(bench.daemon.output)")
        #expect(connection.echoes())
        bench.daemon.signal(SIGTERM)
        _ = try await bench.daemon.waitForEnd()
        #expect(connection.echoes())
    }

    @Test("SIGTERM ends the daemon and leaves the rules", arguments: [SIGTERM, SIGINT])
    func terminate(_ signal: Int32) async throws {
        let bench = try await DaemonBench([.ready("local-1"), .ready("remote-1")])
        #expect(try await bench.serves(["local-1", "remote-1"]), "\(bench.daemon.output)")
        let before = try await NFT(bench.cluster.node1.namespace).listTables()
        bench.daemon.signal(signal)
        let end = try await bench.daemon.waitForEnd()
        #expect(end.status == 0, "\(end)")
        #expect(try await NFT(bench.cluster.node1.namespace).listTables() == before)
        #expect(try await bench.serves(["local-1", "remote-1"]))
    }

    @Test("--cleanup-on-exit removes the rules at the end")
    func cleanupOnExit() async throws {
        let bench = try await DaemonBench([.ready("local-1")], options: ["--cleanup-on-exit"])
        #expect(try await bench.serves(["local-1"]), "\(bench.daemon.output)")
        bench.daemon.signal(SIGTERM)
        #expect(try await bench.daemon.waitForEnd().status == 0)
        #expect(try await NFT(bench.cluster.node1.namespace).listTables() == [])
    }

    @Test("a daemon that was killed is followed by one that takes over without a gap")
    func restart() async throws {
        let bench = try await DaemonBench([.ready("local-1"), .ready("remote-1")])
        #expect(try await bench.serves(["local-1", "remote-1"]), "\(bench.daemon.output)")
        bench.daemon.signal(SIGKILL)
        _ = try await bench.daemon.waitForEnd()
        let before = try await NFT(bench.cluster.node1.namespace).listRuleset()
        let arguments = ["run"] + FairleadCommand.clusterArguments(manifests: bench.directory.path)
        let second = try await FairleadCommand().start(arguments, in: bench.cluster.node1.namespace)
        var tally = Tally()
        for _ in 0..<20 {
            tally.add(try await bench.cluster.localCaller.namespace.tally(bench.probe(), count: 10).outcomes)
            try await Task.sleep(for: .milliseconds(50))
        }
        #expect(tally.answers.count == tally.outcomes.count, "\(tally)")
        #expect(second.isRunning, "\(second.output)")
        let after = try await NFT(bench.cluster.node1.namespace).listRuleset()
        // The tables have an owner again, which shows in two lines of each.
        let lines = CommandTests.difference(before, after).split(separator: "\n")
        #expect(lines.allSatisfy { $0.contains("table ip") || $0.contains("flags") }, "\(lines)")
    }

    @Test("every change takes effect without a lost connection")
    func noGap() async throws {
        let bench = try await DaemonBench([.ready("local-1"), .ready("local-2")])
        #expect(try await bench.serves(["local-1", "local-2"]), "\(bench.daemon.output)")
        let pools: [[EndpointShape]] = [
            [.ready("local-1")], ["local-1", "local-2", "local-3"].map { .ready($0) },
            [.ready("local-1"), .ready("remote-1")],
            ["local-1", "local-2", "local-3", "remote-1", "remote-2"].map { .ready($0) },
        ]
        var tally = Tally()
        for round in 0..<12 {
            try bench.change(to: pools[round % pools.count])
            for _ in 0..<4 {
                tally.add(try await bench.cluster.localCaller.namespace.tally(bench.probe(), count: 8).outcomes)
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        #expect(tally.answers.count == tally.outcomes.count, "\(tally)\n\(bench.daemon.output)")
    }
}
