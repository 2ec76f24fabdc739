import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import ServiceDataplane
import ServicePolicy
import Testing

@Suite("Pools of more than 64 endpoints")
struct GrowthTests {
    @Test("Sets, chains and rules come before the elements that use them, in a transaction of their own")
    func order() throws {
        var fixture = try Fixture()
        #expect(fixture.dataplane.largestExponent == 6)
        var dataplane = fixture.dataplane
        let service = Scene.service("web", Scene.port(.ipv4, cluster: Array(1...65)))
        let delta = dataplane.update([(service.key, service)])
        #expect(dataplane.largestExponent == 7)
        let transactions = dataplane.transactions(for: delta, previous: fixture.dataplane.provision)
        try #require(transactions.count == 2)
        #expect(transactions[0].changesStructure && !transactions[0].changesElements)
        #expect(!transactions[1].changesStructure && transactions[1].changesElements)
        let kinds = transactions[0].steps.map { step -> Int in
            switch step.operation {
            case .addSet: 0
            case .addChain: 1
            case .setRules: 2
            case .addElements: 3
            default: 9
            }
        }
        let ipv4 = zip(kinds, transactions[0].steps).filter { $0.1.family == .ipv4 }.map(\.0)
        #expect(ipv4 == ipv4.sorted() && Set(kinds) == [0, 1, 2])
        try fixture.put(service)
        #expect(fixture.ruleset[.ipv4].sets["services-128"]?.elements.count == 1)
        #expect(fixture.ruleset[.ipv6].sets["services-128"] != nil)
    }

    @Test("What has grown is the same as what was made in that size")
    func structure() throws {
        var fixture = try Fixture()
        try fixture.put(Scene.service("web", Scene.port(.ipv4, cluster: Array(1...200))))
        for family in IPFamily.allCases {
            let schema = TableSchema(family: family, options: DataplaneOptions(), largestExponent: 8)
            #expect(Set(fixture.ruleset[family].sets.values.map(\.declaration)) == Set(schema.sets))
            #expect(Set(fixture.ruleset[family].chains.values) == Set(schema.chains))
        }
    }

    @Test("A pool that shrinks goes back to its class, and the larger sets stay for the next one")
    func shrink() throws {
        var fixture = try Fixture()
        try fixture.put(Scene.service("web", Scene.port(.ipv4, cluster: Array(1...100))))
        try fixture.put(Scene.service("web", Scene.port(.ipv4, cluster: [100])))
        #expect(fixture.elements()["services-128"] == nil)
        #expect(fixture.elements()["services-1"]?.count == 1)
        #expect(fixture.elements()["endpoints"] == ["10.0.0.1 . tcp . 80 . 0 : 10.0.1.100 . 8080"])
        #expect(fixture.dataplane.largestExponent == 7)
    }

    @Test("A local pool that is larger than the cluster pool is provided for")
    func localPool() throws {
        var port = Scene.port(.ipv4, cluster: [1], local: Array(1...70))
        port.internalPolicy = .local
        var fixture = try Fixture()
        try fixture.put(Scene.service("web", port))
        #expect(fixture.elements()["services-128"]?.count == 1)
        #expect(fixture.elements()["endpoints"]?.count == 70)
    }

    @Test("A plan that grows on its way makes the sets first")
    func plan() throws {
        var dataplane = Dataplane(options: DataplaneOptions())
        var planner = Planner(dataplane, observed: [:], limit: 50)
        var ruleset = SimulatedRuleset()
        var transactions = 0
        for (number, count) in [3, 60, 70, 10, 300].enumerated() {
            let service = Scene.service(
                "s\(number)", Scene.port(.ipv6, clusterIP: number + 1, cluster: Array(1...count)))
            planner.take(dataplane.update([(service.key, service)]), of: dataplane)
            for transaction in planner.drain() {
                try ruleset.apply(transaction)
                transactions += 1
            }
        }
        planner.finish(dataplane)
        for transaction in planner.drain() { try ruleset.apply(transaction) }
        #expect(transactions > 1)
        #expect(ruleset.elements(.ipv6, "endpoints").count == 443)
        #expect(ruleset[.ipv6].sets["services-512"]?.elements.count == 1)
        #expect(ruleset[.ipv4].chains.count == dataplane.schema(.ipv4).chains.count)
    }

    @Test("The size class that tables provide for is read from the names of their sets")
    func provided() {
        #expect(Dataplane.largestExponent(providedBy: []) == 6)
        #expect(Dataplane.largestExponent(providedBy: [["services-64"], ["services-256", "other"]]) == 8)
        #expect(Dataplane.largestExponent(providedBy: [["services-1000", "nodeports-512"]]) == 6)
    }
}
