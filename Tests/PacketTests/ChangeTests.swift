import FairleadTestKit
import NetworkTypes
import Testing

/// A Service that changes: each change takes effect for the next connection.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct ChangeTests {
    private static let outside = Expectation.outside
    private static let pods = Expectation.pods
    private static let both: [EndpointShape] = [.ready("local-1"), .ready("remote-1")]

    private static let steps: [Scenario] = [
        Scenario(
            name: "no endpoints yet", endpoints: [],
            expectations: [.from(outside + pods, to: Target.all, .rejected)]),
        Scenario(
            name: "endpoints come", endpoints: both,
            expectations: [
                .from(outside, to: Target.all, .answered(["local-1", "remote-1"], sees: .node)),
                .from(pods, to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .client)),
            ]),
        Scenario(
            name: "external policy becomes Local", externalPolicy: "Local", endpoints: both,
            expectations: [
                .from(outside, to: Target.external, .answered(["local-1"], sees: .client)),
                .from(pods, to: Target.all, .answered(["local-1", "remote-1"], sees: .client)),
            ]),
        Scenario(
            name: "the local endpoint goes", externalPolicy: "Local", endpoints: [.ready("remote-1")],
            expectations: [
                .from(outside, to: Target.external, .dropped),
                .from(pods, to: Target.all, .answered(["remote-1"], sees: .client)),
            ]),
        Scenario(
            name: "internal policy becomes Local, external Cluster", internalPolicy: "Local", endpoints: both,
            expectations: [
                .from(outside, to: Target.external, .answered(["local-1", "remote-1"], sees: .node)),
                .from(pods, to: [.clusterIP], .answered(["local-1"], sees: .client)),
            ]),
        Scenario(
            name: "the target port changes", endpoints: both,
            adjust: { objects, _ in objects.eachSlice { for index in $0.ports.indices { $0.ports[index].port = 8081 } }
            },
            expectations: [.from(pods, to: [.clusterIP], .answered(["local-1:8081", "remote-1:8081"], sees: .client))]),
        Scenario(
            name: "the port changes", endpoints: both,
            adjust: { objects, _ in
                for index in objects.service.ports.indices { objects.service.ports[index].port = 443 }
            },
            expectations: [
                .from(pods, to: [.clusterIPPort(443)], .answered(["local-1", "remote-1"], sees: .client)),
                .from(pods, to: [.clusterIP], .rejected),
                .from(outside, to: [.externalIP, .loadBalancerIP], .leftAlone),
            ]),
        Scenario(
            name: "another proxy takes over", endpoints: both,
            adjust: { objects, _ in objects.service.labels = ["service.kubernetes.io/service-proxy-name": "other"] },
            expectations: [
                .from(["client"], to: [.externalIP, .loadBalancerIP], .leftAlone),
                .from(["client"], to: [.nodePort], .closed),
            ]),
        Scenario(
            name: "the label goes again", endpoints: both,
            expectations: [.from(outside, to: Target.all, .answered(["local-1", "remote-1"], sees: .node))]),
        Scenario(
            name: "the type becomes ExternalName", endpoints: both,
            adjust: { objects, _ in
                objects.service.type = "ExternalName"
                objects.service.clusterIPs = []
                objects.service.externalIPs = []
                objects.service.extra = ["externalName: db.example.com"]
                for index in objects.service.ports.indices { objects.service.ports[index].nodePort = 0 }
            },
            expectations: [
                .from(["client", "local-caller"], to: [.clusterIP], .dropped),
                .from(["client"], to: [.nodePort], .closed),
            ]),
        Scenario(
            name: "the type becomes NodePort", endpoints: both,
            adjust: { objects, _ in
                objects.service.type = "NodePort"
                objects.service.loadBalancerIPs = []
                objects.service.externalIPs = []
            },
            expectations: [
                .from(outside, to: [.clusterIP, .nodePort], .answered(["local-1", "remote-1"], sees: .node)),
                .from(["client"], to: [.externalIP, .loadBalancerIP], .leftAlone),
            ]),
        Scenario(
            name: "the type becomes ClusterIP", endpoints: both,
            adjust: { objects, _ in
                objects.service.type = "ClusterIP"
                objects.service.loadBalancerIPs = []
                objects.service.externalIPs = []
                for index in objects.service.ports.indices { objects.service.ports[index].nodePort = 0 }
            },
            expectations: [
                .from(outside, to: [.clusterIP], .answered(["local-1", "remote-1"], sees: .node)),
                .from(["client"], to: [.externalIP, .loadBalancerIP], .leftAlone),
                .from(["client"], to: [.nodePort], .closed),
            ]),
        Scenario(
            name: "the Service is deleted", endpoints: both,
            adjust: { objects, _ in objects = .init(services: [], slices: []) },
            expectations: [.from(outside + pods, to: [.clusterIP], .dropped)]),
    ]

    @Test("each change takes effect for the next connection", arguments: Mode.allCases)
    func changes(_ mode: Mode) async throws {
        let numbers = Numbers(index: 1)
        let scene = try await Scene.make([Self.steps[0]], isDaemon: mode == .run)
        for step in Self.steps {
            try await scene.apply(Scenario.manifests([step]))
            for expectation in step.expectations {
                try await PacketCase(scenario: step.name, numbers: numbers, expectation: expectation).check(in: scene)
            }
        }
    }

    @Test("a changed ServiceCIDR takes effect at once", arguments: Mode.allCases)
    func serviceCIDR(_ mode: Mode) async throws {
        let numbers = Numbers(index: 1)
        let scene = try await Scene.make([Self.steps[0]], isDaemon: mode == .run)
        let free = Expectation.from(Self.outside + Self.pods, to: [.freeClusterIP], .dropped)
        try await PacketCase(scenario: "inside the range", numbers: numbers, expectation: free).check(in: scene)
        try await scene.apply(Manifest.serviceCIDR("kubernetes", ["10.112.0.0/16", "fd00:10:112::/112"]))
        let open = Expectation.from(["client", "local-caller"], to: [.freeClusterIP], .leftAlone)
        try await PacketCase(scenario: "outside the range", numbers: numbers, expectation: open).check(in: scene)
    }
}
