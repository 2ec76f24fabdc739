import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import Reconciliation
import ServiceDataplane
import Testing

@Suite("An element that the kernel refuses costs only its Service")
struct RefusedServiceTests {
    /// The kernel takes nothing that leads to these ClusterIPs.
    private static func refuse(_ numbers: Set<Int>, by bench: Bench) {
        let addresses = numbers.map { number in
            var key = KeyBuilder()
            key.append(Scene.address(.ipv4, 0, number))
            return key.key[0]
        }
        bench.kernel.refuses = { family, set, element in
            family == .ipv4 && set.key.count > 1 && addresses.contains(element.key[0])
        }
    }

    private static func objects(_ count: Int) -> [ClusterObject] {
        (1...count).flatMap {
            [Objects.service("s\($0)", clusterIP: $0), Objects.slice("s\($0)", [$0])]
        }
    }

    private static func frontends(_ bench: Bench) -> Set<UInt32> {
        Set(bench.kernel.ruleset.elements(.ipv4, "services-1").keys.map { $0[0] & 0xFF })
    }

    private static func refused(_ bench: Bench) -> [String] {
        bench.reconciler.desired.refused.keys.map(\.name).sorted()
    }

    @Test("a first load holds everything else, and says what was refused", arguments: [[3], [1, 9], Array(1...20)])
    func firstLoad(_ bad: [Int]) throws {
        let bench = Bench()
        Self.refuse(Set(bad), by: bench)
        bench.reconciler.load(Self.objects(20).map { .applied($0) })
        let report = try bench.reconciler.synchronize()
        #expect(report.counts.added > 0 && bench.reconciler.isSynchronized)
        #expect(Self.refused(bench) == bad.map { "s\($0)" }.sorted())
        #expect(Self.frontends(bench) == Set((1...20).map { UInt32($0) }).subtracting(bad.map { UInt32($0) }))
        #expect(bench.differences() == [])
        let findings = bench.reconciler.takeNewFindings().filter { $0.code == "refused-by-kernel" }
        #expect(findings.compactMap { $0.subject?.key.name }.sorted() == Self.refused(bench))
        #expect(findings.allSatisfy { $0.severity == .error && $0.message.contains("element 10.0.0.") }, "\(findings)")
        // The next look changes nothing.
        bench.kernel.forgetCommits()
        _ = try bench.reconciler.synchronize()
        #expect(bench.kernel.commits.isEmpty && bench.reconciler.takeNewFindings().isEmpty)
    }

    @Test("a change that is refused leaves the Service as it was, and lets all others pass")
    func change() throws {
        let bench = try Bench(synchronized: Self.objects(5))
        let before = bench.kernel.ruleset
        Self.refuse([2], by: bench)
        _ = try bench.reconciler.apply([
            .applied(Objects.slice("s2", [2, 12])), .applied(Objects.slice("s3", [3, 13])),
        ])
        #expect(Self.refused(bench) == ["s2"])
        #expect(Self.frontends(bench) == [1, 2, 4, 5])
        let slots = bench.kernel.ruleset.elements(.ipv4, "endpoints")
        for (key, element) in before.elements(.ipv4, "endpoints") where key[0] & 0xFF == 2 {
            #expect(slots[key] == element)
        }
        #expect(slots.keys.filter { $0[0] & 0xFF == 3 }.count == 2)
        // Further changes of others are single commits.
        bench.kernel.forgetCommits()
        let observations = bench.kernel.observations
        _ = try bench.reconciler.apply([.applied(Objects.slice("s4", [4, 14]))])
        #expect(bench.kernel.commits.count == 1 && bench.kernel.observations == observations)
        // A restart finds the same.
        let again = Bench(bench.kernel, desired: bench.reconciler.desired)
        bench.kernel.forgetCommits()
        _ = try again.reconciler.synchronize()
        #expect(bench.kernel.commits.isEmpty)
    }

    @Test("a Service is tried again when it changes, and when it is time")
    func again() throws {
        let bench = Bench()
        Self.refuse([1, 2], by: bench)
        bench.reconciler.load(Self.objects(3).map { .applied($0) })
        _ = try bench.reconciler.synchronize()
        #expect(Self.refused(bench) == ["s1", "s2"])
        let early = try #require(try bench.reconciler.retryRefused())
        #expect(early.counts.isEmpty && Self.refused(bench) == ["s1", "s2"])
        Self.refuse([2], by: bench)
        _ = try bench.reconciler.apply([.applied(Objects.slice("s1", [1, 11]))])
        #expect(Self.refused(bench) == ["s2"])
        Self.refuse([], by: bench)
        _ = try #require(try bench.reconciler.retryRefused())
        #expect(Self.refused(bench) == [] && bench.differences() == [])
        _ = bench.reconciler.takeNewFindings()
        #expect(bench.reconciler.desired.findings.allSatisfy { $0.code != "refused-by-kernel" })
        let none = try bench.reconciler.retryRefused()
        #expect(none == nil)
    }

    @Test("a foreign element in the way of a change is removed, and nothing is left out")
    func foreign() throws {
        let bench = try Bench(synchronized: Self.objects(4))
        bench.kernel.edit { ruleset in
            guard var key = ruleset.elements(.ipv4, "services-1").keys.first else { return }
            key[0] = key[0] & ~0xFF | 9
            ruleset[.ipv4].sets["services-1"]?.elements[key] = Element(key)
        }
        bench.kernel.tellsOfExistingElements = true
        _ = try bench.reconciler.apply(
            [Objects.service("s9", clusterIP: 9), Objects.slice("s9", [9])].map { .applied($0) })
        #expect(Self.refused(bench) == [] && bench.differences() == [])
    }

    @Test(
        "random clusters and random refusals: what is not refused is as if nothing had been", arguments: UInt64(1)...8)
    func random(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let bench = try Bench(synchronized: Objects.cluster(&random))
        for _ in 0..<10 {
            Self.refuse(Set((0..<3).map { _ in Int.random(in: 1...12, using: &random) }), by: bench)
            let number = Int.random(in: 0..<12, using: &random)
            _ = try bench.reconciler.apply([
                .applied(Objects.randomService(number, &random)), .applied(Objects.randomSlice(number, 0, &random)),
            ])
            #expect(bench.reconciler.isSynchronized)
            if Self.refused(bench).isEmpty { #expect(bench.differences() == []) }
        }
        Self.refuse([], by: bench)
        _ = try bench.reconciler.retryRefused()
        #expect(Self.refused(bench) == [])
        #expect(bench.differences() == [])
    }
}
