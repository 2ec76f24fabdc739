import KubernetesModel
import Netfilter
import NetworkTypes
import Reconciliation
import ServiceDataplane
import ServicePolicy
import Testing

/// When looks at the table are taken, and what becomes of failures.
@Suite struct FlowCleanerTests {
    private struct Refusal: Error {}

    /// A table of flows that fails as often as it is told to.
    private final class Table: FlowTable {
        var flows: Set<TrackedFlow> = []
        var failures = 0
        var busy = 0
        private(set) var looks = 0
        /// Called between reading and deleting.
        var between: () -> Void = {}

        func remove(
            _ filter: FlowFilter, where isStale: (TrackedFlow) -> Bool, settle: () -> Bool
        ) throws(Refusal) -> FlowRemoval {
            looks += 1
            if failures > 0 {
                failures -= 1
                throw Refusal()
            }
            var removal = FlowRemoval()
            let found = flows.filter { filter.matches($0) && isStale($0) }
            between()
            guard found.isEmpty || settle() else {
                removal.refused = found.count
                return removal
            }
            for flow in found where isStale(flow) {
                if busy > 0 {
                    busy -= 1
                    removal.refused += 1
                } else {
                    flows.remove(flow)
                    removal.deleted += 1
                }
            }
            return removal
        }
    }

    private static let frontend = IPAddress.v4(IPv4Address(rawValue: 1))
    private static func endpoint(_ number: UInt32) -> IPAddress { .v4(IPv4Address(rawValue: number)) }

    private static func flow(to endpoint: UInt32) -> TrackedFlow {
        TrackedFlow(
            .udp, from: self.endpoint(900), 1000, to: frontend, 53, target: self.endpoint(endpoint), 53)
    }

    /// What a change from one endpoint to another makes stale.
    private static func change(from old: UInt32, to new: UInt32) -> StaleFlows { change(from: [old], to: [new]) }

    private static func change(from old: [UInt32], to new: [UInt32]) -> StaleFlows {
        var dataplane = Dataplane(options: DataplaneOptions())
        let key = ObjectKey(namespace: "default", name: "dns")
        var flows = StaleFlows()
        for numbers in [old, new] {
            var port = ResolvedServicePort(name: "", transport: .udp, family: .ipv4)
            port.frontends = [Frontend(kind: .clusterIP, address: frontend, port: 53)]
            port.usable = numbers.map { Backend(address: endpoint($0), port: 53) }
            port.clusterPool = port.usable
            flows = dataplane.update([(key, ResolvedService(key: key, ports: [port]))]).effects.staleFlows
        }
        return flows
    }

    private let table = Table()
    private let start = ContinuousClock.now

    private func makeCleaner() -> FlowCleaner<Table> { FlowCleaner { [table] () throws(Refusal) in table } }

    @Test("looks at once, and again a second later until nothing is found")
    func secondLook() {
        let cleaner = makeCleaner()
        table.flows = [Self.flow(to: 11), Self.flow(to: 12)]
        _ = cleaner.remove(Self.change(from: 11, to: 12), at: start)
        #expect(table.flows == [Self.flow(to: 12)])
        #expect(cleaner.tick(at: start + .milliseconds(900)) == nil)
        // A packet was under way.
        table.flows.insert(Self.flow(to: 11))
        #expect(cleaner.tick(at: start + .seconds(1)) != nil)
        #expect(table.flows == [Self.flow(to: 12)])
        #expect(cleaner.tick(at: start + .seconds(2)) != nil)
        #expect(cleaner.tick(at: start + .seconds(9)) == nil)
        #expect(table.looks == 3)
        #expect(cleaner.deleted == [.ipv4: 2])
    }

    @Test("somebody who makes stale flows all the time is followed more rarely, not left")
    func bounded() {
        let cleaner = makeCleaner()
        _ = cleaner.remove(Self.change(from: 11, to: 12), at: start)
        for second in 1...29 {
            table.flows.insert(Self.flow(to: 11))
            _ = cleaner.tick(at: start + .seconds(second))
        }
        #expect(table.looks == 5)
        #expect(cleaner.isContested)
        // Half a minute later, and that is the end of it.
        _ = cleaner.tick(at: start + .seconds(34))
        #expect(table.flows == [])
        _ = cleaner.tick(at: start + .seconds(64))
        #expect(!cleaner.isContested)
        #expect(cleaner.tick(at: start + .seconds(3600)) == nil)
        #expect(table.looks == 7)
    }

