import DataplaneTestKit
import KubernetesModel
import NetworkTypes
import ServicePolicy
import Testing

@Suite("Which endpoints: what holds for all input")
struct EndpointPropertyTests {
    static let seeds = Array(UInt64(1)...40)

    /// Slices with few distinct addresses, so that duplicates, mixed conditions and hints meet often.
    static func randomSlices(_ family: IPFamily, _ random: inout SeededGenerator) -> [EndpointSlice] {
        let hintLevel = Int.random(in: 0...3, using: &random)
        return (0..<Int.random(in: 0...4, using: &random)).map { number in
            var slice = Scenario.slice(family, name: "web-\(number)", [])
            if Int.random(in: 0..<10, using: &random) == 0 { slice.isHeadless = true }
            if Int.random(in: 0..<10, using: &random) == 0 { slice.addressFamily = nil }
            if Int.random(in: 0..<10, using: &random) == 0 { slice.ports[0].name = "other" }
            if Int.random(in: 0..<4, using: &random) == 0 { slice.ports[0].port = 9090 }
            slice.endpoints = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                randomEndpoint(family, hintLevel: hintLevel, &random)
            }
            return slice
        }
    }

    private static func randomEndpoint(
        _ family: IPFamily, hintLevel: Int, _ random: inout SeededGenerator
    ) -> Endpoint {
        let node = ["here", "there", nil, ""][Int.random(in: 0..<4, using: &random)]
        var endpoint = Endpoint.make(family, Int.random(in: 1...12, using: &random), on: node)
        endpoint.isReady = Int.random(in: 0..<3, using: &random) > 0
        endpoint.isServing = Bool.random(using: &random)
        endpoint.isTerminating = Bool.random(using: &random)
        guard hintLevel > 0 else { return endpoint }
        let zones = [["east"], ["west"], ["west", "east"], []].prefix(hintLevel == 3 ? 3 : 4)
        let nodes = [["here"], ["there"], []].prefix(hintLevel == 2 ? 2 : 3)
        endpoint.hints = Endpoint.Hints(
            zones: zones.randomElement(using: &random) ?? [], nodes: nodes.randomElement(using: &random) ?? [])
        return endpoint
    }

    private func forEachCase(
        seed: UInt64, _ body: (Scenario, inout SeededGenerator) -> Void
    ) {
        var random = SeededGenerator(seed: seed)
        for family in Scenario.families {
            for _ in 0..<50 {
                var scenario = Scenario(family)
                scenario.slices = Self.randomSlices(family, &random)
                body(scenario, &random)
            }
        }
    }

    @Test("The order of slices and endpoints never matters", arguments: seeds)
    func orderIndependence(seed: UInt64) {
        forEachCase(seed: seed) { scenario, random in
            var shuffled = scenario
            shuffled.slices.shuffle(using: &random)
            for index in shuffled.slices.indices { shuffled.slices[index].endpoints.shuffle(using: &random) }
            #expect(shuffled.selection == scenario.selection)
        }
    }

    @Test("Pools are sorted, without duplicates, and parts of the usable endpoints", arguments: seeds)
    func poolShape(seed: UInt64) {
        forEachCase(seed: seed) { scenario, _ in
            let selection = scenario.selection
            for pool in [selection.clusterPool, selection.localPool, selection.usable] {
                #expect(pool == Set(pool).sorted())
                #expect(Set(pool).isSubset(of: selection.usable))
                #expect(pool.allSatisfy { $0.address.family == scenario.family })
            }
            #expect(selection.hairpinAddresses == Set(selection.hairpinAddresses).sorted())
            #expect(Set(selection.localPool.map(\.address)).isSubset(of: selection.hairpinAddresses))
            #expect(Set(selection.hairpinAddresses).isSubset(of: selection.usable.map(\.address)))
            #expect(selection.clusterPool.isEmpty == selection.usable.isEmpty)
        }
    }

    @Test("The explanation tells what the selection does", arguments: seeds)
    func explanationAgrees(seed: UInt64) {
        forEachCase(seed: seed) { scenario, _ in
            let selection = scenario.selection
            let explanations = scenario.explanations
            func backends(_ isMember: (EndpointExplanation) -> Bool) -> [Backend] {
                explanations.filter(isMember).compactMap { entry in
                    entry.port.map { Backend(address: entry.address, port: $0) }
                }.sorted()
            }
            #expect(explanations.count == scenario.slices.reduce(0) { $0 + $1.endpoints.count })
            #expect(backends { $0.cluster.isUsed } == selection.clusterPool)
            #expect(backends { $0.local.isUsed } == selection.localPool)
            #expect(backends(\.isUsable) == selection.usable)
        }
    }

    @Test("A second, naive reading of the rules comes to the same pools", arguments: seeds)
    func naiveReading(seed: UInt64) {
        forEachCase(seed: seed) { scenario, _ in
            let expected = NaiveSelection(scenario)
            #expect(Set(scenario.selection.clusterPool) == expected.cluster)
            #expect(Set(scenario.selection.localPool) == expected.local)
        }
    }
}

