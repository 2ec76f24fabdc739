import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// `fairlead diff`: what it says, how it ends, and that it changes nothing.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct DiffTests {
    private struct Bench {
        let namespace: NetworkNamespace
        let directory: TemporaryDirectory
        let nft: NFT
        private let fairlead: FairleadCommand

        init() throws(TestKitError) {
            namespace = try NetworkNamespace()
            directory = try TemporaryDirectory()
            fairlead = try FairleadCommand()
            nft = NFT(namespace)
            try load(refusalScenarios)
        }

        func load(_ scenarios: [Scenario]) throws(TestKitError) {
            try directory.write(Scenario.manifests(scenarios), to: "cluster.yaml")
        }

        func run(_ command: String...) async throws(TestKitError) -> ProgramResult { try await run(command) }

        func run(_ command: [String]) async throws(TestKitError) -> ProgramResult {
            let arguments = command + FairleadCommand.clusterArguments(manifests: directory.path)
            return try await fairlead.run(arguments, in: namespace)
        }
    }

    @Test("diff ends with 0 for nothing, 1 for something, 2 for a failure, and changes nothing")
    func exitCodes() async throws {
        let bench = try Bench()
        let monitor = try await RulesetMonitor(bench.namespace)
        for command in [["diff"], ["diff", "--check"]] {
            let result = try await bench.run(command)
            #expect(result.status == 1, "\(result)")
            #expect(result.standardOutput.contains("+ table ip6 fairlead\n"), "\(result)")
        }
        #expect(try await monitor.changes() == [])
        try await bench.run("apply").requireSuccess()
        let clean = try await bench.run("diff", "--check")
        #expect(clean.status == 0 && clean.standardOutput == "no difference\n", "\(clean)")
        try bench.load(endpointScenarios)
        let applied = try await monitor.changes().count
        let changed = try await bench.run("diff", "--check")
        #expect(changed.status == 1, "\(changed)")
        let lines = changed.standardOutput.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("+ ip fairlead endpoints { ") }, "\(changed)")
        #expect(lines.contains { $0.hasPrefix("- ip6 fairlead reject-services { ") }, "\(changed)")
        try bench.directory.write("kind: [", to: "broken.yaml")
        let failed = try await bench.run("diff")
        #expect(failed.status == 2 && failed.standardOutput == "", "\(failed)")
        #expect(failed.standardError.contains("broken.yaml"), "\(failed)")
        #expect(try await monitor.changes().count == applied)
    }

    @Test("diff --check tells what the kernel refuses, and which object is at fault")
    func refused() async throws {
        let bench = try Bench()
        // A table that belongs to another process: nobody else may change it as long as that lives.
        let script = "exec nft -i < <(echo 'add table ip fairlead { flags owner; }'; exec sleep 60 2>/dev/null)"
        let owner = try await Daemon(Program("bash", ["-c", script], timeLimit: .seconds(60)), in: bench.namespace)
        let isOwned = try await eventually { try await bench.nft.listTables() == ["table ip fairlead"] }
        #expect(isOwned, "\(owner.output)")
        let blind = try await bench.run("diff")
        #expect(blind.status == 1, "\(blind)")
        let result = try await bench.run("diff", "--check")
        #expect(result.status == 2, "\(result)")
        #expect(result.standardError.contains("table ip fairlead"), "\(result)")
        #expect(result.standardError.contains("another process owns the table"), "\(result)")
        let applied = try await bench.run("apply")
        #expect(applied.status == 1, "\(applied)")
        #expect(try await bench.nft.listTables() == ["table ip fairlead"], "not even the other family is begun")
        owner.signal(SIGKILL)
        _ = try await owner.waitForEnd()
        try await bench.run("apply").requireSuccess()
        #expect(try await bench.run("diff", "--check").status == 0)
    }

    /// What others may have left in a table of the name.
    private static let remains = [
        "add set ip fairlead cluster-ips { type inet_service; }",
        "add set ip fairlead services-4 { type inet_service; }\nadd element ip fairlead services-4 { 80 }",
        "add map ip6 fairlead endpoints { type ipv6_addr : verdict; }",
        """
        add chain ip fairlead services
        add chain ip fairlead other { type filter hook input priority 0; }
        add set ip fairlead foreign { type inet_service; }
        add rule ip fairlead other tcp dport @foreign jump services
        """,
        """
        add chain ip fairlead services
        add chain ip fairlead other
        add map ip fairlead verdicts { type ipv4_addr : verdict; }
        add element ip fairlead verdicts { 192.0.2.1 : jump services }
        add rule ip fairlead other ip saddr vmap @verdicts
        """,
        "add chain ip fairlead nat-prerouting { type filter hook input priority 5; }",
    ]

    @Test("a table that others filled is told by diff, accepted by the kernel and put in order", arguments: remains)
    func adopt(_ ruleset: String) async throws {
        let bench = try Bench()
        try await bench.nft.load("add table ip fairlead\nadd table ip6 fairlead\n" + ruleset + "\n")
        let result = try await bench.run("diff", "--check")
        #expect(result.status == 1, "\(result)")
        try await bench.run("apply").requireSuccess()
        let after = try await bench.run("diff")
        #expect(after.status == 0, "\(after)")
        let fresh = try Bench()
        try await fresh.run("apply").requireSuccess()
        let (expected, actual) = (try await fresh.nft.listRuleset(), try await bench.nft.listRuleset())
        // The table itself is theirs still, and so it lacks the comment and cannot be owned.
        let lines = CommandTests.difference(expected, actual).split(separator: "\n")
        let own = ["- comment \"Kubernetes Services, kept by fairlead\"", "- flags"]
        #expect(lines.allSatisfy { own.contains(String($0)) }, "\(lines)")
    }
}
