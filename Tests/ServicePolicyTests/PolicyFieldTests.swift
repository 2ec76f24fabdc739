import DataplaneTestKit
import KubernetesModel
import NetworkTypes
import ServicePolicy
import Testing

@Suite("What the fields of a Service mean for its ports")
struct PolicyFieldTests {
    private func port(
        _ family: IPFamily, slices: [EndpointSlice] = PolicyResolutionTests.endpointsOfBoth,
        _ change: (inout Service) -> Void
    ) -> ResolvedServicePort? {
        var service = Scenario.service(.ipv4, .ipv6)
        change(&service)
        return resolve(service, slices: slices, node: Scenario.node).service?.ports.first { $0.family == family }
    }

    private func findings(slices: [EndpointSlice], _ change: (inout Service) -> Void) -> [Finding] {
        var service = Scenario.service(.ipv4)
        change(&service)
        return resolve(service, slices: slices, node: Scenario.node).findings
    }

    @Test("External Local acts wherever the Service has external frontends")
    func externalPolicy() {
        let isLocal: (Service.ServiceType, Bool) -> Bool = { type, hasExternalIP in
            self.port(.ipv4) { service in
                service.type = type
                service.externalTrafficPolicy = .local
                if hasExternalIP { service.externalIPs = [Scenario.address(.ipv4, 201)] }
            }?.externalPolicy == .local
        }
        #expect(!isLocal(.clusterIP, false))
        #expect(isLocal(.clusterIP, true))
        #expect(isLocal(.nodePort, false))
        #expect(isLocal(.loadBalancer, false))
    }

    @Test("The two policies are independent")
    func policies() {
        let internalLocal = port(.ipv6) { service in
            service.type = .nodePort
            service.internalTrafficPolicy = .local
        }
        #expect(internalLocal?.internalPolicy == .local)
        #expect(internalLocal?.externalPolicy == .cluster)
    }

    @Test(
        "The affinity timeout is held to what the API allows",
        arguments: [(10800, 10800), (1, 1), (86400, 86400), (0, 1), (-5, 1), (86401, 86400), (Int.max, 86400)])
    func affinity(timeout: Int, used: Int) {
        for family in Scenario.families {
            #expect(port(family) { $0.sessionAffinity = .clientIP(timeoutSeconds: timeout) }?.affinityTimeout == used)
            #expect(port(family) { _ in }?.affinityTimeout == nil)
        }
        let codes = findings(slices: PolicyResolutionTests.endpointsOfBoth) {
            $0.sessionAffinity = .clientIP(timeoutSeconds: timeout)
        }.map(\.code)
        #expect(codes == (timeout == used ? [] : ["affinity-timeout-out-of-range"]))
    }

    struct RangeRow: CustomTestStringConvertible {
        var rule: String
        var ranges: [String]
        var ipv4: [String]?
        var ipv6: [String]?
        var isAdvised = false
        var testDescription: String { rule }
    }

    static let rangeRows = [
        RangeRow(rule: "no ranges, no restriction", ranges: []),
        RangeRow(
            rule: "each family has its own", ranges: ["10.0.0.0/8", "fd00::/8"], ipv4: ["10.0.0.0/8"],
            ipv6: ["fd00::/8"]),
        RangeRow(
            rule: "covered ranges collapse", ranges: ["10.1.0.0/16", "192.0.2.0/24", "10.0.0.0/8", "fd00::/8"],
            ipv4: ["10.0.0.0/8", "192.0.2.0/24"], ipv6: ["fd00::/8"]),
        RangeRow(
            rule: "the whole family opens its family only", ranges: ["10.0.0.0/8", "0.0.0.0/0", "fd00::/8"],
            ipv6: ["fd00::/8"]),
        RangeRow(
            rule: "a family without ranges is open", ranges: ["10.0.0.0/8"], ipv4: ["10.0.0.0/8"], isAdvised: true),
        RangeRow(rule: "this holds for both", ranges: ["::/0"], isAdvised: true),
    ]

