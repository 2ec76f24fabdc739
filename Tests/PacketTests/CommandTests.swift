import FairleadTestKit
import NetworkTypes
import Testing

/// What the one-shot commands leave in the kernel.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct CommandTests {
    private static let manifests = Scenario.manifests(policyScenarios + endpointScenarios)

    /// A namespace without links, and the arguments that say which cluster this is.
    private struct Bench {
        let namespace: NetworkNamespace
        let directory: TemporaryDirectory
        let arguments: [String]
        let fairlead: FairleadCommand

        init(_ manifests: String) throws(TestKitError) {
            namespace = try NetworkNamespace()
            directory = try TemporaryDirectory()
            fairlead = try FairleadCommand()
            arguments = FairleadCommand.clusterArguments(manifests: try directory.write(manifests, to: "cluster.yaml"))
        }

        func run(_ command: String, _ more: [String] = []) async throws(TestKitError) -> ProgramResult {
            try await fairlead.run([command] + more, in: namespace)
        }

        var ruleset: String {
            get async throws(TestKitError) { try await NFT(namespace).listRuleset() }
        }
    }

    // In parts, and each table by itself: as an ordinary user nft has some 200 KB for a batch (Fairlead splits its own).
    private static let parts = [policyScenarios, refusalScenarios, endpointScenarios, frontendScenarios]

    @Test("what render prints and nft loads is what apply programs", arguments: parts.indices)
    func renderEqualsApply(_ part: Int) async throws {
        let applied = try Bench(Scenario.manifests(Self.parts[part]))
        try await applied.run("apply", applied.arguments).requireSuccess()
        let text = try await applied.run("render", applied.arguments).requireSuccess().standardOutput
        let rendered = try NetworkNamespace()
        let tables = text.split(separator: "\ntable ip6")
        #expect(tables.count == 2)
        try await NFT(rendered).load(tables[0] + "\n")
        try await NFT(rendered).load("table ip6" + tables[1])
        let (expected, actual) = (try await NFT(rendered).listRuleset(), try await applied.ruleset)
        // What nft makes cannot be owned; of the flag that allows it, nft 1.0.6 shows a blank.
        #expect(Set(Self.difference(expected, actual).split(separator: "\n")).isSubset(of: ["+ flags"]))
        #expect(actual.contains("table ip fairlead") && actual.contains("table ip6 fairlead"))
    }

    @Test("a second apply changes nothing, and diff says so")
    func applyTwice() async throws {
        let bench = try Bench(Self.manifests)
        #expect(try await bench.run("diff", bench.arguments).status != 0)
        try await bench.run("apply", bench.arguments).requireSuccess()
        let before = try await bench.ruleset
        try await bench.run("diff", bench.arguments).requireSuccess()
        try await bench.run("apply", bench.arguments).requireSuccess()
        #expect(Self.difference(before, try await bench.ruleset) == "")
    }

    @Test("apply goes from any state to any other as if it were the first")
    func applyOver() async throws {
        let steps = [refusalScenarios, policyScenarios, [], frontendScenarios, policyScenarios.reversed()]
        let bench = try Bench("")
        for scenarios in steps {
            let manifests = Scenario.manifests(scenarios)
            try bench.directory.write(manifests, to: "cluster.yaml")
            try await bench.run("apply", bench.arguments).requireSuccess()
            try await bench.run("diff", bench.arguments).requireSuccess()
        }
    }

    @Test("cleanup removes what apply made, and nothing else")
    func cleanup() async throws {
        let bench = try Bench(Self.manifests)
        let foreign = """
            table ip other {
                set addresses { type ipv4_addr; elements = { 10.96.1.1 }; }
                chain c { type filter hook forward priority 0; ip daddr @addresses counter; }
            }
            table inet fairlead { }
            """
        try await NFT(bench.namespace).load(foreign)
        let before = try await bench.ruleset
        try await bench.run("apply", bench.arguments).requireSuccess()
        #expect(try await NFT(bench.namespace).listTables().count == 4)
        try await bench.run("cleanup").requireSuccess()
        #expect(try await bench.ruleset == before)
        // There is nothing left to do, which is no error.
        try await bench.run("cleanup").requireSuccess()
    }

    @Test("a file that cannot be parsed changes nothing")
    func broken() async throws {
        let bench = try Bench(Self.manifests)
        try await bench.run("apply", bench.arguments).requireSuccess()
        let before = try await bench.ruleset
        try bench.directory.write("kind: [", to: "cluster.yaml")
        #expect(try await bench.run("apply", bench.arguments).status == 1)
        #expect(try await bench.ruleset == before)
    }

    /// The lines that only one of the texts has; the order of elements in a set is the kernel's.
    static func difference(_ expected: String, _ actual: String) -> String {
        func lines(_ text: String) -> [String] {
            text.split(separator: "\n").map { line in
                line.drop { $0 == " " || $0 == "\t" }.replacingPrefix("elements = { ", with: "").trimmingEnd(", }")
            }
        }
        let change = lines(actual).sorted().difference(from: lines(expected).sorted())
        return change.map { step in
            switch step {
            case .insert(_, let line, _): "+ \(line)"
            case .remove(_, let line, _): "- \(line)"
            }
        }.joined(separator: "\n")
    }
}

extension StringProtocol {
    fileprivate func replacingPrefix(_ prefix: String, with text: String) -> String {
        hasPrefix(prefix) ? text + dropFirst(prefix.count) : String(self)
    }

    fileprivate func trimmingEnd(_ characters: String) -> String {
        String(reversed().drop { characters.contains($0) }.reversed())
    }
}
