import FairleadTestKit
import NetworkTypes
import Testing

/// `fairlead-lab balance`, which is behind `Scripts/lab`.
@Suite(.serialized, .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct LabTests {
    private func lab(_ arguments: [String], input: String = "") async throws -> ProgramResult {
        let fairlead = try FairleadCommand().path
        let directory = fairlead.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
        var program = Program(
            "\(directory)/fairlead-lab", ["balance", "--document", "\(Lab.root)/docs/load-balancers.md"] + arguments,
            input: input, timeLimit: .seconds(180))
        program.environment = ["FAIRLEAD_BINARY": fairlead]
        return try await NetworkNamespace("lab").execute(program)
    }

    @Test("the tour moves every endpoint under both policies and loses nothing")
    func tour() async throws {
        let result = try await lab(["--tour"]).requireSuccess()
        #expect(result.standardOutput.contains("No request was lost under either policy."))
        let lines = result.standardOutput.split(separator: "\n").filter { $0.contains("requests sent") }
        for line in lines { #expect(line.contains(" 0 failed"), "\(line)") }
        #expect(lines.count >= 8, "\(result.standardOutput)")
    }

    @Test("what is typed is done")
    func session() async throws {
        let lines = [
            "show", "pool", "move node2-a node3-b", "kill node1-a", "haproxy show servers state web",
            "node3 nft list table ip fairlead", "balancer curl -si --noproxy '*' http://172.30.0.13:30500/",
            "move nowhere node1-a", "quit",
        ]
        let result = try await lab([], input: lines.map { $0 + "\n" }.joined()).requireSuccess()
        let text = result.standardOutput
        #expect(text.contains("node1 UP, node2 UP, node3 DOWN"))
        #expect(text.contains("node1 UP, node2 DOWN, node3 UP"))
        #expect(text.contains("\"node\":\"node3\"") && text.contains("# be_id be_name srv_id srv_name"))
        #expect(text.contains("table ip fairlead {") && text.contains("X-Load-Balancing-Endpoint-Weight: 1"))
        #expect(text.contains("nowhere has to be an endpoint"))
    }
}
