import DataplaneTestKit
import FairleadTestKit
import Netfilter
import NetlinkTransport
import Testing

/// Random clusters, random changes, random trouble, for as long as the environment says (`Scripts/soak`).
@Suite(
    "Soak: after each step the kernel holds what a fresh computation asks for",
    .enabled(if: Capability.runsNetworkSuites, "no namespaces"))
struct SoakTests {
    /// The first step that goes wrong, and how; nil if none does.
    private static func failure(
        of steps: [SoakStep], prepare: (SoakBench) -> Void = { _ in }
    ) throws -> (step: Int, text: String, faults: Int)? {
        let bench = try SoakBench()
        prepare(bench)
        for (index, step) in steps.enumerated() {
            do {
                if let text = try bench.perform(step) { return (index, text, bench.kernel.faults) }
            } catch { return (index, "\(error)", bench.kernel.faults) }
        }
        return (-1, "", bench.kernel.faults)
    }

    private static func fails(_ steps: [SoakStep], prepare: (SoakBench) -> Void = { _ in }) throws -> Bool {
        try failure(of: steps, prepare: prepare).map { $0.step >= 0 } ?? false
    }

    @Test("random changes, faults, restarts and foreign edits")
    func soak() throws {
        let seed = SeededGenerator.environmentSeed
        let count = SeededGenerator.number("FAIRLEAD_SOAK_STEPS") ?? 60
        print("soak: FAIRLEAD_SEED=\(seed) FAIRLEAD_SOAK_STEPS=\(count)")
        // In parts, so that a failure shrinks in reasonable time.
        var faults = 0
        for part in 0..<(count + 199) / 200 {
            let steps = SoakStep.random(seed: seed &+ UInt64(part), count: min(200, count - part * 200))
            guard let result = try Self.failure(of: steps) else { continue }
            faults += result.faults
            guard result.step >= 0 else { continue }
            let minimal = try Shrinking.minimal(Array(steps[...result.step])) { try Self.fails($0) }
            Issue.record(
                "seed \(seed), part \(part), step \(result.step): \(result.text)\nshrunk to \(minimal.count) steps:\n\(minimal.map(\.description).joined(separator: "\n"))"
            )
            return
        }
        print("soak: \(count) steps, \(faults) faults, 0 differences")
    }

    @Test("a kernel that loses an element is found out, and the steps shrink to what shows it")
    func finds() throws {
        let steps = SoakStep.random(seed: 7, count: 25)
        let lose: (SoakBench) -> Void = { bench in
            bench.kernel.tamper = { transaction in
                var transaction = transaction
                for index in transaction.steps.indices {
                    if case .addElements(let set, let elements) = transaction.steps[index].operation,
                        set.name == "reject-services"
                    {
                        transaction.steps[index].operation = .addElements(set, Array(elements.dropLast()))
                    }
                }
                return transaction
            }
        }
        #expect(try Self.fails(steps, prepare: lose))
        let minimal = try Shrinking.minimal(steps, tries: 60) { try Self.fails($0, prepare: lose) }
        #expect(minimal.count <= 2, "\(minimal)")
        #expect(try Self.fails(minimal, prepare: lose))
        #expect(try !Self.fails(minimal))
    }

    @Test("shrinking leaves the steps that matter, in their order")
    func shrinking() {
        let minimal = Shrinking.minimal(Array(1...100)) { steps in
            guard let first = steps.firstIndex(of: 13), let second = steps.firstIndex(of: 77) else { return false }
            return first < second
        }
        #expect(minimal == [13, 77])
        #expect(Shrinking.minimal([1, 2, 3]) { $0.contains(2) } == [2])
        #expect(Shrinking.minimal([5]) { _ in true } == [5])
    }
}
