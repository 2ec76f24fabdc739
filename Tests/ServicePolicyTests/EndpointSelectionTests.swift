import KubernetesModel
import NetworkTypes
import ServicePolicy
import Testing

@Suite("Which endpoints: conditions and place")
struct EndpointSelectionTests {
    struct ConditionRow {
        var ready: Bool
        var serving: Bool
        var terminating: Bool
        var isUsable: Bool
    }

    static let conditions = [
        ConditionRow(ready: true, serving: true, terminating: false, isUsable: true),
        ConditionRow(ready: true, serving: false, terminating: false, isUsable: true),
        ConditionRow(ready: true, serving: true, terminating: true, isUsable: true),
        ConditionRow(ready: true, serving: false, terminating: true, isUsable: true),
        ConditionRow(ready: false, serving: true, terminating: true, isUsable: true),
        ConditionRow(ready: false, serving: true, terminating: false, isUsable: false),
        ConditionRow(ready: false, serving: false, terminating: true, isUsable: false),
        ConditionRow(ready: false, serving: false, terminating: false, isUsable: false),
    ]

    @Test("A lone endpoint is used if it is ready, or serves while it terminates", arguments: conditions)
    func loneEndpoint(row: ConditionRow) {
        for family in Scenario.families {
            var endpoint = Endpoint.make(family, 1, on: "here")
            endpoint.isReady = row.ready
            endpoint.isServing = row.serving
            endpoint.isTerminating = row.terminating
            let selection = Scenario(family, endpoint).selection
            let expected = row.isUsable ? Scenario.backends(family, [1]) : []
            #expect(selection.clusterPool == expected)
            #expect(selection.localPool == expected)
            #expect(selection.usable == expected)
            #expect(selection.hairpinAddresses == expected.map(\.address))
        }
    }

    struct FallbackRow: CustomTestStringConvertible {
        var rule: String
        var here: Endpoint.Life?
        var there: Endpoint.Life?
        var cluster: [Int]
        var local: [Int]
        var usable: [Int]
        var testDescription: String { rule }
    }

    /// Number 1 is on this node, number 2 on another.
    static let fallbacks = [
        FallbackRow(rule: "all ready", here: .ready, there: .ready, cluster: [1, 2], local: [1], usable: [1, 2]),
        FallbackRow(
            rule: "the local pool falls back although a remote endpoint is ready", here: .terminatingServing,
            there: .ready, cluster: [2], local: [1], usable: [1, 2]),
        FallbackRow(
            rule: "the cluster pool does not fall back while anything is ready", here: .ready,
            there: .terminatingServing, cluster: [1], local: [1], usable: [1, 2]),
        FallbackRow(
            rule: "both fall back when nothing is ready", here: .terminatingServing, there: .terminatingServing,
            cluster: [1, 2], local: [1], usable: [1, 2]),
        FallbackRow(
            rule: "a silent terminating endpoint is no fallback", here: .terminatingSilent, there: .notReady,
            cluster: [],
            local: [], usable: []),
        FallbackRow(
            rule: "without a local endpoint the local pool is empty", here: nil, there: .ready, cluster: [2], local: [],
            usable: [2]),
        FallbackRow(
            rule: "a local endpoint that is not ready leaves the local pool empty", here: .notReady, there: .ready,
            cluster: [2], local: [], usable: [2]),
    ]

    @Test("Serving terminating endpoints are the fallback, for each pool on its own", arguments: fallbacks)
    func fallback(row: FallbackRow) {
        for family in Scenario.families {
            var scenario = Scenario(family)
            if let life = row.here { scenario.slices[0].endpoints.append(.make(family, 1, life, on: "here")) }
            if let life = row.there { scenario.slices[0].endpoints.append(.make(family, 2, life, on: "there")) }
            #expect(scenario.selection.clusterPool == Scenario.backends(family, row.cluster))
            #expect(scenario.selection.localPool == Scenario.backends(family, row.local))
            #expect(scenario.selection.usable == Scenario.backends(family, row.usable))
        }
    }

    @Test("Hairpin addresses are those of usable endpoints on this node or on none", arguments: Scenario.families)
    func hairpin(family: IPFamily) {
        let scenario = Scenario(
            family, .make(family, 1, on: "here"), .make(family, 2, on: nil), .make(family, 3, on: "there"),
            .make(family, 4, .notReady, on: "here"), .make(family, 5, .terminatingServing, on: "here"),
            .make(family, 6, on: ""))
        #expect(scenario.selection.hairpinAddresses == [1, 2, 5, 6].map { Scenario.address(family, $0) })
        #expect(scenario.selection.localPool == Scenario.backends(family, [1]))
    }

    @Test("An endpoint without a node is local to no node, not even to one without a name")
    func namelessNode() {
        let scenario = Scenario(.ipv4, .make(.ipv4, 1, on: nil), .make(.ipv4, 2, on: ""))
        let selection = EndpointSelection(
            port: scenario.port, family: .ipv4, slices: scenario.slices, node: NodeContext(nodeName: ""))
        #expect(selection.localPool.isEmpty)
    }

