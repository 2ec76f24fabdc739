import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import Reconciliation
import ServiceDataplane
import Testing

@Suite("Changes: committed without another look")
struct ChangeTests {
    @Test("After each change the kernel holds what a fresh computation gives", arguments: UInt64(1)...5)
    func changes(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let bench = try Bench(synchronized: Objects.cluster(&random))
        for _ in 0..<50 {
            await Task.yield()
            let changes = (0..<Int.random(in: 1...4, using: &random)).map { _ -> ClusterChange in
                let number = Int.random(in: 0..<12, using: &random)
                let service = Objects.randomService(number, &random)
                switch Int.random(in: 0..<8, using: &random) {
                case 0: return .deleted(service.id)
                case 1: return .deleted(Objects.randomSlice(number, 0, &random).id)
                case 2, 3: return .applied(service)
                case 4: return .applied(Objects.node(["east", "west", nil][number % 3]))
                case 5:
                    let block = CIDR(Scene.address(.ipv4, 0, 0), prefixLength: 8 + number)
                    return .applied(.serviceCIDR(ServiceCIDR(name: "range", cidrs: [block].compactMap { $0 })))
                default: return .applied(Objects.randomSlice(number, Int.random(in: 0...1, using: &random), &random))
                }
            }
            _ = try bench.reconciler.apply(changes)
            try #require(bench.differences() == [])
        }
        #expect(bench.kernel.observations == 1)
        #expect(try bench.reconciler.verify() == nil)
        #expect(try bench.reconciler.synchronize().transactions == 0)
    }

    @Test("A Service that goes together with a change of the own node is removed")
    func nodeAndDeletion() throws {
        let service = Objects.service("web")
        let bench = try Bench(synchronized: [service, Objects.slice("web", [1]), Objects.node("east")])
        _ = try bench.reconciler.apply([.applied(Objects.node("west")), Objects.delete(service)])
        #expect(bench.reconciler.desired.serviceCount == 0)
        #expect(bench.differences() == [])
    }

    @Test("A failed commit is followed by a full synchronization")
    func failedCommit() throws {
        let bench = try Bench(synchronized: [Objects.service("web"), Objects.slice("web", [1, 2])])
        bench.kernel.beforeCommit = { _ throws(SimulatedRefusal) in throw .injected }
        #expect(throws: SimulatedRefusal.injected) {
            try bench.reconciler.apply([.applied(Objects.slice("web", [1, 2, 3]))])
        }
        #expect(!bench.reconciler.isSynchronized)
        bench.kernel.beforeCommit = { _ in }
        #expect(bench.kernel.observations == 1)
        _ = try bench.reconciler.apply([.applied(Objects.slice("web", [2, 3, 4]))])
        #expect(bench.kernel.observations == 2)
        #expect(bench.differences() == [])
    }

    @Test("A change that meets a foreign edit fails, and the next look repairs both")
    func changeMeetsEdit() throws {
        let bench = try Bench(synchronized: [Objects.service("web"), Objects.slice("web", [1, 2])])
        bench.kernel.edit { $0[.ipv4].sets["backends"]?.elements = [:] }
        #expect(throws: SimulatedRefusal.self) { try bench.reconciler.apply([.applied(Objects.slice("web", [2]))]) }
        #expect(try bench.reconciler.verify() != nil)
        #expect(bench.differences() == [])
    }

    @Test("A change that changes no element commits nothing")
    func noChange() throws {
        let bench = try Bench(synchronized: [Objects.service("web"), Objects.slice("web", [1, 2])])
        #expect(try bench.reconciler.apply([.applied(Objects.slice("web", [2, 1]))]).transactions == 0)
        #expect(bench.kernel.commits.isEmpty)
    }

    @Test("Without a foreign commit verify does not look; with one it looks once")
    func verify() throws {
        let bench = try Bench(synchronized: [Objects.service("web"), Objects.slice("web", [1, 2])])
        _ = try bench.reconciler.apply([.applied(Objects.slice("web", [1, 2, 3]))])
        #expect(try bench.reconciler.verify() == nil)
        #expect(bench.kernel.observations == 1)
        bench.kernel.commitElsewhere()
        #expect(try bench.reconciler.verify()?.transactions == 0)
        #expect(try bench.reconciler.verify() == nil)
        #expect(bench.kernel.observations == 2)
    }

    @Test("A foreign edit right after the own commit of a synchronization is noticed")
    func editAfterSynchronization() throws {
        let bench = Bench()
        bench.reconciler.load([.applied(Objects.service("web"))])
        bench.kernel.beforeGeneration = { kernel in
            kernel.beforeGeneration = { _ in }
            kernel.edit { $0.tables[.ipv4] = nil }
        }
        _ = try bench.reconciler.synchronize()
        _ = try bench.reconciler.verify()
        #expect(bench.differences() == [])
    }

    @Test("A foreign edit right before the own commit of a change is noticed")
    func editBeforeCommit() throws {
        let bench = try Bench(synchronized: [Objects.service("web"), Objects.slice("web", [1, 2])])
        bench.kernel.beforeCommit = { kernel in
            kernel.beforeCommit = { _ in }
            kernel.edit { $0[.ipv4].sets["cluster-ips"]?.elements = [:] }
        }
        _ = try bench.reconciler.apply([.applied(Objects.slice("web", [1, 2, 3]))])
        #expect(try bench.reconciler.verify()?.counts.added == 1)
        #expect(bench.differences() == [])
    }

    @Test("A finding of a contested frontend goes with the contest, and never stands twice")
    func findings() throws {
        let old = Objects.service("a", created: "1")
        let bench = try Bench(synchronized: [old, Objects.service("b", created: "2")])
        func contested() -> [String] {
            bench.reconciler.desired.findings.filter { $0.code == "contested-frontend" }
                .map { "\($0.subject?.key.name ?? ""): \($0.message.contains("default/a") ? "a" : "b")" }
        }
        // One for each family.
        #expect(contested() == ["b: a", "b: a"])
        _ = try bench.reconciler.apply([.applied(Objects.service("c", created: "3"))])
        #expect(contested() == ["b: a", "b: a", "c: a", "c: a"])
        _ = try bench.reconciler.apply([Objects.delete(old)])
        #expect(contested() == ["c: b", "c: b"])
        _ = try bench.reconciler.apply([.applied(old)])
        #expect(contested() == ["b: a", "b: a", "c: a", "c: a"])
        _ = try bench.reconciler.apply([.applied(Objects.service("a", created: "1", clusterIP: 7))])
        #expect(contested() == ["c: b", "c: b"])
        _ = try bench.reconciler.apply([.applied(Objects.service("b", created: "2", clusterIP: 8))])
        #expect(contested() == [])
    }

    @Test("A Service's other findings stay when a contest is settled")
    func otherFindings() throws {
        let old = Objects.service("a", created: "1")
        let bench = try Bench(synchronized: [old, Objects.service("b", created: "2")])
        let before = bench.reconciler.desired.findings.filter { $0.code != "contested-frontend" }
        _ = try bench.reconciler.apply([Objects.delete(old)])
        let after = bench.reconciler.desired.findings
        #expect(after == before.filter { $0.subject?.key.name == "b" })
        #expect(!after.isEmpty)
    }
}
