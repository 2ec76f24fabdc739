import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import ServiceDataplane
import ServicePolicy
import Testing

@Suite("Changes, one after the other: what holds for all of them")
struct DataplanePropertyTests {
    /// A cluster that changes by chance, and the tables that follow it.
    private struct Run {
        var services: RandomServices
        var fixture: Fixture
        var current: [ObjectKey: ResolvedService] = [:]

        /// - Parameter isDirect: whether Services have direct return: few, for each frontend has thousands of slots.
        init(seed: UInt64, isDirect: Bool = false) throws {
            services = RandomServices(
                seed: seed, count: isDirect ? 4 : 9, mostEndpoints: isDirect ? 6 : 100, directReturn: isDirect)
            fixture = try Fixture()
        }

        /// Changes of one Service or of several at once.
        mutating func change(atMost limit: Int) -> [(key: ObjectKey, resolved: ResolvedService?)] {
            (0..<Int.random(in: 1...limit, using: &services.random)).map { _ in
                let key = services.key()
                switch (Int.random(in: 0..<10, using: &services.random), current[key]) {
                case (0, _), (1, _): current[key] = nil
                case (2...5, let old?): current[key] = services.change(old)
                default: current[key] = services.service(key)
                }
                return (key, current[key])
            }
        }

        /// The tables of the same Services from nothing.
        mutating func fresh() throws -> SimulatedRuleset {
            var fresh = try Fixture()
            let all = current.values.sorted { $0.key < $1.key }.shuffled(using: &services.random)
            try fresh.update(all.map { ($0.key, $0) })
            return fresh.ruleset
        }
    }

    @Test("After each step the kernel holds what a fresh computation gives", arguments: UInt64(1)...5)
    func incremental(seed: UInt64) async throws {
        var run = try Run(seed: seed)
        for step in 0..<60 {
            await Task.yield()
            try run.fixture.update(run.change(atMost: 4))
            let fresh = try run.fresh()
            for family in IPFamily.allCases {
                let difference = TableComparison.difference(run.fixture.ruleset[family], fresh[family], family)
                try #require(difference == [], "seed \(seed), step \(step)")
                try #require(
                    TableComparison.badPools(run.fixture.ruleset[family], family) == [], "seed \(seed), step \(step)")
            }
        }
    }

    @Test("With direct return, too: who had a slot before may differ, and the same Services once more change nothing")
    func direct() async throws {
        var run = try Run(seed: 1, isDirect: true)
        var (frontends, moves) = (0, 0)
        for step in 0..<16 {
            await Task.yield()
            try run.fixture.update(run.change(atMost: 2))
            let fresh = try run.fresh()
            for family in IPFamily.allCases {
                let table = run.fixture.ruleset[family]
                try #require(TableComparison.difference(table, fresh[family], family) == [], "step \(step)")
                try #require(TableComparison.badDirectSlots(table, family) == [], "step \(step)")
                frontends += table.sets["direct-frontends"]?.elements.count ?? 0
                moves += table.sets["direct-earlier"]?.elements.count ?? 0
            }
            #expect(try run.fixture.update(run.current.map { ($0.key, $0.value) }).isEmpty, "step \(step)")
        }
        #expect(frontends > 8 && moves > 0, "\(frontends), \(moves)")
        try run.fixture.update(run.current.keys.map { (key: $0, resolved: ResolvedService?.none) })
        #expect(run.fixture.elements(.ipv4) == [:] && run.fixture.elements(.ipv6) == [:])
    }

    @Test("A change of one Service touches only keys of that Service", arguments: UInt64(1)...5)
    func locality(seed: UInt64) async throws {
        var run = try Run(seed: seed)
        for _ in 0..<100 {
            await Task.yield()
            let before = run.current
            guard let change = run.change(atMost: 1).first else { continue }
            let own = [before[change.key], change.resolved].compactMap { $0 }
            let delta = try run.fixture.update([change])
            for family in IPFamily.allCases {
                let table = delta.tables[family]
                let allowed = Self.keys(of: own, family)
                for elements in [table.added, table.removed] {
                    for element in elements.flatMap(\.value) {
                        #expect(allowed.contains { Self.isPrefix($0, of: element.key) })
                    }
                }
            }
        }
    }

    @Test("The same Service once more changes nothing", arguments: UInt64(1)...5)
    func idempotence(seed: UInt64) async throws {
        var run = try Run(seed: seed)
        for _ in 0..<30 {
            await Task.yield()
            try run.fixture.update(run.change(atMost: 3))
            #expect(try run.fixture.update(run.current.map { ($0.key, $0.value) }).isEmpty)
        }
        let gone = run.current.keys.map { (key: $0, resolved: ResolvedService?.none) }
        try run.fixture.update(gone)
        #expect(run.fixture.elements(.ipv4) == [:] && run.fixture.elements(.ipv6) == [:])
    }

    // MARK: Keys

    private static func keys(of services: [ResolvedService], _ family: IPFamily) -> [[UInt32]] {
        var result: [[UInt32]] = []
        for port in services.flatMap(\.ports) where port.family == family {
            for frontend in port.frontends {
                let key = Scene.frontend(frontend.address, frontend.port, port.transport)
                result.append(words(key))
                if let address = frontend.address { result.append(words { $0.append(address) }) }
            }
            for backend in port.usable { result.append(words { $0.append(backend.address) }) }
        }
        return result
    }

    private static func words(_ fill: (inout KeyBuilder) -> Void) -> [UInt32] {
        var key = KeyBuilder()
        fill(&key)
        return words(key)
    }

    private static func words(_ key: KeyBuilder) -> [UInt32] {
        stride(from: 0, to: key.count, by: 4).map { key.key[$0] }
    }

    private static func isPrefix(_ words: [UInt32], of key: ElementKey) -> Bool {
        words.enumerated().allSatisfy { key[$0.offset * 4] == $0.element }
    }
}
