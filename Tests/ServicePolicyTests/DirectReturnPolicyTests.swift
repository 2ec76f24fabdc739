import KubernetesModel
import NetworkTypes
import ServicePolicy
import Testing

@Suite("Direct return, as policy has it")
struct DirectReturnPolicyTests {
    private func port(
        _ endpoints: [Endpoint], on node: NodeContext = Scenario.node, _ change: (inout Service) -> Void = { _ in }
    ) -> (port: ResolvedServicePort?, codes: [String]) {
        var service = Scenario.service(.ipv4)
        service.type = .loadBalancer
        service.externalIPs = [Scenario.address(.ipv4, 200)]
        service.annotations[Service.externalTrafficAnnotation] = Service.directReturn
        change(&service)
        let result = resolve(service, slices: [Scenario.slice(.ipv4, endpoints)], node: node)
        return (result.service?.ports.first, result.findings.map(\.code))
    }

    private func numbers(_ backends: [Backend]?) -> [Int]? {
        backends?.map { backend in (1...9).first { Scenario.address(.ipv4, $0) == backend.address } ?? 0 }
    }

    @Test(
        "direct return spreads over ready endpoints on any node, without hints; over those that terminate if none is ready"
    )
    func members() {
        let hinted: [Endpoint] = [
            .make(.ipv4, 1, on: "here", forZones: ["east"]), .make(.ipv4, 2, on: "there", forZones: ["west"]),
            .make(.ipv4, 3, .terminatingServing, on: "there", forZones: ["west"]),
        ]
        let (found, codes) = port(hinted)
        #expect(numbers(found?.directReturn?.members) == [1, 2] && codes.isEmpty)
        #expect(numbers(found?.clusterPool) == [1])
        #expect(numbers(found?.usable) == [1, 2, 3])
        let ending = port([.make(.ipv4, 4, .terminatingServing), .make(.ipv4, 5, .terminatingServing, on: "here")]).port
        #expect(numbers(ending?.directReturn?.members) == [4, 5])
        #expect(port([]).port?.directReturn == nil)
    }

    @Test("direct return under Local keeps new connections where there is an endpoint, and nowhere else")
    func keeps() {
        let both: [Endpoint] = [.make(.ipv4, 1, on: "here"), .make(.ipv4, 2, on: "there")]
        #expect(port(both).port?.directReturn?.keepsLocal == false)
        #expect(port(both) { $0.externalTrafficPolicy = .local }.port?.directReturn?.keepsLocal == true)
        let (elsewhere, codes) = port([.make(.ipv4, 2, on: "there")]) { $0.externalTrafficPolicy = .local }
        #expect(elsewhere?.directReturn?.keepsLocal == false)
        // Nothing is dropped, so nothing says so.
        #expect(codes.isEmpty)
    }

    @Test("where direct return cannot be, the policy alone acts, and a finding says why")
    func obstacles() {
        let here = Endpoint.make(.ipv4, 1, on: "here")
        let nowhere = port([here, .make(.ipv4, 2, on: nil)])
        #expect(nowhere.port?.directReturn == nil && nowhere.codes == ["direct-return-without-node"])
        #expect(nowhere.port?.clusterPool.count == 2)
        // One that nobody uses does not matter.
        #expect(port([here, .make(.ipv4, 2, .notReady, on: nil)]).port?.directReturn != nil)
        let hidden = port([here]) { $0.externalIPs = [] }
        #expect(hidden.port?.directReturn == nil && hidden.codes == ["direct-return-without-address"])
        let many = (0...DirectReturn.largestPool).map { Endpoint.make(.ipv4, 1000 + $0) }
        let crowded = port(many)
        #expect(crowded.port?.directReturn == nil && crowded.codes.contains("direct-return-too-many-endpoints"))
        let wide = port([here]) { service in
            service.externalIPs = (0...DirectReturn.mostFrontends).map { Scenario.address(.ipv4, 150 + $0) }
        }
        #expect(wide.port?.directReturn == nil && wide.codes == ["direct-return-too-many-frontends"])
        var unable = Scenario.node
        unable.canHandOn = false
        let refused = port([here], on: unable)
        #expect(refused.port?.directReturn == nil && refused.codes == ["direct-return-without-kernel"])
        let other = port([here]) { $0.annotations[Service.externalTrafficAnnotation] = "Direct" }
        #expect(other.port?.directReturn == nil && other.codes == ["external-traffic-without-effect"])
    }
}
