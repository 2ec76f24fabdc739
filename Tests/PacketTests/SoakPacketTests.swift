import DataplaneTestKit
import FairleadTestKit
import Testing

/// Random clusters, random changes and random packets, for as long as the environment says (`Scripts/soak`).
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct SoakPacketTests {
    @Test("whatever changes, sampled packets do what 'explain' says of them")
    func agreement() async throws {
        let seed = SeededGenerator.environmentSeed
        let steps = SeededGenerator.number("FAIRLEAD_SOAK_STEPS") ?? 12
        print("soak packets: FAIRLEAD_SEED=\(seed) FAIRLEAD_SOAK_STEPS=\(steps)")
        var soak = try await PacketSoak(seed: seed)
        for step in 1...steps {
            let complaints = try await soak.step()
            guard complaints.isEmpty else {
                let words = complaints.joined(separator: "\n")
                Issue.record("seed \(seed), step \(step): \(words)\n\(soak.description)")
                return
            }
        }
        let kinds = soak.packets.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        let count = soak.packets.values.reduce(0, +)
        #expect(count >= 40 * steps)
        print("soak packets: \(steps) steps, \(count) packets (\(kinds.joined(separator: ", "))), 0 disagreements")
    }
}
