import FairleadTestKit
import NetworkTypes

private let outside = Expectation.outside
private let pods = Expectation.pods
private let everyone = Expectation.everyone
private let external = Target.external

/// `--masquerade-all`: any connection to a cluster IP, and nothing else.
let masqueradeAllScenarios: [Scenario] = [
    Scenario(
        name: "both policies Cluster", endpoints: [.ready("local-1"), .ready("remote-1")],
        expectations: [
            .from(pods + outside + ["node1"], to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .node)),
            .from(pods + outside, to: external, .answered(["local-1", "remote-1"], sees: .node)),
        ]),
    Scenario(
        name: "both policies Local", externalPolicy: "Local", internalPolicy: "Local",
        endpoints: [.ready("local-1"), .ready("remote-1")],
        expectations: [
            .from(pods + outside + ["node1"], to: [.clusterIP], .answered(["local-1"], sees: .node)),
            .from(outside, to: external, .answered(["local-1"], sees: .client)),
            .from(pods, to: external, .answered(["local-1", "remote-1"], sees: .client)),
        ]),
    Scenario(
        name: "no endpoints", endpoints: [], expectations: [.from(everyone, to: Target.all, .rejected)]),
]

/// `--strict-local`: external policy Local is meant for pods and the node as well.
let strictLocalScenarios: [Scenario] = [
    Scenario(
        name: "external policy Local", externalPolicy: "Local",
        endpoints: [.ready("local-1"), .ready("local-2"), .ready("remote-1")],
        expectations: [
            .from(outside + pods, to: external, .answered(["local-1", "local-2"], sees: .client)),
            .from(["node1"], to: external, .answered(["local-1", "local-2"], sees: .node)),
            .from(["local-1"], to: external, .answered(["local-1", "local-2"], sees: .nodeIfSelf)),
            .from(pods, to: [.clusterIP], .answered(["local-1", "local-2", "remote-1"], sees: .client)),
        ]),
    Scenario(
        name: "external policy Local, endpoints elsewhere only", externalPolicy: "Local",
        endpoints: [.ready("remote-1")],
        expectations: [
            .from(everyone, to: [.nodePort], .dropped), .from(everyone, to: [.externalIP, .loadBalancerIP], .dropped),
            .from(pods, to: [.clusterIP], .answered(["remote-1"], sees: .client)),
        ]),
    Scenario(
        name: "external policy Local, no endpoints", externalPolicy: "Local", endpoints: [],
        expectations: [.from(everyone, to: Target.all, .rejected)]),
    Scenario(
        name: "external policy Cluster", endpoints: [.ready("local-1"), .ready("remote-1")],
        expectations: [.from(outside + pods, to: external, .answered(["local-1", "remote-1"], sees: .node))]),
]

/// `--nodeport-addresses` with the ranges of the node's second interface.
let secondAddressScenarios: [Scenario] = [
    Scenario(
        name: "external policy Cluster", endpoints: [.ready("local-1"), .ready("remote-1")],
        expectations: [
            .from(outside + pods, to: [.nodePortOnSecondAddress], .answered(["local-1", "remote-1"], sees: .node)),
            .from(["node1"], to: [.nodePortOnSecondAddress], .answered(["local-1", "remote-1"], sees: .node)),
            .from(everyone, to: [.nodePort], .closed),
            .from(
                outside, to: [.clusterIP, .externalIP, .loadBalancerIP],
                .answered(["local-1", "remote-1"], sees: .node)),
        ]),
    Scenario(
        name: "external policy Local", externalPolicy: "Local", endpoints: [.ready("local-1"), .ready("remote-1")],
        expectations: [
            .from(outside, to: [.nodePortOnSecondAddress], .answered(["local-1"], sees: .client)),
            .from(pods, to: [.nodePortOnSecondAddress], .answered(["local-1", "remote-1"], sees: .client)),
        ]),
]

/// `--nodeport-addresses` with a range of one family: the other one is served on all addresses.
func otherFamilyScenarios(ranged: IPFamily) -> [Scenario] {
    let open: [IPFamily] = ranged == .ipv4 ? [.ipv6] : [.ipv4]
    let answered = Verdict.answered(["local-1", "remote-1"], sees: .node)
    return [
        Scenario(
            name: "ranges of \(ranged) only", endpoints: [.ready("local-1"), .ready("remote-1")],
            expectations: [
                .from(outside + ["node1"], to: [.nodePortOnSecondAddress], answered, families: [ranged]),
                .from(everyone, to: [.nodePort], .closed, families: [ranged]),
                .from(outside + pods + ["node1"], to: [.nodePort, .nodePortOnSecondAddress], answered, families: open),
                .from(["node1"], to: [.nodePortOnLoopback], .closed, transports: [.tcp, .udp]),
            ])
    ]
}

/// The same with a range of the other family that no node has: no node port there.
let closedFamilyScenarios: [Scenario] = [
    Scenario(
        name: "a range of loopback for IPv6", endpoints: [.ready("local-1"), .ready("remote-1")],
        expectations: [
            .from(
                outside, to: [.nodePortOnSecondAddress], .answered(["local-1", "remote-1"], sees: .node),
                families: [.ipv4]),
            .from(everyone, to: [.nodePort], .closed),
            .from(
                outside, to: [.nodePortOnSecondAddress], .leftAlone, transports: [.tcp, .udp], families: [.ipv6]),
        ])
]

/// `--nodeport-addresses all`.
let allAddressScenarios: [Scenario] = [
    Scenario(
        name: "external policy Cluster", endpoints: [.ready("local-1"), .ready("remote-1")],
        expectations: [
            .from(
                outside + pods + ["node1"], to: [.nodePort, .nodePortOnSecondAddress],
                .answered(["local-1", "remote-1"], sees: .node)),
            .from(["node1"], to: [.nodePortOnLoopback], .closed, transports: [.tcp, .udp]),
            .from(["local-caller", "node1"], to: [.nodePortOfOtherNode], .leftAlone),
            .from(["client", "remote-caller"], to: [.nodePortBehindNode], .leftAlone),
        ])
]
