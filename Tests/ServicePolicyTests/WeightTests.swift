import DataplaneTestKit
import KubernetesModel
import NetworkTypes
import ServicePolicy
import Testing

@Suite("Endpoints by weight")
struct WeightTests {
    /// Slices of so many ready endpoints each, with weights.
    private static func slices(_ groups: [(count: Int, weight: UInt16?)], on node: String = "there") -> [EndpointSlice]
    {
        var number = 0
        return groups.enumerated().map { index, group in
            var slice = Scenario.slice(
                .ipv4, name: "web-\(index)",
                (0..<group.count).map { _ in
                    number += 1
                    return .make(.ipv4, number, on: node)
                })
            slice.weight = group.weight
            return slice
        }
    }

    private static func selection(_ slices: [EndpointSlice]) -> EndpointSelection {
        EndpointSelection(port: ServicePort(port: 80), family: .ipv4, slices: slices, node: Scenario.node)
    }

    /// How many slots the endpoint with each number has.
    private static func counts(_ pool: [Backend]) -> [Int] {
        var counts: [Backend: Int] = [:]
        for backend in pool { counts[backend, default: 0] += 1 }
        return counts.sorted { $0.key < $1.key }.map(\.value)
    }

    static let tables: [([(count: Int, weight: UInt16?)], [Int])] = [
        ([(3, 7), (2, 7)], [1, 1, 1, 1, 1]), ([(1, 100), (1, nil)], [1, 1]), ([(1, 300), (1, nil)], [3, 1]),
        ([(1, 50), (2, 100)], [1, 2, 2]), ([(1, 1), (1, 99)], [1, 99]), ([(2, 1000), (1, 1001)], [1, 1, 1]),
        ([(1, 0), (2, nil)], [1, 1]), ([(1, 0), (1, 10), (1, 20)], [1, 2]), ([(1, 33), (1, 67)], [21, 43]),
    ]

    @Test("slots are as few as weights allow, and none where all weigh the same", arguments: tables)
    func slots(_ groups: [(count: Int, weight: UInt16?)], _ expected: [Int]) {
        let selection = Self.selection(Self.slices(groups))
        #expect(Self.counts(selection.clusterPool) == expected && !selection.approximatesWeights)
        #expect(selection.usable.count == groups.reduce(0) { $0 + $1.count })
    }

    @Test(
        "shares are within 0.6 % of what weights ask for, or the pool is at its bound",
        arguments: 1...60 as ClosedRange<UInt64>)
    func exactness(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let most = seed % 3 == 0 ? 65535 : seed % 3 == 1 ? 100 : 1000
        let groups = (0..<Int.random(in: 2...5, using: &random)).map { _ in
            (
                count: Int.random(in: 1...(seed % 2 == 0 ? 4 : 60), using: &random),
                weight: UInt16?(UInt16(Int.random(in: 1...most, using: &random)))
            )
        }
        let selection = Self.selection(Self.slices(groups))
        let counts = Self.counts(selection.clusterPool)
        let weights = groups.flatMap { group in Array(repeating: Int(group.weight ?? 0), count: group.count) }
        #expect(counts.count == weights.count)
        let (slots, total) = (selection.clusterPool.count, weights.reduce(0, +))
        #expect(slots <= max(1024, 4 * weights.count))
        for (count, weight) in zip(counts, weights) {
            let share = Double(count) / Double(slots) / (Double(weight) / Double(total))
            if !selection.approximatesWeights {
                #expect(abs(share - 1) <= 0.006 + 1e-9, "\(count) of \(slots) for \(weight) of \(total)")
            } else if count > 1 {
                #expect(count > 0 && share < 1.01 + 1 / Double(count), "\(count) of \(slots) for \(weight) of \(total)")
            }
        }
        if selection.approximatesWeights { #expect(slots == max(1024, 4 * weights.count)) }
    }

    @Test("the lightest endpoint has one slot where a pool is at its bound, and a finding says so")
    func bound() {
        let slices = Self.slices([(1, 1), (1, 65535)])
        #expect(Self.counts(Self.selection(slices).clusterPool) == [1, 1023])
        let result = resolve(Scenario.service(.ipv4), slices: slices, node: Scenario.node)
        #expect(result.findings.map(\.code) == ["weights-approximated"], "\(result.findings)")
        #expect(
            resolve(Scenario.service(.ipv4), slices: Self.slices([(1, 1), (1, 99)]), node: Scenario.node).findings
                .isEmpty)
    }

