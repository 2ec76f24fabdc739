import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import ServiceDataplane
import ServicePolicy
import Testing

@Suite("Plans from what the kernel has")
struct PlannerTests {
    private func plan(
        _ services: [ResolvedService], options: DataplaneOptions = DataplaneOptions(),
        from observed: [IPFamily: ObservedTable] = [:], limit: Int = 1000, node: NodeData = NodeData(),
        keeping: Bool = false
    ) -> [Transaction] {
        var dataplane = Dataplane(options: options)
        var planner = Planner(dataplane, observed: observed, limit: limit)
        var result: [Transaction] = []
        var layout = RecoveredLayout(observed)
        for service in services {
            var group = planner.beginGroup()
            _ = dataplane.update([(service.key, service)], recovering: &layout, into: &group)
            planner.take(group, of: dataplane)
            result += planner.drain()
        }
        planner.take(dataplane.setNode(node), of: dataplane)
        planner.finish(dataplane) { _, _, _ in keeping }
        return result + planner.drain()
    }

    private func observed(_ kernel: SimulatedKernel, _ options: DataplaneOptions = DataplaneOptions()) throws
        -> [IPFamily: ObservedTable]
    {
        try kernel.observe(tableName: "fairlead", guesses: ElementGuesses()) { _ in
            IPFamily.allCases.map { TableSchema(family: $0, options: options) }
        }.tables
    }

    private let services = (1...30).map { number in
        Scene.service("s\(number)", Scene.port(.ipv4, clusterIP: number, cluster: Array(1...10)))
    }

    @Test("A load in many transactions leaves every Service whole after each of them")
    func wholeServices() throws {
        let kernel = SimulatedKernel()
        let transactions = plan(services, limit: 40)
        #expect(transactions.count > 5)
        for transaction in transactions {
            try kernel.commit(transaction, expecting: nil)
            let frontends = kernel.ruleset.elements(.ipv4, "services-16").count
            #expect(kernel.ruleset.elements(.ipv4, "endpoints").count == frontends * 10)
        }
        #expect(kernel.ruleset.elements(.ipv4, "services-16").count == 30)
        #expect(plan(services, from: try observed(kernel), limit: 40).isEmpty)
    }

    @Test(
        "A range that overlaps with those that the kernel has takes their place at once",
        arguments: [
            (["10.1.0.0/16", "10.3.0.0/16"], "10.0.0.0/8"), (["10.0.0.0/8"], "10.1.0.0/16"),
            (["10.0.0.0/16"], "10.0.0.0/8"), (["10.0.0.0/8"], "10.0.0.0/16"), (["0.0.0.0/0"], "255.255.255.255/32"),
        ], [true, false])
    func overlappingRanges(_ change: (before: [String], after: String), keeping: Bool) throws {
        let kernel = SimulatedKernel()
        var node = NodeData()
        node.clusterCIDRs = change.before.compactMap { CIDR($0) }
        node.serviceCIDRs = node.clusterCIDRs
        for transaction in plan([], node: node) { try kernel.commit(transaction, expecting: nil) }
        node.clusterCIDRs = [try #require(CIDR(change.after))]
        node.serviceCIDRs = node.clusterCIDRs
        // Many transactions: the removals that nothing stands for come in the last one, or never.
        let transactions = plan(services, from: try observed(kernel), limit: 40, node: node, keeping: keeping)
        #expect(transactions.count > 1)
        for transaction in transactions { try kernel.commit(transaction, expecting: nil) }
        let set = try #require(kernel.ruleset[.ipv4].sets["cluster-cidrs"])
        let text = set.elements.values.map { set.declaration.text(of: $0, .ipv4) }
        #expect(text == [change.after.replacing("/32", with: "")])
        #expect(kernel.ruleset.elements(.ipv4, "service-cidrs").count == 1)
    }

    @Test("Chains and sets of others go: first what uses, then what is used")
    func foreignStructure() throws {
        let kernel = SimulatedKernel()
        for transaction in plan(services) { try kernel.commit(transaction, expecting: nil) }
        let clean = kernel.ruleset
        kernel.edit { ruleset in
            let set = SetDeclaration(SetID(9000), "foreign", key: [.sourceAddress])
            ruleset[.ipv4].sets["foreign"] = SimulatedSet(set)
            ruleset[.ipv4].chains["a-foreign"] = Chain("a-foreign", rules: [[.goto("z-foreign")]])
            ruleset[.ipv4].chains["z-foreign"] = Chain(
                "z-foreign", rules: [[.lookup([.sourceAddress], set: "foreign")]])
            ruleset[.ipv4].chains["refuse"]?.rules = [[.jump("a-foreign")]]
        }
        for transaction in plan(services, from: try observed(kernel)) { try kernel.commit(transaction, expecting: nil) }
        #expect(kernel.ruleset == clean)
    }

    @Test("Slots that the kernel has are kept, in whatever order they stand")
    func keptSlots() throws {
        let kernel = SimulatedKernel()
        var fixture = try Fixture()
        for last in [3, 9, 5] {
            try fixture.put(Scene.service("s1", Scene.port(.ipv4, clusterIP: 1, cluster: [1, 2, last, last + 1])))
        }
        try fixture.put(Scene.service("s1", Scene.port(.ipv4, clusterIP: 1, cluster: [2, 5, 6])))
        let state = fixture.ruleset
        kernel.edit { $0 = state }
        let service = Scene.service("s1", Scene.port(.ipv4, clusterIP: 1, cluster: [2, 5, 6]))
        #expect(fixture.slots(Scene.frontend(Scene.address(.ipv4, 0, 1), 80)).count == 3)
        #expect(plan([service], from: try observed(kernel)).isEmpty)
    }
}
