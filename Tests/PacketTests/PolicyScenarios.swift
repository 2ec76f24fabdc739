import FairleadTestKit
import NetworkTypes

private let outside = Expectation.outside
private let pods = Expectation.pods
private let external = Target.external

/// Where a new connection goes: traffic policies, with ready endpoints on both nodes.
let policyScenarios: [Scenario] = [
    Scenario(
        name: "both policies Cluster",
        endpoints: [.ready("local-1"), .ready("local-2"), .ready("remote-1")],
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1", "local-2", "remote-1"], sees: .client)),
            .from(["node1"], to: [.clusterIP], .answered(["local-1", "local-2", "remote-1"], sees: .node)),
            .from(outside, to: [.clusterIP], .answered(["local-1", "local-2", "remote-1"], sees: .node)),
            .from(["local-1"], to: [.clusterIP], .answered(["local-1", "local-2", "remote-1"], sees: .nodeIfSelf)),
            .from(outside, to: external, .answered(["local-1", "local-2", "remote-1"], sees: .node)),
            .from(pods, to: external, .answered(["local-1", "local-2", "remote-1"], sees: .node)),
            .from(["local-1"], to: external, .answered(["local-1", "local-2", "remote-1"], sees: .node)),
            .from(["node1"], to: external, .answered(["local-1", "local-2", "remote-1"], sees: .node)),
        ]),
    Scenario(
        name: "external policy Local", externalPolicy: "Local",
        endpoints: [.ready("local-1"), .ready("local-2"), .ready("remote-1")],
        expectations: [
            .from(outside, to: external, .answered(["local-1", "local-2"], sees: .client)),
            .from(pods, to: external, .answered(["local-1", "local-2", "remote-1"], sees: .client)),
            .from(["local-1"], to: external, .answered(["local-1", "local-2", "remote-1"], sees: .nodeIfSelf)),
            .from(["node1"], to: external, .answered(["local-1", "local-2", "remote-1"], sees: .node)),
            .from(pods, to: [.clusterIP], .answered(["local-1", "local-2", "remote-1"], sees: .client)),
            .from(outside, to: [.clusterIP], .answered(["local-1", "local-2", "remote-1"], sees: .node)),
        ]),
    Scenario(
        name: "internal policy Local", internalPolicy: "Local",
        endpoints: [.ready("local-1"), .ready("remote-1")],
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1"], sees: .client)),
            .from(["node1"], to: [.clusterIP], .answered(["local-1"], sees: .node)),
            .from(outside, to: [.clusterIP], .answered(["local-1"], sees: .node)),
            .from(["local-1"], to: [.clusterIP], .answered(["local-1"], sees: .nodeIfSelf)),
            .from(outside + pods, to: external, .answered(["local-1", "remote-1"], sees: .node)),
        ]),
    Scenario(
        name: "both policies Local", externalPolicy: "Local", internalPolicy: "Local",
        endpoints: [.ready("local-2"), .ready("remote-2")],
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-2"], sees: .client)),
            .from(outside, to: external, .answered(["local-2"], sees: .client)),
            .from(pods, to: external, .answered(["local-2", "remote-2"], sees: .client)),
            .from(["node1"], to: external, .answered(["local-2", "remote-2"], sees: .node)),
        ]),
    Scenario(
        name: "a pod is its own only endpoint", endpoints: [.ready("local-3")],
        expectations: [.from(["local-3"], to: Target.all, .answered(["local-3"], sees: .node))]),
    Scenario(
        name: "a pod is its own only endpoint, policies Local", externalPolicy: "Local", internalPolicy: "Local",
        endpoints: [.ready("local-3")],
        expectations: [.from(["local-3"], to: Target.all, .answered(["local-3"], sees: .node))]),
    // No other scenario says of this pod that it is, or may be, on this node.
    Scenario(
        name: "a pod of another node is its own only endpoint, policies Local", externalPolicy: "Local",
        internalPolicy: "Local", endpoints: [.ready("remote-2")],
        expectations: [.from(["remote-2"], to: external, .answered(["remote-2"], sees: .node))]),
    Scenario(
        name: "a pod of another node is one of its endpoints, external policy Local", externalPolicy: "Local",
        endpoints: [.ready("remote-2"), .ready("local-1")],
        expectations: [.from(["remote-2"], to: external, .answered(["remote-2", "local-1"], sees: .nodeIfSelf))]),
    Scenario(
        name: "endpoints on the host network",
        endpoints: [.ready("node1"), .ready("node2")],
        adjust: { objects, _ in objects.eachSlice { for index in $0.ports.indices { $0.ports[index].port = 9100 } } },
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["node1:9100", "node2:9100"], sees: .client)),
            .from(["node1"], to: Target.all, .answered(["node1:9100", "node2:9100"], sees: .node)),
            .from(["client"], to: external, .answered(["node1:9100", "node2:9100"], sees: .nodeUnlessNode)),
        ]),
    Scenario(
        name: "the endpoint is this node's host network, external policy Local", externalPolicy: "Local",
        endpoints: [.ready("node1")],
        adjust: { objects, _ in objects.eachSlice { for index in $0.ports.indices { $0.ports[index].port = 9100 } } },
        expectations: [.from(outside + pods, to: external, .answered(["node1:9100"], sees: .client))]),
    Scenario(
        name: "five endpoints",
        endpoints: ["local-1", "local-2", "local-3", "remote-1", "remote-2"].map { .ready($0) },
        expectations: [
            .from(
                ["client", "node1"], to: Target.all,
                .answered(["local-1", "local-2", "local-3", "remote-1", "remote-2"], sees: .node)),
            .from(
                pods, to: [.clusterIP],
                .answered(["local-1", "local-2", "local-3", "remote-1", "remote-2"], sees: .client)),
        ]),
    Scenario(
        name: "ten endpoints: five pods with two ports each",
        endpoints: ["local-1", "local-2", "local-3", "remote-1", "remote-2"].map { .ready($0) },
        adjust: { objects, _ in
            objects.slices += objects.slices.map { slice in
                var copy = slice
                copy.name += "-more"
                for index in copy.ports.indices { copy.ports[index].port = 8082 }
                return copy
            }
        },
        expectations: [
            .from(
                ["client"], to: [.clusterIP, .loadBalancerIP],
                .answered(
                    ["local-1", "local-2", "local-3", "remote-1", "remote-2"].flatMap { ["\($0):8080", "\($0):8082"] },
                    sees: .node))
        ]),
]