    @Test("weight 0 is as if not ready for new connections, and usable all the same", arguments: Scenario.families)
    func drained(_ family: IPFamily) {
        func slice(_ name: String, weight: UInt16?, _ endpoints: [Endpoint]) -> EndpointSlice {
            var slice = Scenario.slice(family, name: name, endpoints)
            slice.weight = weight
            return slice
        }
        func select(_ slices: [EndpointSlice]) -> EndpointSelection {
            EndpointSelection(port: ServicePort(port: 80), family: family, slices: slices, node: Scenario.node)
        }
        func backends(_ numbers: [Int]) -> [Backend] { Scenario.backends(family, numbers) }
        // Those that terminate take over, as if nothing were ready.
        let ending = select([
            slice("a", weight: 0, [.make(family, 1, on: "here"), .make(family, 2)]),
            slice(
                "b", weight: nil,
                [.make(family, 3, .terminatingServing), .make(family, 4, .terminatingServing, on: "here")]),
        ])
        #expect(ending.clusterPool == backends([3, 4]) && ending.localPool == backends([4]))
        #expect(!ending.isLocalPoolReady && ending.usable == backends([1, 2, 3, 4]))
        // The local pool is empty where all local ones are drained.
        let elsewhere = select([
            slice("a", weight: 0, [.make(family, 1, on: "here")]), slice("b", weight: 9, [.make(family, 2)]),
        ])
        #expect(elsewhere.clusterPool == backends([2]) && elsewhere.localPool.isEmpty)
        #expect(elsewhere.localUsable == backends([1]))
        // Hints: those of drained endpoints are not asked.
        let hinted = select([
            slice("a", weight: 0, [.make(family, 1)]),
            slice("b", weight: 9, [.make(family, 2, forZones: ["east"]), .make(family, 3, forZones: ["west"])]),
        ])
        #expect(hinted.clusterPool == backends([2]))
        // None at all.
        let none = select([slice("a", weight: 0, [.make(family, 1, on: "here"), .make(family, 2)])])
        #expect(none.clusterPool.isEmpty && none.localPool.isEmpty && none.usable == backends([1, 2]))
        let result = resolve(
            Scenario.service(family), slices: [slice("a", weight: 0, [.make(family, 1)])], node: Scenario.node)
        #expect(result.findings.map(\.code) == ["all-endpoints-drained"] && result.service?.ports[0].isDrained == true)
        // An endpoint in two slices: of two ready entries the one that takes connections speaks.
        let both = [slice("a", weight: 0, [.make(family, 1)]), slice("b", weight: 5, [.make(family, 1)])]
        #expect(select(both).clusterPool == backends([1]) && select(both.reversed()).clusterPool == backends([1]))
    }

    @Test(
        "explanations say who is drained, with which weight, as the pools have it",
        arguments: 1...40 as ClosedRange<UInt64>)
    func explanations(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for family in Scenario.families {
            var scenario = Scenario(family)
            scenario.slices = EndpointPropertyTests.randomSlices(family, &random)
            for index in scenario.slices.indices where !random.oneIn(3) {
                scenario.slices[index].weight = [0, 0, 1, 2, 50, 100][Int.random(in: 0..<6, using: &random)]
            }
            let (selection, explanations) = (scenario.selection, scenario.explanations)
            func backends(_ isMember: (EndpointExplanation) -> Bool) -> [Backend] {
                explanations.filter(isMember).compactMap { entry in
                    entry.port.map { Backend(address: entry.address, port: $0) }
                }.sorted()
            }
            #expect(backends { $0.cluster.isUsed } == Set(selection.clusterPool).sorted())
            #expect(backends { $0.local.isUsed } == Set(selection.localPool).sorted())
            #expect(backends(\.isUsable) == selection.usable)
            #expect(explanations.allSatisfy { $0.cluster != .drained || $0.weight == 0 && $0.isUsable })
            #expect(explanations.allSatisfy { !$0.cluster.isUsed || $0.weight != 0 })
            var shuffled = scenario
            shuffled.slices.shuffle(using: &random)
            #expect(shuffled.selection == selection)
        }
    }

