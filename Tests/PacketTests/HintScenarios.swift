import FairleadTestKit
import NetworkTypes

private let outside = Expectation.outside
private let pods = Expectation.pods
private let external = Target.external

/// Topology hints, on a node in the zone `zone-a`.
let hintScenarios: [Scenario] = [
    Scenario(
        name: "zone hints that name the node's zone narrow the cluster pool",
        endpoints: [
            .ready("local-1").hinted(zones: ["zone-a"]), .ready("local-2").hinted(zones: ["zone-b"]),
            .ready("remote-1").hinted(zones: ["zone-b", "zone-a"]),
        ],
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .client)),
            .from(outside, to: external, .answered(["local-1", "remote-1"], sees: .node)),
            .from(["node1"], to: Target.all, .answered(["local-1", "remote-1"], sees: .node)),
        ]),
    Scenario(
        name: "zone hints are ignored if one ready endpoint has none",
        endpoints: [.ready("local-1").hinted(zones: ["zone-a"]), .ready("remote-1")],
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .client)),
            .from(outside, to: external, .answered(["local-1", "remote-1"], sees: .node)),
        ]),
    Scenario(
        name: "zone hints are ignored if none names the node's zone",
        endpoints: [
            .ready("local-1").hinted(zones: ["zone-b"]), .ready("remote-1").hinted(zones: ["zone-c"]),
        ],
        expectations: [.from(pods, to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .client))]),
    Scenario(
        name: "node hints come before zone hints",
        endpoints: [
            .ready("local-1").hinted(zones: ["zone-b"], nodes: ["node1"]),
            .ready("remote-1").hinted(zones: ["zone-a"], nodes: ["node2"]),
        ],
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1"], sees: .client)),
            .from(outside, to: external, .answered(["local-1"], sees: .node)),
        ]),
    Scenario(
        name: "node hints that one ready endpoint lacks leave it to zone hints",
        endpoints: [
            .ready("local-1").hinted(zones: ["zone-b"], nodes: ["node1"]),
            .ready("remote-1").hinted(zones: ["zone-a"]),
        ],
        expectations: [.from(pods, to: [.clusterIP], .answered(["remote-1"], sees: .client))]),
    Scenario(
        name: "node hints for other nodes leave it to zone hints",
        endpoints: [
            .ready("local-1").hinted(zones: ["zone-b"], nodes: ["node2"]),
            .ready("remote-1").hinted(zones: ["zone-a"], nodes: ["node2", "node3"]),
        ],
        expectations: [.from(pods, to: [.clusterIP], .answered(["remote-1"], sees: .client))]),
    Scenario(
        name: "only ready endpoints need hints",
        endpoints: [
            .ready("local-1").hinted(zones: ["zone-a"]), .ready("remote-1").hinted(zones: ["zone-b"]),
            .notReady("local-2"), .serving("remote-2"),
        ],
        expectations: [.from(pods, to: [.clusterIP], .answered(["local-1"], sees: .client))]),
    Scenario(
        name: "hints do not act on local pools", externalPolicy: "Local", internalPolicy: "Local",
        endpoints: [
            .ready("local-1").hinted(zones: ["zone-b"]), .ready("local-2").hinted(zones: ["zone-a"]),
            .ready("remote-1").hinted(zones: ["zone-a"]),
        ],
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1", "local-2"], sees: .client)),
            .from(outside, to: external, .answered(["local-1", "local-2"], sees: .client)),
            // The short-circuit is the cluster pool.
            .from(pods, to: external, .answered(["local-2", "remote-1"], sees: .client)),
        ]),
    Scenario(
        name: "hints do not act on endpoints that terminate",
        endpoints: [
            .serving("local-1").hinted(zones: ["zone-b"], nodes: ["node2"]),
            .serving("remote-1").hinted(zones: ["zone-a"], nodes: ["node1"]),
        ],
        expectations: [.from(pods, to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .client))]),
    Scenario(
        name: "trafficDistribution and publishNotReadyAddresses of the Service are not read",
        endpoints: [.ready("local-1"), .ready("remote-1"), .notReady("local-2")],
        adjust: { objects, _ in
            objects.service.extra = ["trafficDistribution: PreferSameNode", "publishNotReadyAddresses: true"]
        },
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .client)),
            .from(outside, to: external, .answered(["local-1", "remote-1"], sees: .node)),
        ]),
]

/// Hints on a node without a zone, endpoints without a node, and Services of many slices.
let sliceScenarios: [Scenario] = [
    Scenario(
        name: "zone hints are ignored by a node without a zone",
        endpoints: [.ready("local-1").hinted(zones: ["zone-a"]), .ready("remote-1").hinted(zones: ["zone-b"])],
        expectations: [.from(pods, to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .client))]),
    Scenario(
        name: "node hints need no zone",
        endpoints: [.ready("local-1").hinted(nodes: ["node1"]), .ready("remote-1").hinted(nodes: ["node2"])],
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1"], sees: .client)),
            .from(outside, to: external, .answered(["local-1"], sees: .node)),
        ]),
    Scenario(
        name: "endpoints that name no node are used by policy Cluster",
        endpoints: [.ready("local-1").placed(on: nil), .ready("remote-1").placed(on: nil)],
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .client)),
            .from(outside, to: external, .answered(["local-1", "remote-1"], sees: .node)),
            .from(["local-1"], to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .nodeIfSelf)),
        ]),
    Scenario(
        name: "endpoints that name no node are never local", externalPolicy: "Local", internalPolicy: "Local",
        endpoints: [.ready("local-1").placed(on: nil), .ready("remote-1").placed(on: nil)],
        expectations: [
            .from(pods, to: [.clusterIP], .dropped),
            .from(["client"], to: external, .dropped),
            .from(pods, to: external, .answered(["local-1", "remote-1"], sees: .client)),
        ]),
    Scenario(
        name: "five slices with an endpoint each", endpoints: [],
        adjust: { objects, numbers in
            let hosts = ["local-1", "local-2", "local-3", "remote-1", "remote-2"]
            objects.slices = hosts.flatMap { host in
                IPFamily.allCases.map { Scenario.slice(numbers.name, $0, [.ready(host)], suffix: "-\(host)") }
            }
        },
        expectations: [
            .from(
                pods, to: [.clusterIP],
                .answered(["local-1", "local-2", "local-3", "remote-1", "remote-2"], sees: .client)),
            .from(
                ["client"], to: [.nodePort],
                .answered(["local-1", "local-2", "local-3", "remote-1", "remote-2"], sees: .node)),
        ]),
    Scenario(
        name: "slices with one of the Service's ports each", endpoints: [],
        adjust: { objects, numbers in
            let parts: [(TransportProtocol, [EndpointShape])] = [
                (.tcp, [.ready("local-1"), .ready("remote-1")]), (.udp, [.ready("local-1")]),
                (.udp, [.ready("remote-1")]), (.sctp, [.ready("local-1"), .ready("remote-1")]), (.sctp, []),
            ]
            objects.slices = parts.enumerated().flatMap { number, part in
                IPFamily.allCases.map { family in
                    var slice = Scenario.slice(numbers.name, family, part.1, suffix: "-\(number)")
                    slice.ports.removeAll { $0.transport != part.0 }
                    return slice
                }
            }
        },
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .client)),
            .from(["client"], to: external, .answered(["local-1", "remote-1"], sees: .node)),
        ]),
]
