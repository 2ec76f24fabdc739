import DataplaneTestKit
import FairleadTestKit
import Foundation
import Glibc
import Testing

/// Everything that the daemon depends on in disorder at once: the API server and the files that say how to reach it, its
/// configuration, manifests, the kernel's answers, and its own life.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct ChaosTests {
    @Test(
        "API server, files, kernel and the daemon's life in disorder lose no packet of a Service that does not change")
    func chaos() async throws {
        let seed = SeededGenerator.environmentSeed
        let rounds = SeededGenerator.number("FAIRLEAD_CHAOS_ROUNDS") ?? 4
        print("chaos: FAIRLEAD_SEED=\(seed) FAIRLEAD_CHAOS_ROUNDS=\(rounds)")
        var random = SeededGenerator(seed: seed &+ 1)
        var bench = try await ChaosBench(seed: seed)
        try await bench.supervise()
        let begins = try await bench.becomesInLine()
        try #require(begins, "\(bench.output)")
        let traffic = try await SteadyTraffic(bench.fault.cluster, FaultBench.steady)
        var done: [Mischief: Int] = [:]
        // Each kind comes once before any comes again.
        var decks: [ChaosBench.Source: [Mischief]] = [:]
        var failed = 0
        for round in 0..<rounds {
            let source: ChaosBench.Source = round.isMultiple(of: 2) ? .api : .manifests
            try await bench.end(random.oneIn(2) ? SIGKILL : SIGTERM, next: source)
            let log = "\(bench.fault.directory.path)/../\(ProcessInfo.processInfo.globallyUniqueString).strace"
            defer { unlink(log) }
            let step = Int.random(in: 3...40, using: &random)
            let fault = "\(FaultTests.faults[round % FaultTests.faults.count]):when=\(step)..\(4 * step)+\(step)"
            // Of the first process of a round calls fail; those that follow when it has come to an end have none.
            try await bench.supervise(calls: (fault, log))
            let kinds = source == .api ? Mischief.ofAPI : Mischief.ofManifests
            var story: [Mischief] = []
            for _ in 0..<10 {
                if decks[source, default: []].isEmpty { decks[source] = kinds.shuffled(using: &random) }
                guard let mischief = decks[source]?.popLast() else { continue }
                story.append(mischief)
                // A daemon that has yet to begin has little to lose.
                await bench.awaitService()
                try await bench.commit(mischief)
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...300, using: &random)))
                if random.oneIn(2) { try bench.change() }
                if random.oneIn(3) { try await bench.mend() }
                try await bench.supervise()
            }
            for mischief in story { done[mischief, default: 0] += 1 }
            try await bench.mend()
            try await bench.supervise()
            let words = "seed \(seed), round \(round) (\(source), \(fault)), \(story)"
            let isInLine = try await bench.becomesInLine()
            #expect(isInLine, "\(words): \(bench.output)")
            #expect(try await bench.agreesWithAPI(), "\(words): \(bench.output)")
            #expect(traffic.liveConversations == traffic.conversationCount, "\(words)")
            failed += FaultBench.failedCalls(log)
        }
        try await bench.end(next: .api)
        let result = await traffic.stop()
        #expect(result.lost.isEmpty, "seed \(seed): \(result.lost)")
        #expect(result.probes > rounds)
        print("chaos: \(done.sorted { $0.value > $1.value }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))")
        print(
            "chaos: \(done.values.reduce(0, +)) troubles and \(failed) failed calls in \(rounds) rounds, "
                + "\(bench.starts) starts, probes: \(result.probes), lost: \(result.lost.count), "
                + "connections that lived: \(traffic.liveConversations) of \(traffic.conversationCount)")
    }
}
