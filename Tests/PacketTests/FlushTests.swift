import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// What a firewall's service does that begins with `flush ruleset`.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct FlushTests {
    @Test(
        "a flush of the ruleset deletes the tables while no daemon runs; while one does they stay, or are back at once")
    func flush() async throws {
        let bench = try await DaemonBench([.ready("local-1")])
        try await bench.waitUntilInLine()
        let node = bench.cluster.node1.namespace
        try await NFT(node).load("flush ruleset\n")
        #expect(try await bench.serves(["local-1"]))

        bench.daemon.signal(SIGTERM)
        _ = try await bench.daemon.waitForEnd()
        #expect(try await NFT(node).listTables().contains { $0.contains("fairlead") })
        #expect(try await bench.tally(count: 4).answers.count == 4)
        try await NFT(node).load("flush ruleset\n")
        #expect(try await NFT(node).listTables().isEmpty)
        #expect(try await node.execute(Program("true", [])).status == 0)

        let arguments = ["run"] + FairleadCommand.clusterArguments(manifests: bench.directory.path)
        let next = try await FairleadCommand().start(arguments, in: node)
        try await next.waitForOutput("serving", timeLimit: .seconds(60))
        #expect(try await bench.serves(["local-1"]))
    }
}
