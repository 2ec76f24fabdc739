import FairleadTestKit
import NetworkTypes
import Testing

private let outside = Expectation.outside
private let pods = Expectation.pods

/// Gives the Service a second port, which the slices know by a number that is none.
private let secondPortZero: @Sendable (inout Scenario.Objects, Numbers) -> Void = { objects, _ in
    for transport in TransportProtocol.allCases {
        objects.service.ports.append(.init("\(transport)-b", transport, 443))
        objects.eachSlice { $0.ports.append(.init("\(transport)-b", transport, 0)) }
    }
}

/// Values that API servers accept and that a dataplane cannot use, and old spellings: each costs itself.
let oddValueScenarios: [Scenario] = [
    Scenario(
        name: "an external IP with leading zeros is reached at its usual address", endpoints: [.ready("local-1")],
        adjust: { objects, numbers in
            objects.service.externalIPs[0] = numbers.externalIPs[0].split(separator: ".").map {
                String(repeating: "0", count: 3 - $0.count) + $0
            }.joined(separator: ".")
        },
        expectations: [.from(["client"], to: Target.all, .answered(["local-1"], sees: .node))]),
    Scenario(
        name: "a load balancer status with loopback addresses costs only itself", endpoints: [.ready("local-1")],
        adjust: { objects, _ in objects.service.loadBalancerIPs = ["127.0.0.1", "::1"] },
        expectations: [
            .from(["client"], to: [.clusterIP, .nodePort, .externalIP], .answered(["local-1"], sees: .node)),
            .from(["client"], to: [.loadBalancerIP], .leftAlone),
        ]),
    Scenario(
        name: "a slice whose second port is 0 serves the first", endpoints: [.ready("local-1"), .ready("remote-1")],
        adjust: secondPortZero,
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .client)),
            .from(pods, to: [.clusterIPPort(443)], .rejected),
        ]),
    Scenario(
        name: "a Service that is labelled headless is not served", endpoints: [.ready("local-1")],
        adjust: { objects, _ in objects.service.labels = ["service.kubernetes.io/headless": ""] },
        expectations: [
            .from(["client"], to: [.externalIP, .loadBalancerIP], .leftAlone),
            .from(["client"], to: [.clusterIP], .dropped),
        ]),
    Scenario(
        name: "slices that are labelled for another proxy are ignored", endpoints: [.ready("local-1")],
        adjust: { objects, numbers in
            for family in IPFamily.allCases {
                var other = Scenario.slice(numbers.name, family, [.ready("local-2")], suffix: "-other")
                other.labels = ["service.kubernetes.io/service-proxy-name": "other"]
                objects.slices.append(other)
            }
        },
        expectations: [.from(pods, to: [.clusterIP], .answered(["local-1"], sees: .client))]),
]

@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct OddValueTests {
    @Test("an endpoint that goes while its slice has a port 0 leaves the map at once", arguments: Mode.allCases)
    func endpointGoes(_ mode: Mode) async throws {
        func scenario(_ endpoints: [EndpointShape]) -> Scenario {
            Scenario(name: "changing", endpoints: endpoints, adjust: secondPortZero, expectations: [])
        }
        let bench = try await Bench(mode, [scenario([.ready("local-1"), .ready("remote-1")])])
        let both = Verdict.answered(["local-1", "remote-1"], sees: .client)
        try await bench.check("both", .from(["local-caller"], to: [.clusterIP], both))
        try await bench.show([scenario([.ready("remote-1")])])
        let rest = Verdict.answered(["remote-1"], sees: .client)
        try await bench.check("one is gone", .from(["local-caller"], to: [.clusterIP], rest))
    }
}
