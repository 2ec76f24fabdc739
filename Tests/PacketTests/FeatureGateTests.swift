import FairleadTestKit
import NetworkTypes
import Testing

private let both = ["local-1", "remote-1"]
private let outside = Expectation.outside

/// What kube-proxy's feature gates, and the mixes of `nodePortAddresses`, do to packets.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct FeatureGateTests {
    /// A configuration file that tests change.
    private struct Configuration {
        let directory: TemporaryDirectory

        init(_ text: String) throws {
            directory = try TemporaryDirectory()
            try write(text)
        }

        func write(_ text: String) throws {
            let header = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
            try directory.write(header + text, to: "proxy.conf")
        }

        var options: [String] { ["--config", "\(directory.path)/proxy.conf"] }
    }

    private static let scenario = Scenario(
        name: "gates", endpoints: both.map { .ready($0) }, expectations: [])
    private static let rest: [Target] = [.clusterIP, .nodePort, .loadBalancerIP]

    /// Hosts that answer for what node1 leaves alone.
    private static func openBeyond(_ bench: Bench) throws -> Servers {
        let beyond = try Servers()
        try Scene.openBeyond(1, beyond, in: bench.cluster)
        return beyond
    }

    private static func checkRest(_ bench: Bench) async throws {
        try await bench.check("the rest", .from(outside, to: rest, .answered(both, sees: .node)))
    }

    @Test(
        "AllowServiceExternalIPs: off, on and off again at restarts, which leave the rest alone",
        arguments: Mode.allCases)
    func externalIPs(_ mode: Mode) async throws {
        let off = "featureGates: {AllowServiceExternalIPs: false}"
        let file = try Configuration(off)
        let bench = try await Bench(mode, [Self.scenario], options: file.options)
        let beyond = try Self.openBeyond(bench)
        defer { withExtendedLifetime(beyond) {} }
        let leftAlone = Expectation.from(outside + ["local-caller"], to: [.externalIP], .leftAlone)
        let finding = "external IPs are not served on this node"
        try await bench.check("off", leftAlone)
        try await Self.checkRest(bench)
        #expect(try await bench.complaints().ranges(of: finding).count == 1)
        for (configuration, step) in [("featureGates: {AllowServiceExternalIPs: true}", "add"), (off, "delete")] {
            try await bench.stop()
            let monitor = try await RulesetMonitor(bench.cluster.node1.namespace)
            try file.write(configuration)
            try await bench.start()
            let numbers = Numbers(index: 1)
            let changes = try await monitor.changes()
            #expect(!changes.isEmpty)
            // A daemon takes the tables over by adding them, which changes nothing.
            let strangers = changes.filter { !$0.hasPrefix("add table") }.filter { change in
                !change.hasPrefix("\(step) element") || !numbers.externalIPs.contains { change.contains($0) }
            }
            #expect(strangers == [])
            if step == "add" {
                try await bench.check(
                    "on", .from(outside, to: [.externalIP], .answered(both, sees: .node)))
            } else {
                try await bench.check("off again", leftAlone)
            }
            try await Self.checkRest(bench)
            #expect(try await bench.complaints().contains(finding) == (step == "delete"))
        }
    }

    @Test("--no-external-ips does what the gate does")
    func option() async throws {
        let bench = try await Bench(.apply, [Self.scenario], options: ["--no-external-ips"])
        let beyond = try Self.openBeyond(bench)
        defer { withExtendedLifetime(beyond) {} }
        try await bench.check("option", .from(outside, to: [.externalIP], .leftAlone))
        try await Self.checkRest(bench)
    }

    @Test("nodePortAddresses: a word and a range together", arguments: Mode.allCases)
    func mix(_ mode: Mode) async throws {
        let bench = try await Bench(
            mode, [Self.scenario], options: ["--nodeport-addresses", "primary,172.31.0.0/24"])
        let beyond = try Self.openBeyond(bench)
        defer { withExtendedLifetime(beyond) {} }
        let answered = Verdict.answered(both, sees: .node)
        try await bench.check("mix", .from(outside + ["node1"], to: [.nodePort], answered))
        try await bench.check("mix", .from(outside, to: [.nodePortOnSecondAddress], answered, families: [.ipv4]))
        try await bench.check(
            "mix",
            .from(outside, to: [.nodePortOnSecondAddress], .leftAlone, transports: [.tcp, .udp], families: [.ipv6]))
    }

    @Test("nodePortAddresses: localhost is served where the gate is on", arguments: [false, true])
    func localhost(_ isOn: Bool) async throws {
        let file = try Configuration(
            "featureGates: {KubeProxyNFTablesLocalhostNodePorts: \(isOn)}\nnodePortAddresses: [primary, localhost]")
        let bench = try await Bench(.apply, [Self.scenario], options: file.options)
        let answered = Verdict.answered(both, sees: .node)
        try await bench.check(
            "localhost",
            .from(
                ["node1"], to: [.nodePortOnLoopback], isOn ? answered : .closed, transports: [.tcp, .udp],
                families: [.ipv4]))
        try await bench.check("localhost", .from(outside, to: [.nodePort], answered))
        try await bench.check(
            "localhost",
            .from(["node1"], to: [.nodePortOnLoopback], .closed, transports: [.tcp, .udp], families: [.ipv6]))
    }
}
