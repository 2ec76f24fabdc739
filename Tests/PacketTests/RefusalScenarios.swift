import FairleadTestKit
import NetworkTypes

private let outside = Expectation.outside
private let pods = Expectation.pods
private let everyone = Expectation.everyone
private let external = Target.external

/// What is refused, and how.
let refusalScenarios: [Scenario] = [
    Scenario(
        name: "no endpoints", endpoints: [],
        expectations: [
            .from(everyone, to: [.clusterIP], .rejected), .from(everyone, to: [.nodePort], .rejected),
            .from(everyone, to: [.externalIP, .loadBalancerIP], .rejected),
        ]),
    Scenario(
        name: "no endpoints, policies Local", externalPolicy: "Local", internalPolicy: "Local", endpoints: [],
        expectations: [
            .from(everyone, to: [.clusterIP], .rejected), .from(everyone, to: [.nodePort], .rejected),
            .from(everyone, to: [.externalIP, .loadBalancerIP], .rejected),
        ]),
    Scenario(
        name: "no slice at all", endpoints: [], adjust: { objects, _ in objects.slices = [] },
        expectations: [.from(everyone, to: Target.all, .rejected)]),
    Scenario(
        name: "endpoints that neither are ready nor serve", endpoints: [.notReady("local-1"), .ending("remote-1")],
        expectations: [.from(everyone, to: Target.all, .rejected)]),
    Scenario(
        name: "a slice without the Service's port", endpoints: [.ready("local-1")],
        adjust: { objects, _ in objects.eachSlice { for index in $0.ports.indices { $0.ports[index].name += "-other" } }
        },
        expectations: [.from(everyone, to: Target.all, .rejected)]),
    Scenario(
        name: "internal policy Local, endpoints elsewhere only", internalPolicy: "Local",
        endpoints: [.ready("remote-1")],
        expectations: [
            .from(everyone, to: [.clusterIP], .dropped),
            .from(outside + ["local-caller"], to: external, .answered(["remote-1"], sees: .node)),
        ]),
    Scenario(
        name: "external policy Local, endpoints elsewhere only", externalPolicy: "Local",
        endpoints: [.ready("remote-1")],
        expectations: [
            .from(outside, to: [.nodePort], .dropped),
            .from(outside, to: [.externalIP, .loadBalancerIP], .dropped),
            .from(pods, to: external, .answered(["remote-1"], sees: .client)),
            .from(["node1"], to: external, .answered(["remote-1"], sees: .node)),
            .from(pods, to: [.clusterIP], .answered(["remote-1"], sees: .client)),
            .from(outside, to: [.clusterIP], .answered(["remote-1"], sees: .node)),
        ]),
    Scenario(
        name: "external policy Local, only an unusable endpoint here", externalPolicy: "Local",
        endpoints: [.notReady("local-1"), .ready("remote-1")],
        expectations: [
            .from(outside, to: external, .dropped),
            .from(pods, to: external, .answered(["remote-1"], sees: .client)),
        ]),
    Scenario(
        name: "ports and addresses that no Service has", endpoints: [.ready("local-1")],
        expectations: [
            .from(everyone, to: [.clusterIPPort(81)], .rejected),
            .from(everyone, to: [.freeClusterIP], .dropped),
            .from(["client", "local-caller"], to: [.address("10.250.9.9", "fd00:10:250::909")], .leftAlone),
            .from(["client", "local-caller"], to: [.address("10.251.9.9", "fd00:10:251::909")], .leftAlone),
        ]),
    Scenario(
        name: "only TCP is served", endpoints: [.ready("local-1")],
        adjust: { objects, _ in objects.service.ports.removeAll { $0.transport != .tcp } },
        expectations: [
            .from(everyone, to: [.clusterIP], .rejected, transports: [.udp, .sctp]),
            .from(
                ["client", "local-caller"], to: [.externalIP, .loadBalancerIP], .leftAlone, transports: [.udp, .sctp]),
            .from(["client", "local-caller"], to: [.nodePort], .closed, transports: [.udp, .sctp]),
            .from(["client"], to: Target.all, .answered(["local-1"], sees: .node), transports: [.tcp]),
        ]),
]