/// The rules as the specification words them, one after the other, with no thought for speed.
private struct NaiveSelection {
    var cluster: Set<Backend> = []
    var local: Set<Backend> = []

    init(_ scenario: Scenario) {
        let all = Self.entries(scenario)
        let ready = all.filter(\.value.isReady)
        let fallback = all.filter { !$0.value.isReady && $0.value.isServing && $0.value.isTerminating }
        cluster = Set(Self.topology(ready).keys)
        if cluster.isEmpty { cluster = Set(fallback.keys) }
        local = Set(ready.filter { $0.value.nodeName == "here" }.keys)
        if local.isEmpty { local = Set(fallback.filter { $0.value.nodeName == "here" }.keys) }
    }

    private static func topology(_ ready: [Backend: Endpoint]) -> [Backend: Endpoint] {
        let forHere = ready.filter { $0.value.hints?.nodes.contains("here") ?? false }
        let haveNodes = ready.values.allSatisfy { !($0.hints?.nodes ?? []).isEmpty }
        if haveNodes, !forHere.isEmpty { return forHere }
        let forEast = ready.filter { $0.value.hints?.zones.contains("east") ?? false }
        let haveZones = ready.values.allSatisfy { !($0.hints?.zones ?? []).isEmpty }
        if haveZones, !forEast.isEmpty { return forEast }
        return ready
    }

    private static func entries(_ scenario: Scenario) -> [Backend: Endpoint] {
        var entries: [Backend: [Endpoint]] = [:]
        for slice in scenario.slices where !slice.isHeadless && slice.addressFamily == scenario.family {
            for port in slice.ports where port.name == scenario.port.name {
                for endpoint in slice.endpoints {
                    guard let number = port.port else { continue }
                    entries[Backend(address: endpoint.address, port: number), default: []].append(endpoint)
                }
            }
        }
        return entries.compactMapValues { $0.max { rank($0).lexicographicallyPrecedes(rank($1)) } }
    }

    private static func rank(_ endpoint: Endpoint) -> [Int] {
        [
            endpoint.isTerminating ? 0 : 1, endpoint.isReady ? 1 : 0,
            endpoint.isTerminating && endpoint.isServing ? 1 : 0, endpoint.nodeName == "here" ? 1 : 0,
            (endpoint.nodeName ?? "").isEmpty ? 1 : 0,
            (endpoint.hints?.nodes ?? []).contains("here") ? 1 : 0, (endpoint.hints?.nodes ?? []).isEmpty ? 0 : 1,
            (endpoint.hints?.zones ?? []).contains("east") ? 1 : 0, (endpoint.hints?.zones ?? []).isEmpty ? 0 : 1,
        ]
    }
}