    @Test("Source ranges restrict the family that they are of", arguments: rangeRows)
    func sourceRanges(row: RangeRow) {
        let change: (inout Service) -> Void = { service in
            service.type = .loadBalancer
            service.loadBalancerIngress = Scenario.families.map { .init(address: Scenario.address($0, 201)) }
            service.loadBalancerSourceRanges = row.ranges.compactMap { CIDR($0) }
        }
        #expect(port(.ipv4, change)?.sourceRanges?.map(\.description) == row.ipv4)
        #expect(port(.ipv6, change)?.sourceRanges?.map(\.description) == row.ipv6)
        var service = Scenario.service(.ipv4, .ipv6)
        change(&service)
        let result = resolve(service, slices: PolicyResolutionTests.endpointsOfBoth, node: Scenario.node)
        #expect(result.findings.map(\.code) == (row.isAdvised ? ["source-ranges-other-family"] : []))
    }

    @Test("Without load balancer addresses of a family there is nothing to advise")
    func noAdvice() {
        let codes = findings(slices: PolicyResolutionTests.endpointsOfBoth) { service in
            service.type = .loadBalancer
            service.loadBalancerSourceRanges = [CIDR("fd00::/8")].compactMap { $0 }
        }
        #expect(codes.isEmpty)
    }

    @Test("A port without usable endpoints is reported once per family, whatever the policies")
    func noEndpoints() {
        let slice = Scenario.slice(.ipv4, [.make(.ipv4, 1, .notReady, on: "here")])
        let found = findings(slices: [slice]) { service in
            service.internalTrafficPolicy = .local
            service.ports[0].name = ""
        }
        #expect(found.map(\.code) == ["no-endpoints"])
        #expect(found.map(\.severity) == [.info])
        #expect(
            found.first?.message == "port 80/tcp has no usable IPv4 endpoint, so new connections to it are rejected")
        #expect(found.first?.subject == ObjectID(kind: .service, key: Scenario.key))
    }

    @Test("A Local policy without a local endpoint is reported with what happens")
    func localWithoutEndpoint() {
        let slice = Scenario.slice(.ipv4, [.make(.ipv4, 1, on: "there")])
        let found = findings(slices: [slice]) { service in
            service.type = .nodePort
            service.internalTrafficPolicy = .local
            service.externalTrafficPolicy = .local
        }
        #expect(found.map(\.code) == ["local-without-endpoint", "local-without-endpoint"])
        #expect(found.map(\.field) == ["spec.externalTrafficPolicy", "spec.internalTrafficPolicy"])
        #expect(
            found.first?.message
                == "node here has no IPv4 endpoint of port 80/tcp, so external traffic to it on this node is dropped")
        #expect(findings(slices: [slice]) { $0.externalTrafficPolicy = .local }.isEmpty)
    }

    @Test("Findings never change the result, and are left out on demand", arguments: UInt64(1)...20)
    func findingsAreOptional(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var service = Scenario.service(.ipv4, .ipv6)
        service.type = .loadBalancer
        service.externalTrafficPolicy = .local
        service.externalIPs = (1...4).map { Scenario.address(.ipv6, $0) } + [Scenario.address(.ipv4, 100)]
        service.loadBalancerIngress = (3...6).map { .init(address: Scenario.address(.ipv6, $0)) }
        let slices = Scenario.families.flatMap { EndpointPropertyTests.randomSlices($0, &random) }
        let full = resolve(service, slices: slices, node: Scenario.node)
        let silent = resolve(service, slices: slices, node: Scenario.node, wantsFindings: false)
        #expect(silent.service == full.service)
        #expect(silent.findings.isEmpty)
        #expect(full.findings.allSatisfy { !$0.message.hasSuffix(".") && $0.code == $0.code.lowercased() })
        var shuffled = service
        shuffled.externalIPs.shuffle(using: &random)
        shuffled.loadBalancerIngress.shuffle(using: &random)
        shuffled.clusterIPs.shuffle(using: &random)
        #expect(resolve(shuffled, slices: slices.shuffled(using: &random), node: Scenario.node).service == full.service)
        for port in full.service?.ports ?? [] {
            #expect(
                Set(port.frontends.map { [$0.address?.description ?? "", "\($0.port)"] }).count == port.frontends.count)
        }
    }
}
