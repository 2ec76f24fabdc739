import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import Reconciliation
import ServiceDataplane
import Testing

@Suite("Affinity timeouts: rules come and go with the Services that need them")
struct TimeoutTests {
    private static func affine(_ name: String, _ seconds: Int?, clusterIP: Int = 1) -> ClusterObject {
        guard case .service(var service) = Objects.service(name, clusterIP: clusterIP) else {
            fatalError("a Service is a Service")
        }
        service.sessionAffinity = seconds.map { .clientIP(timeoutSeconds: $0) } ?? .none
        return .service(service)
    }

    private static func timeouts(_ bench: Bench) -> Set<Int> {
        let provided = IPFamily.allCases.map { family in
            let table = bench.kernel.ruleset[family]
            let chains = Set(table.chains.keys.compactMap { Int($0.replacing("remember-", with: "")) })
            // The map of verdicts leads to all of them, and to nothing else.
            let elements = table.sets["timeouts"]?.elements.values.compactMap { $0.data } ?? []
            return Set(elements.map { Int(UInt32(bigEndian: $0[0])) }) == chains ? chains : [-1]
        }
        return provided[0] == provided[1] ? provided[0] : [-1]
    }

    @Test("a timeout comes right before the change that needs it, and goes right after the last Service gave it up")
    func leaves() throws {
        let bench = try Bench(synchronized: [
            Self.affine("a", 60), Self.affine("b", 60, clusterIP: 2), Objects.slice("a", [1]), Objects.slice("b", [2]),
        ])
        #expect(Self.timeouts(bench) == [60, 10_800])
        // One for the elements, and one each for rules that come and that go.
        func expect(_ change: ClusterChange, leaves timeouts: Set<Int>) throws {
            let report = try bench.reconciler.apply([change])
            #expect(report.transactions == 2)
            #expect(Self.timeouts(bench) == timeouts)
            #expect(bench.differences() == [])
            #expect(try bench.plan().isEmpty)
        }
        try expect(.applied(Self.affine("a", 77)), leaves: [60, 77, 10_800])
        try expect(Objects.delete(Self.affine("b", 60, clusterIP: 2)), leaves: [77, 10_800])
        // Another one takes the vacant place.
        try expect(.applied(Self.affine("b", 5, clusterIP: 2)), leaves: [5, 77, 10_800])
        try expect(.applied(Self.affine("a", nil)), leaves: [5, 10_800])
        try expect(.applied(Self.affine("b", 10_800, clusterIP: 2)), leaves: [10_800])
        #expect(bench.kernel.observations == 5 + 1)
    }

    @Test("a timeout whose removal the kernel refused goes with the next attempt")
    func refused() throws {
        let bench = try Bench(synchronized: [Self.affine("a", 60), Objects.slice("a", [1])])
        bench.kernel.beforeCommit = { _ throws(SimulatedRefusal) in throw .injected }
        #expect(throws: SimulatedRefusal.injected) { try bench.reconciler.apply([.applied(Self.affine("a", nil))]) }
        #expect(Self.timeouts(bench) == [60, 10_800])
        bench.kernel.beforeCommit = { _ in }
        #expect(try bench.reconciler.verify()?.transactions == 2)
        #expect(Self.timeouts(bench) == [10_800])
        #expect(bench.differences() == [])
    }

    @Test("the timeout of a Service that is held over a restart stays, and goes when the Service is mended without it")
    func held() throws {
        let objects = [Self.affine("a", 60), Objects.slice("a", [1])]
        let first = try Bench(synchronized: objects)
        let clean = first.kernel.ruleset
        // The next process cannot read the Service any more.
        let second = Bench(first.kernel)
        _ = second.reconciler.hold([Scene.key("a")])
        second.reconciler.load([.applied(objects[1])])
        #expect(try second.reconciler.synchronize().transactions == 0)
        #expect(first.kernel.ruleset == clean)
        #expect(try second.plan().isEmpty)
        _ = try second.reconciler.apply([.applied(Self.affine("b", 77, clusterIP: 2))])
        #expect(Self.timeouts(second) == [60, 77, 10_800])
        _ = second.reconciler.hold([])
        _ = try second.reconciler.apply([.applied(Self.affine("a", nil))])
        #expect(Self.timeouts(second) == [77, 10_800])
        #expect(second.differences() == [])
    }

    @Test("timeouts stay until all objects are known")
    func incomplete() throws {
        let first = try Bench(synchronized: [Self.affine("a", 60), Objects.slice("a", [1])])
        let second = Bench(first.kernel)
        second.reconciler.knowsAllObjects = false
        second.reconciler.load([.applied(Self.affine("b", 77, clusterIP: 2))])
        _ = try second.reconciler.synchronize()
        #expect(Self.timeouts(second) == [60, 77, 10_800])
        second.reconciler.knowsAllObjects = true
        _ = try second.reconciler.synchronize()
        #expect(Self.timeouts(second) == [77, 10_800])
        #expect(second.differences() == [])
    }

    @Test(
        "after any change, failed ones and restarts between, a process that starts again finds nothing to do",
        arguments: 1...8)
    func property(seed: Int) async throws {
        var random = SeededGenerator(seed: UInt64(seed))
        var bench = try Bench(synchronized: Objects.cluster(&random, count: 6))
        for _ in 0..<40 {
            await Task.yield()
            let number = Int.random(in: 0..<6, using: &random)
            let service = Objects.randomService(number, &random)
            let changes: [ClusterChange] =
                [
                    [.deleted(service.id)], [.applied(service)], [.applied(service), .applied(Objects.node("east"))],
                    [.applied(Objects.randomSlice(number, 0, &random))],
                ].randomElement(using: &random) ?? []
            if random.oneIn(5) {
                bench.kernel.beforeCommit = { kernel throws(SimulatedRefusal) in
                    kernel.beforeCommit = { _ in }
                    throw .injected
                }
            }
            do { _ = try bench.reconciler.apply(changes) } catch { _ = try bench.reconciler.verify() }
            bench.kernel.beforeCommit = { _ in }
            if random.oneIn(8) {
                bench = Bench(bench.kernel, desired: bench.reconciler.desired)
                bench.kernel.forgetCommits()
                #expect(try bench.reconciler.synchronize().transactions == 0)
            }
            try #require(bench.differences() == [])
            try #require(try bench.plan().isEmpty)
        }
    }
}
