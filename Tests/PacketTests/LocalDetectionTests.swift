import FairleadTestKit
import NetworkTypes
import Testing

private let both = ["local-1", "remote-1"]
private let shape: [EndpointShape] = [.ready("local-1"), .ready("remote-1")]
private let external = Target.external

/// What every `--detect-local-mode` makes of the pods of this node, of clients outside and of the node itself.
let localDetectionScenarios: [Scenario] = [
    Scenario(
        name: "policies Cluster", endpoints: shape,
        expectations: [
            .from(["local-caller"], to: [.clusterIP], .answered(both, sees: .client)),
            .from(["client", "second-client", "node1"], to: [.clusterIP], .answered(both, sees: .node)),
            .from(["client", "local-caller", "node1"], to: external, .answered(both, sees: .node)),
        ]),
    Scenario(
        name: "external policy Local", externalPolicy: "Local", endpoints: shape,
        expectations: [
            .from(["local-caller"], to: external, .answered(both, sees: .client)),
            .from(["client", "second-client"], to: external, .answered(["local-1"], sees: .client)),
            .from(["node1"], to: external, .answered(both, sees: .node)),
        ]),
    Scenario(
        name: "external policy Local, endpoints elsewhere only", externalPolicy: "Local",
        endpoints: [.ready("remote-1")],
        expectations: [
            .from(["local-caller"], to: external, .answered(["remote-1"], sees: .client)),
            .from(["client"], to: external, .dropped),
        ]),
]

/// A way to tell this node's pods, with the cluster that it needs.
private struct Detector: Sendable, CustomTestStringConvertible {
    var options: [String]
    var topology = ClusterTopology.Options()
    var testDescription: String { options.joined(separator: " ") }

    static let podCIDRs = ["10.128.1.0/24", "fd00:10:128:1::/64"]
    static func cluster(podCIDRs: [String]) -> String {
        Manifest.documents([
            Manifest.node("node1", ["172.30.0.11", "fd00:172:30::11"], podCIDRs: podCIDRs),
            Manifest.serviceCIDR("kubernetes", ClusterTopology.serviceCIDRs),
        ])
    }

    static let all: [Detector] = {
        var bridged = ClusterTopology.Options()
        bridged.podLinks = .bridged
        return [
            Detector(options: ["--detect-local-mode", "ClusterCIDR"]),
            Detector(options: ["--detect-local-mode", "NodeCIDR"]),
            Detector(
                options: ["--detect-local-mode", "BridgeInterface", "--pod-bridge-interface", "pods"],
                topology: bridged),
            Detector(
                options: ["--detect-local-mode", "InterfaceNamePrefix", "--pod-interface-name-prefix", "local-"]),
        ]
    }()
}

@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct LocalDetectionTests {
    @Test("packets with each --detect-local-mode", arguments: Mode.allCases, Detector.all)
    private func packets(_ mode: Mode, _ detector: Detector) async throws {
        let bench = try await Bench(
            mode, localDetectionScenarios, options: detector.options, topology: detector.topology,
            cluster: Detector.cluster(podCIDRs: Detector.podCIDRs))
        for (offset, scenario) in localDetectionScenarios.enumerated() {
            for expectation in scenario.expectations {
                try await bench.check(
                    "\(detector.testDescription): \(scenario.name)", expectation, service: offset + 1)
            }
        }
    }

    @Test("podCIDRs of the Node that come, change and go act at once", arguments: Mode.allCases)
    func podCIDRs(_ mode: Mode) async throws {
        let scenario = Scenario(
            name: "external policy Local", externalPolicy: "Local", endpoints: shape, expectations: [])
        let bench = try await Bench(
            mode, [scenario], options: ["--detect-local-mode", "NodeCIDR"], cluster: Detector.cluster(podCIDRs: []))
        let steps: [([String], isLocal: Bool)] = [
            ([], false), (Detector.podCIDRs, true), (["10.128.77.0/24", "fd00:10:128:77::/64"], false),
            (Detector.podCIDRs, true), ([], false),
        ]
        for (ranges, isLocal) in steps {
            try await bench.show(cluster: Detector.cluster(podCIDRs: ranges))
            let verdict = Verdict.answered(isLocal ? both : ["local-1"], sees: .client)
            try await bench.check("podCIDRs \(ranges)", .from(["local-caller"], to: external, verdict))
            try await bench.check(
                "podCIDRs \(ranges)",
                .from(["local-caller"], to: [.clusterIP], .answered(both, sees: isLocal ? .client : .node)))
        }
    }
}
