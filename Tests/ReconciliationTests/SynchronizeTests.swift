import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import Reconciliation
import ServiceDataplane
import Testing

@Suite("Synchronizing: any state becomes the desired one")
struct SynchronizeTests {
    private func objects(_ seed: UInt64) -> [ClusterObject] {
        var random = SeededGenerator(seed: seed)
        return Objects.cluster(&random)
    }

    @Test("An empty kernel gets everything, and the second run commits nothing", arguments: UInt64(1)...6)
    func firstLoad(seed: UInt64) throws {
        let bench = Bench()
        bench.reconciler.load(objects(seed).map { .applied($0) })
        let report = try bench.reconciler.synchronize()
        #expect(report.counts.added > 0 && report.counts.removed == 0 && report.restarts == 0)
        #expect(bench.differences() == [])
        #expect(try bench.reconciler.synchronize().transactions == 0)
    }

    @Test("A foreign edit is noticed and repaired", arguments: ForeignEdit.allCases)
    func foreignEdit(_ edit: ForeignEdit) throws {
        let bench = try Bench(synchronized: objects(3))
        let clean = bench.kernel.ruleset
        var random = SeededGenerator(seed: 1)
        bench.kernel.edit { edit.apply(to: &$0, &random) }
        try #require(bench.kernel.ruleset != clean)
        let report = try #require(try bench.reconciler.verify())
        // What takes the place of a set of another form bears another name for a transaction.
        #expect(report.transactions == (edit == .otherDeclaration ? 2 : 1))
        #expect(bench.differences() == [])
        if !edit.canMoveSlots { #expect(bench.kernel.ruleset == clean) }
        #expect(try bench.reconciler.verify() == nil)
    }

    @Test("A repair is the difference alone")
    func difference() throws {
        let bench = try Bench(synchronized: objects(3))
        var random = SeededGenerator(seed: 1)
        func repair(_ edit: ForeignEdit) throws -> [Int] {
            bench.kernel.edit { edit.apply(to: &$0, &random) }
            let counts = try bench.reconciler.synchronize().counts
            return [counts.added, counts.removed, counts.structural]
        }
        #expect(try repair(.elementDeleted) == [1, 0, 0])
        #expect(try repair(.extraElement) == [0, 1, 0])
        #expect(try repair(.extraRange) == [0, 1, 0])
        #expect(try repair(.commentChanged) == [1, 1, 0])
        #expect(try repair(.changedRule) == [0, 0, 1])
        #expect(try repair(.extraSet) == [0, 0, 1])
        #expect(try repair(.extraChain) == [0, 0, 2])
    }

    @Test("Any number of foreign edits at once is repaired", arguments: UInt64(1)...10)
    func randomEdits(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let bench = try Bench(synchronized: Objects.cluster(&random))
        for _ in 0..<4 {
            await Task.yield()
            bench.kernel.edit { ruleset in
                for _ in 0..<Int.random(in: 1...5, using: &random) {
                    ForeignEdit.allCases.randomElement(using: &random)?.apply(to: &ruleset, &random)
                }
            }
            // Meanwhile the objects change as well.
            let number = Int.random(in: 0..<12, using: &random)
            bench.reconciler.load([.applied(Objects.randomSlice(number, 0, &random))])
            _ = try bench.reconciler.synchronize()
            #expect(bench.differences() == [])
            #expect(try bench.reconciler.synchronize().transactions == 0)
        }
    }

    @Test("A process that starts again changes nothing, whatever has happened before", arguments: UInt64(1)...8)
    func restart(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let first = try Bench(synchronized: Objects.cluster(&random))
        for _ in 0..<40 {
            let number = Int.random(in: 0..<12, using: &random)
            let part = Int.random(in: 0...1, using: &random)
            _ = try first.reconciler.apply([.applied(Objects.randomSlice(number, part, &random))])
        }
        let second = Bench(first.kernel, desired: first.reconciler.desired)
        first.kernel.forgetCommits()
        #expect(try second.reconciler.synchronize().transactions == 0)
        #expect(first.kernel.commits.isEmpty)
        // It also goes on from the same slots.
        _ = try second.reconciler.apply([.applied(Objects.randomSlice(0, 0, &random))])
        #expect(second.differences() == [])
    }

    // Seeds where no known Service claims a frontend of an older one that is not known yet: it would have that meanwhile.
    @Test(
        "As long as not all objects are known, nothing is deleted that no object asks for",
        arguments: [2, 3, 4, 6, 8] as [UInt64])
    func unknownObjects(seed: UInt64) throws {
        let all = objects(seed)
        let first = try Bench(synchronized: all)
        let clean = first.kernel.ruleset
        let second = Bench(first.kernel)
        second.reconciler.knowsAllObjects = false
        second.reconciler.load(all.prefix(9).map { .applied($0) })
        #expect(try second.reconciler.plan().isEmpty)
        #expect(try second.reconciler.synchronize().transactions == 0)
        #expect(first.kernel.ruleset == clean)
        second.reconciler.knowsAllObjects = true
        // Rules that nobody needs any more go before what only they looked for.
        #expect((1...2).contains(try second.reconciler.plan().count))
        #expect(try second.reconciler.synchronize().counts.removed > 0)
        #expect(second.differences() == [])
    }

    @Test("A commit that came first is no failure: look again, try again")
    func staleGeneration() throws {
        let bench = Bench()
        bench.reconciler.load(objects(2).map { .applied($0) })
        var left = 3
        bench.kernel.beforeCommit = { kernel in
            if left > 0 { kernel.commitElsewhere() }
            left -= 1
        }
        #expect(try bench.reconciler.synchronize().restarts == 3)
        #expect(bench.kernel.observations == 4)
        #expect(bench.differences() == [])
    }

    @Test(
        "Many Services, whose policy is computed ahead: whatever ends a pass, the next one is whole")
    func manyServices() throws {
        let bench = Bench()
        for number in 0..<400 {
            let objects = [
                Objects.service("s\(number)", clusterIP: 256 + number),
                Objects.slice("s\(number)", 1...number % 60 + 1),
            ]
            bench.reconciler.load(objects.map { .applied($0) })
        }
        var commits = 0
        bench.kernel.beforeCommit = { kernel in
            commits += 1
            if commits == 2 { kernel.commitElsewhere() }
        }
        #expect(try bench.reconciler.synchronize().restarts == 1)
        #expect(commits > 2)
        // Changes of some Services are computed as they come.
        for number in 0..<20 { _ = try bench.reconciler.apply([.applied(Objects.slice("s\(number)", 3...5))]) }
        #expect(bench.differences() == [])
        #expect(try bench.reconciler.synchronize().transactions == 0)
    }

    @Test("If others commit all the time, it commits in spite of them, and looks again afterwards")
    func neverQuiet() throws {
        let bench = Bench()
        bench.reconciler.load(objects(2).map { .applied($0) })
        bench.kernel.beforeCommit = { $0.commitElsewhere() }
        #expect(try bench.reconciler.synchronize().restarts == 8)
        #expect(bench.differences() == [])
        #expect(try bench.reconciler.verify()?.transactions == 0)
        #expect(try bench.reconciler.verify() == nil)
    }

    @Test("A refusal is handed on, and the next run goes on from what is there")
    func refusal() throws {
        let bench = Bench()
        bench.reconciler.load(objects(2).map { .applied($0) })
        bench.kernel.beforeCommit = { _ throws(SimulatedRefusal) in throw .injected }
        #expect(throws: SimulatedRefusal.injected) { try bench.reconciler.synchronize() }
        #expect(!bench.reconciler.isSynchronized)
        bench.kernel.beforeCommit = { _ in }
        _ = try bench.reconciler.verify()
        #expect(bench.reconciler.isSynchronized && bench.differences() == [])
    }
}