    @Test("Two ports of one address make one hairpin address")
    func hairpinOnce() {
        var scenario = Scenario(.ipv4, .make(.ipv4, 1, on: "here"))
        scenario.slices.append(Scenario.slice(.ipv4, name: "web-2", [.make(.ipv4, 1, on: "here")]))
        scenario.slices[1].ports[0].port = 9090
        #expect(scenario.selection.usable.map(\.port) == [8080, 9090])
        #expect(scenario.selection.hairpinAddresses == [Scenario.address(.ipv4, 1)])
    }
}

@Suite("Which endpoints: hints")
struct HintTests {
    struct Row: CustomTestStringConvertible {
        var rule: String
        /// Number, zones and nodes of each ready endpoint.
        var endpoints: [(number: Int, zones: [String], nodes: [String])]
        var zone: String? = "east"
        var cluster: [Int]
        var testDescription: String { rule }
    }

    static let rows = [
        Row(rule: "zone hints for here are used", endpoints: [(1, ["east"], []), (2, ["west"], [])], cluster: [1]),
        Row(
            rule: "an endpoint may be meant for several zones",
            endpoints: [(1, ["west", "east"], []), (2, ["east"], []), (3, ["west"], [])], cluster: [1, 2]),
        Row(
            rule: "one ready endpoint without hints voids all", endpoints: [(1, ["east"], []), (2, [], [])],
            cluster: [1, 2]),
        Row(
            rule: "zone hints that never name this zone are ignored",
            endpoints: [(1, ["west"], []), (2, ["north"], [])],
            cluster: [1, 2]),
        Row(
            rule: "a node without a zone ignores zone hints", endpoints: [(1, ["east"], []), (2, ["west"], [])],
            zone: nil,
            cluster: [1, 2]),
        Row(
            rule: "an empty zone is no zone", endpoints: [(1, [""], []), (2, ["west"], [])], zone: "", cluster: [1, 2]),
        Row(rule: "node hints for here are used", endpoints: [(1, [], ["here"]), (2, [], ["there"])], cluster: [1]),
        Row(
            rule: "node hints go before zone hints",
            endpoints: [(1, ["east"], ["here"]), (2, ["east"], ["there"]), (3, ["west"], ["there"])], cluster: [1]),
        Row(
            rule: "without a node hint for here, zone hints decide",
            endpoints: [(1, ["east"], ["there"]), (2, ["west"], ["elsewhere"])], cluster: [1]),
        Row(
            rule: "with partial node hints, zone hints decide",
            endpoints: [(1, ["east"], []), (2, ["west"], ["here"])],
            cluster: [1]),
        Row(
            rule: "partial node hints alone are ignored", endpoints: [(1, [], ["here"]), (2, [], [])], cluster: [1, 2]),
    ]

    @Test("Hints narrow the cluster pool only if all ready endpoints have them", arguments: rows)
    func hints(row: Row) {
        for family in Scenario.families {
            var scenario = Scenario(family)
            scenario.slices[0].endpoints = row.endpoints.map {
                .make(family, $0.number, on: "there", forZones: $0.zones, forNodes: $0.nodes)
            }
            let node = NodeContext(nodeName: "here", zone: row.zone)
            let selection = EndpointSelection(
                port: scenario.port, family: family, slices: scenario.slices, node: node)
            #expect(selection.clusterPool == Scenario.backends(family, row.cluster))
            #expect(selection.usable == Scenario.backends(family, row.endpoints.map(\.number)))
        }
    }

    @Test("Hints never narrow the local pool", arguments: Scenario.families)
    func localPool(family: IPFamily) {
        let scenario = Scenario(
            family, .make(family, 1, on: "here", forZones: ["west"]), .make(family, 2, on: "there", forZones: ["east"]))
        #expect(scenario.selection.clusterPool == Scenario.backends(family, [2]))
        #expect(scenario.selection.localPool == Scenario.backends(family, [1]))
    }

    @Test("Hints never narrow the terminating fallback", arguments: Scenario.families)
    func fallback(family: IPFamily) {
        let scenario = Scenario(
            family, .make(family, 1, .terminatingServing, forZones: ["east"]),
            .make(family, 2, .terminatingServing, forZones: ["west"]))
        #expect(scenario.selection.clusterPool == Scenario.backends(family, [1, 2]))
    }

    @Test("Hints of endpoints that are not ready neither void nor satisfy the rule", arguments: Scenario.families)
    func onlyReadyCount(family: IPFamily) {
        let voiding = Scenario(
            family, .make(family, 1, forZones: ["east"]), .make(family, 2, forZones: ["west"]),
            .make(family, 3, .notReady), .make(family, 4, .terminatingServing))
        #expect(voiding.selection.clusterPool == Scenario.backends(family, [1]))
        let satisfying = Scenario(
            family, .make(family, 1, forZones: ["west"]), .make(family, 2, .notReady, forZones: ["east"]))
        #expect(satisfying.selection.clusterPool == Scenario.backends(family, [1]))
    }
}