    @Test("a health check counts who takes connections, and weighs them against those elsewhere")
    func healthCheck() {
        var slices = [
            Scenario.slice(.ipv4, name: "a", [.make(.ipv4, 1, on: "here"), .make(.ipv4, 2, on: "here")]),
            Scenario.slice(.ipv4, name: "b", [.make(.ipv4, 3, on: "here"), .make(.ipv4, 4)]),
        ]
        func check() -> HealthCheck? { HealthCheckTests.check(HealthCheckTests.service([.ipv4]), slices) }
        #expect(check()?.localEndpoints == [.ipv4: 3] && check()?.localWeights.isEmpty == true)
        slices[1].weight = 25
        #expect(check()?.localEndpoints == [.ipv4: 3] && check()?.localWeights == [.ipv4: 9])
        slices[1].weight = 100
        #expect(check()?.localWeights == [.ipv4: 3])
        slices[0].weight = 0
        #expect(check()?.localEndpoints == [.ipv4: 1] && check()?.localWeights == [.ipv4: 1])
        slices[1].weight = 0
        #expect(check()?.localEndpoints == [.ipv4: 0] && check()?.localWeights.isEmpty == true)
    }

    @Test("where only one port of a Service has weights, the endpoints of all are weighed in one unit")
    func healthCheckOfPorts() {
        var service = HealthCheckTests.service([.ipv4])
        service.ports.append(ServicePort(name: "admin", port: 81))
        var slices = [
            Scenario.slice(.ipv4, name: "a", [.make(.ipv4, 1, on: "there"), .make(.ipv4, 2)]),
            Scenario.slice(.ipv4, name: "b", [.make(.ipv4, 3, on: "here"), .make(.ipv4, 4, on: "here")]),
        ]
        slices[1].ports = [EndpointPort(name: "admin", port: 8081)]
        #expect(HealthCheckTests.check(service, slices)?.localWeights.isEmpty == true)
        // This node has two endpoints of 100, the others have two of 50.
        slices[0].weight = 50
        let check = HealthCheckTests.check(service, slices)
        #expect(check?.localEndpoints == [.ipv4: 2] && check?.localWeights == [.ipv4: 4])
    }

    @Test("direct return: weights, and who is left when all are drained")
    func directReturn() {
        var service = Scenario.service(.ipv4)
        service.type = .loadBalancer
        service.externalIPs = [Scenario.address(.ipv4, 200)]
        service.annotations[Service.externalTrafficAnnotation] = Service.directReturn
        func spread(_ groups: [(count: Int, weight: UInt16?)]) -> DirectReturn.Spread? {
            resolve(service, slices: Self.slices(groups), node: Scenario.node).service?.ports[0].directReturn?.spread
        }
        let plain = spread([(2, nil), (1, nil)])
        #expect(plain?.weights == [] && plain?.usableWeights == [] && plain?.isDrained == false)
        let some = spread([(1, 10), (1, 0), (1, nil)])
        #expect(some?.members == Scenario.backends(.ipv4, [1, 3]) && some?.weights == [10, 100])
        #expect(some?.usableWeights == [10, 0, 100] && some?.isDrained == false)
        let none = spread([(2, 0)])
        #expect(none?.members.count == 2 && none?.weights == [] && none?.isDrained == true)
    }
}
