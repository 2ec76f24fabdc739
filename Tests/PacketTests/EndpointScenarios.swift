import FairleadTestKit
import NetworkTypes

private let outside = Expectation.outside
private let pods = Expectation.pods
private let external = Target.external

/// Which endpoints: conditions, places and slices.
let endpointScenarios: [Scenario] = [
    Scenario(
        name: "ready endpoints win over terminating ones",
        endpoints: [.ready("local-1"), .serving("remote-1"), .notReady("local-2"), .ending("local-3")],
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1"], sees: .client)),
            .from(outside, to: external, .answered(["local-1"], sees: .node)),
        ]),
    Scenario(
        name: "without ready endpoints, terminating ones that serve are used",
        endpoints: [.serving("local-2"), .serving("remote-1"), .ending("local-1"), .notReady("local-3")],
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-2", "remote-1"], sees: .client)),
            .from(outside, to: external, .answered(["local-2", "remote-1"], sees: .node)),
        ]),
    Scenario(
        name: "policies Local use a terminating endpoint here, even while one elsewhere is ready",
        externalPolicy: "Local", internalPolicy: "Local", endpoints: [.serving("local-1"), .ready("remote-1")],
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1"], sees: .client)),
            .from(outside, to: external, .answered(["local-1"], sees: .client)),
            .from(pods, to: external, .answered(["remote-1"], sees: .client)),
            .from(["node1"], to: external, .answered(["remote-1"], sees: .node)),
        ]),
    Scenario(
        name: "policies Local prefer a ready endpoint here to a terminating one here",
        externalPolicy: "Local", internalPolicy: "Local",
        endpoints: [.serving("local-1"), .ready("local-2"), .ready("remote-1")],
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-2"], sees: .client)),
            .from(outside, to: external, .answered(["local-2"], sees: .client)),
        ]),
    Scenario(
        name: "absent conditions mean ready",
        endpoints: [.unspecified("local-1"), EndpointShape("remote-1", ["ready": true])],
        expectations: [.from(pods, to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .client))]),
    Scenario(
        name: "absent serving counts as serving",
        endpoints: [EndpointShape("local-1", ["ready": false, "terminating": true]), .ending("remote-1")],
        expectations: [.from(pods, to: [.clusterIP], .answered(["local-1"], sees: .client))]),
    Scenario(
        name: "not ready, serving, not terminating is not used",
        endpoints: [EndpointShape("local-1", ["ready": false, "serving": true, "terminating": false])],
        expectations: [.from(pods, to: [.clusterIP], .rejected)]),
    Scenario(
        name: "local is who names this node, whatever the address", externalPolicy: "Local", internalPolicy: "Local",
        endpoints: [
            .ready("local-1").placed(on: "node2"), .ready("local-2").placed(on: nil),
            .ready("remote-1").placed(on: "node1"),
        ],
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["remote-1"], sees: .client)),
            .from(pods, to: external, .answered(["local-1", "local-2", "remote-1"], sees: .client)),
        ]),
    Scenario(
        name: "slices give one port name different numbers", endpoints: [.ready("local-1")],
        adjust: { objects, numbers in
            objects.slices += IPFamily.allCases.map {
                Scenario.slice(numbers.name, $0, [.ready("remote-1")], suffix: "-b", port: 8081)
            }
        },
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1:8080", "remote-1:8081"], sees: .client)),
            .from(outside, to: external, .answered(["local-1:8080", "remote-1:8081"], sees: .node)),
        ]),
    Scenario(
        name: "an endpoint in two slices counts, the entry that is not terminating wins",
        endpoints: [.serving("local-1"), .ready("remote-1")],
        adjust: { objects, numbers in
            objects.slices += IPFamily.allCases.map {
                Scenario.slice(numbers.name, $0, [.ready("local-1"), .serving("remote-1")], suffix: "-b")
            }
        },
        expectations: [.from(pods, to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .client))]),
    Scenario(
        name: "slices that are labelled headless, or belong to another Service, are ignored",
        endpoints: [.ready("local-1")],
        adjust: { objects, numbers in
            for family in IPFamily.allCases {
                var headless = Scenario.slice(numbers.name, family, [.ready("local-2")], suffix: "-headless")
                headless.labels = ["service.kubernetes.io/headless": ""]
                objects.slices += [headless, Scenario.slice("someone-else", family, [.ready("remote-1")])]
            }
        },
        expectations: [.from(pods, to: [.clusterIP], .answered(["local-1"], sees: .client))]),
    Scenario(
        name: "endpoints of one family only", endpoints: [.ready("local-1")],
        adjust: { objects, _ in objects.slices.removeAll { $0.family == .ipv6 } },
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1"], sees: .client), families: [.ipv4]),
            .from(pods, to: Target.all, .rejected, families: [.ipv6]),
        ]),
]