    @Test("an endpoint that comes back between two looks keeps its new flows")
    func comesBack() {
        let cleaner = makeCleaner()
        _ = cleaner.remove(Self.change(from: [11, 12], to: [12]), at: start)
        // More endpoints than before make no flow stale.
        let growth = Self.change(from: [12], to: [11, 12])
        #expect(growth.isEmpty)
        #expect(cleaner.remove(growth, at: start + .milliseconds(500)) == nil)
        table.flows = [Self.flow(to: 11), Self.flow(to: 12), Self.flow(to: 13)]
        _ = cleaner.tick(at: start + .seconds(1))
        #expect(table.flows == [Self.flow(to: 11), Self.flow(to: 12)])
    }

    @Test("a look that is overtaken by a commit judges by the commit, and is followed by another one at once")
    func overtaken() {
        var news = StaleFlows()
        let cleaner = FlowCleaner<Table> { [table] () throws(Refusal) in
            table
        } news: {
            defer { news = StaleFlows() }
            return news
        }
        table.flows = [Self.flow(to: 11), Self.flow(to: 12), Self.flow(to: 13)]
        table.between = { news = Self.change(from: [12], to: [11]) }
        _ = cleaner.remove(Self.change(from: [11], to: [12]), at: start)
        // 11 was found stale, and was not when it came to it. 12 had been passed over.
        #expect(table.flows == [Self.flow(to: 11), Self.flow(to: 12)])
        table.between = {}
        #expect(cleaner.tick(at: start) != nil)
        #expect(table.flows == [Self.flow(to: 11)])
    }

    @Test("while a commit is under way nothing is deleted")
    func underWay() {
        var isUnderWay = true
        let cleaner = FlowCleaner<Table> { [table] () throws(Refusal) in
            table
        } news: {
            isUnderWay ? nil : StaleFlows()
        }
        table.flows = [Self.flow(to: 11)]
        _ = cleaner.remove(Self.change(from: 11, to: 12), at: start)
        #expect(table.flows == [Self.flow(to: 11)])
        isUnderWay = false
        _ = cleaner.tick(at: start + .seconds(1))
        #expect(table.flows == [])
    }

    @Test("nothing to look for, no look")
    func nothing() {
        let cleaner = makeCleaner()
        #expect(cleaner.remove(StaleFlows(), at: start) == nil)
        #expect(cleaner.tick(at: start + .seconds(60)) == nil)
        #expect(table.looks == 0)
    }

    @Test("a failure is tried again, later each time", arguments: [false, true])
    func failure(isBusy: Bool) {
        let cleaner = makeCleaner()
        table.flows = [Self.flow(to: 11)]
        if isBusy { table.busy = 2 } else { table.failures = 2 }
        _ = cleaner.remove(Self.change(from: 11, to: 12), at: start)
        #expect(cleaner.tick(at: start + .milliseconds(900)) == nil)
        _ = cleaner.tick(at: start + .seconds(1))
        #expect(cleaner.tick(at: start + .milliseconds(2900)) == nil)
        #expect(table.flows == [Self.flow(to: 11)])
        _ = cleaner.tick(at: start + .seconds(3))
        #expect(table.flows == [])
    }

    @Test("a change after a failure takes along what was not done, and has the last word")
    func afterFailure() {
        let cleaner = makeCleaner()
        table.flows = [Self.flow(to: 11), Self.flow(to: 12), Self.flow(to: 13)]
        table.failures = 1
        _ = cleaner.remove(Self.change(from: 11, to: 12), at: start)
        _ = cleaner.remove(Self.change(from: 12, to: 13), at: start)
        #expect(table.flows == [Self.flow(to: 13)])
        _ = cleaner.tick(at: start + .seconds(1))
        #expect(table.flows == [Self.flow(to: 13)])
    }
}
