import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// What `nft list ruleset > file` and `nft -f file`, the services of distributions, make of tables of Fairlead.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct SavedRulesetTests {
    /// Saves the ruleset of a namespace, and loads it into it and into another one, as after a boot.
    private func isLoaded(_ namespace: NetworkNamespace) async throws -> Bool {
        let saved = try await NFT(namespace).listRuleset()
        let boot = try NetworkNamespace("boot")
        var isLoaded = true
        for place in [boot, namespace] {
            // As the saved files of distributions begin.
            let program = Program("nft", ["-f", "-"], input: "flush ruleset\n" + saved)
            isLoaded = try await place.execute(program).status == 0 && isLoaded
        }
        return isLoaded
    }

    @Test("a ruleset that is saved after apply, or after a daemon that does not own its tables, can be loaded again")
    func restored() async throws {
        let place = try DriftTests.Bench.Place()
        try await place.run("apply").requireSuccess()
        #expect(try await isLoaded(place.namespace))
        let other = try await DriftTests.Bench(options: ["--no-own-tables"])
        #expect(try await isLoaded(other.namespace))
        other.daemon.signal(SIGTERM)
        #expect(try await other.daemon.waitForEnd().status == 0)
        #expect(try await isLoaded(other.namespace))
    }

    @Test("where the nft that is installed cannot load a table that outlived its owner, run says so at its start")
    func warned() async throws {
        let bench = try await DriftTests.Bench()
        bench.daemon.signal(SIGTERM)
        _ = try await bench.daemon.waitForEnd()
        let canLoad = try await isLoaded(bench.namespace)
        #expect(bench.daemon.output.contains("cannot load what it lists") == !canLoad, "\(bench.daemon.output)")
        // What operations.md advises.
        let saved = try await bench.namespace.execute(
            Program(
                "sh",
                [
                    "-c",
                    "nft list tables | grep -v ' fairlead$' | while read -r _ f t; do nft list table \"$f\" \"$t\"; done",
                ]))
        #expect(!saved.standardOutput.contains("fairlead"))
        try await bench.nft.load("flush ruleset\n" + saved.standardOutput)
    }
}
