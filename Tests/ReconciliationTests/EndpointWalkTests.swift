import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import ServiceDataplane
import ServicePolicy
import Testing

@testable import Reconciliation

@Suite("Changes of slices alone: the same as those of whole Services")
struct EndpointWalkTests {
    /// Two reconcilers over the same objects: one takes changes of slices by themselves where it can, one never.
    private struct Twins {
        let own = Self.bench(smallestRoster: 0)
        let whole = Self.bench(smallestRoster: .max)

        private static func bench(smallestRoster: Int) -> Bench {
            var desired = Bench.desired()
            desired.smallestRoster = smallestRoster
            return Bench(desired: desired)
        }

        init(_ objects: [ClusterObject]) throws {
            for bench in [own, whole] {
                bench.reconciler.load(objects.map { .applied($0) })
                _ = try bench.reconciler.synchronize()
            }
        }

        /// Applies changes to both and says what differs then.
        func apply(_ changes: [ClusterChange]) throws -> [String] {
            let (left, right) = (try own.reconciler.apply(changes), try whole.reconciler.apply(changes))
            var result: [String] = []
            for family in IPFamily.allCases where own.kernel.ruleset[family] != whole.kernel.ruleset[family] {
                result.append("tables of \(family)")
            }
            if left.counts != right.counts { result.append("\(left.counts) elements, not \(right.counts)") }
            let flows = EndpointWalk.flows.filter { left.staleFlows.contains($0) != right.staleFlows.contains($0) }
            if let flow = flows.first { result.append("\(flows.count) flows, one of them \(flow)") }
            if left.staleFlows.saysNothing != right.staleFlows.saysNothing { result.append("what is said of flows") }
            if left.staleFlows.filters != right.staleFlows.filters { result.append("looks for flows") }
            if own.reconciler.takeStaleClients() != whole.reconciler.takeStaleClients() { result.append("clients") }
            if own.reconciler.desired.findings != whole.reconciler.desired.findings { result.append("findings") }
            let checks = (own.reconciler.takeChangedHealthChecks(), whole.reconciler.takeChangedHealthChecks())
            if checks.0 != checks.1 { result.append("health checks") }
            let gaps = (own.reconciler.desired.ledger.localGaps, whole.reconciler.desired.ledger.localGaps)
            if gaps.0.filter({ $1 != 0 }) != gaps.1.filter({ $1 != 0 }) { result.append("local gaps") }
            for key in own.reconciler.desired.cluster.serviceKeys
            where own.reconciler.desired.dataplane.resolved(key) != whole.reconciler.desired.dataplane.resolved(key) {
                result.append("what is known of \(key)")
            }
            return result
        }
    }

    @Test(
        "After each change tables, flows, clients and findings are those of a whole computation",
        arguments: UInt64(1)...12)
    func walk(seed: UInt64) async throws {
        var walk = EndpointWalk(seed: seed)
        let twins = try Twins(walk.cluster())
        var taken = 0
        for step in 0..<120 {
            await Task.yield()
            let changes = walk.step()
            let rosters = Set(twins.own.reconciler.desired.rosters.keys)
            try #require(try twins.apply(changes) == [], "seed \(seed), step \(step)")
            // What a process that starts now would change.
            if step % 10 == 0 { try #require(try twins.own.plan().isEmpty, "seed \(seed), step \(step)") }
            // Who has its roster still has not been resolved as a whole.
            let touched = Set(changes.compactMap(walk.owner))
            taken += rosters.intersection(touched).intersection(twins.own.reconciler.desired.rosters.keys).count
        }
        #expect(twins.whole.reconciler.desired.rosters.isEmpty)
        #expect(taken > 30, "too few changes were of slices alone: \(taken)")
        // One at the start, and those of the plans.
        #expect(twins.own.kernel.observations == 1 + 12 && twins.whole.kernel.observations == 1)
        for bench in [twins.own, twins.whole] {
            #expect(try bench.reconciler.synchronize().transactions == 0)
        }
    }

    @Test("A Service of 3,000 endpoints: one that is replaced is resolved by itself, and moves one slot")
    func large() throws {
        let objects = [Objects.service("web")] + (0..<30).map { part in Self.slice(part, replacing: nil) }
        let bench = try Bench(synchronized: objects)
        func replace(_ number: Int) throws -> SyncReport {
            try bench.reconciler.apply([.applied(Self.slice(number, replacing: number))])
        }
        _ = try replace(3)
        #expect(bench.reconciler.desired.rosters.count == 1)
        for number in 4..<9 {
            let report = try replace(number)
            // The slot is removed and added, as are the endpoint and the one before.
            #expect(report.counts.added == 2 && report.counts.removed == 2)
            #expect(bench.reconciler.desired.rosters.count == 1)
        }
        #expect(bench.differences() == [])
    }

    @Test("A Service that grows slice by slice gets the size classes that it needs, and shrinks again")
    func growth() throws {
        let objects = [Objects.service("web")] + (0..<2).map { Self.slice($0, replacing: nil) }
        let bench = try Bench(synchronized: objects)
        for part in 2..<14 {
            _ = try bench.reconciler.apply([.applied(Self.slice(part, replacing: nil))])
            #expect(bench.reconciler.desired.rosters.count == 1)
        }
        #expect(bench.differences() == [])
        for part in 3..<14 { _ = try bench.reconciler.apply([Objects.delete(Self.slice(part, replacing: nil))]) }
        #expect(bench.reconciler.desired.rosters.count == 1)
        #expect(bench.differences() == [])
        #expect(bench.kernel.observations == 1)
    }

    @Test("Under direct return, whose slots are dealt to all endpoints, the Service is always resolved as a whole")
    func directReturn() throws {
        var service = Service(key: Scene.key("web"))
        service.clusterIPs = [Scene.address(.ipv4, 0, 1)]
        service.externalIPs = [Scene.address(.ipv4, 2, 1)]
        service.ports = [ServicePort(port: 80)]
        service.annotations[Service.externalTrafficAnnotation] = Service.directReturn
        let bench = try Bench(synchronized: [.service(service), Self.slice(0, replacing: nil)])
        for number in 1...2 {
            _ = try bench.reconciler.apply([.applied(Self.slice(0, replacing: number))])
            #expect(bench.reconciler.desired.rosters.isEmpty)
        }
        #expect(try bench.plan().isEmpty)
    }

    /// A hundred endpoints.
    private static func slice(_ part: Int, replacing change: Int?) -> ClusterObject {
        var slice = EndpointSlice(key: Scene.key("web-\(part)"), serviceName: "web", addressFamily: .ipv4)
        slice.ports = [EndpointPort(port: 8080)]
        slice.endpoints = (0..<100).map { index in
            let number = index == 50 ? change.map { 60_000 + $0 } ?? part * 100 + index : part * 100 + index
            return Endpoint(address: .v4(IPv4Address(rawValue: 0x0A80_0000 + UInt32(number))), nodeName: "there")
        }
        return .endpointSlice(slice)
    }
}
