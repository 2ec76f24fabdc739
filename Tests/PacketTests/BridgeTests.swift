import FairleadTestKit
import NetworkTypes
import Testing

/// Nodes whose network plugin has pods on a bridge.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct BridgeTests {
    private struct Bench {
        let daemon: DaemonBench
        var node: NetworkNamespace { daemon.cluster.node1.namespace }

        /// - Parameter filters: whether bridged packets pass netfilter.
        init(filters: Bool, sharesRange: Bool = true) async throws {
            var topology = ClusterTopology.Options()
            topology.podLinks = .bridged
            daemon = try await DaemonBench(
                Scenario(name: "bridge", endpoints: [.ready("local-1")], expectations: []), topology: topology
            ) { cluster throws(TestKitError) in
                try Self.set(filters, cluster.node1.namespace)
            }
            try await daemon.waitUntilInLine()
            if sharesRange { try await shareRange() }
        }

        /// Node and pods have the bridge's range on the link, as the plugin `bridge` sets it up.
        private func shareRange() async throws {
            let ranges = [("-4", "10.128.1.0/24"), ("-6", "fd00:10:128:1::/64")]
            let pods = daemon.cluster.localPods + [daemon.cluster.localCaller]
            for (family, range) in ranges {
                try await node.execute(Program("ip", [family, "route", "add", range, "dev", "pods"])).requireSuccess()
                for pod in pods {
                    let address = family == "-4" ? "\(pod.ipv4)/32" : "\(pod.ipv6)/128"
                    try await node.execute(Program("ip", [family, "route", "del", address, "dev", "pods"]))
                        .requireSuccess()
                    try await pod.namespace.execute(Program("ip", [family, "route", "add", range, "dev", "eth0"]))
                        .requireSuccess()
                }
            }
        }

        static func set(_ filters: Bool, _ node: NetworkNamespace) throws(TestKitError) {
            let value = filters ? "1" : "0"
            try node.setParameters([
                ("bridge/bridge-nf-call-iptables", value), ("bridge/bridge-nf-call-ip6tables", value),
            ])
        }

        func explain(from address: IPAddress, _ family: IPFamily) async throws -> String {
            let destination = "\(Target.clusterIP.destination(DaemonBench.numbers, family))"
            let arguments = FairleadCommand.clusterArguments(manifests: daemon.directory.path)
            return try await FairleadCommand().run(
                ["explain", "--live", "--from", "\(address)", "--to", destination] + arguments, in: node
            ).standardOutput
        }

        func answers(from caller: ClusterTopology.Host, _ family: IPFamily) async throws -> Int {
            try await caller.namespace.tally(daemon.probe(.tcp, family), count: 4).answers.count
        }
    }

    @Test(
        "bridge-nf-call-iptables=0: a pod cannot reach a pod of its bridge through a ClusterIP; run, status and explain say so",
        arguments: IPFamily.allCases)
    func bypass(_ family: IPFamily) async throws {
        let bench = try await Bench(filters: false)
        let caller = bench.daemon.cluster.localCaller
        let sysctl = "net.bridge.bridge-nf-call-\(family == .ipv4 ? "iptables" : "ip6tables") is 0"
        #expect(try await bench.answers(from: caller, family) == 0)
        let text = try await bench.explain(from: caller.address(family), family)
        #expect(text.contains("bridge pods has both ends") && text.contains(sysctl), "\(text)")
        try await bench.daemon.daemon.waitForOutput("bridge pods has pods", timeLimit: .seconds(60))
        let status = try await FairleadCommand().run(["status"], in: bench.node).standardOutput
        #expect(status.contains("bridge pods has pods (such as") && status.contains(sysctl), "\(status)")
        // Who is not on the bridge is served all the same.
        #expect(try await bench.answers(from: bench.daemon.cluster.remoteCaller, family) == 4)
        let remote = try await bench.explain(from: bench.daemon.cluster.remoteCaller.address(family), family)
        #expect(!remote.contains("bridge pods"), "\(remote)")

        try Bench.set(true, bench.node)
        #expect(try await bench.answers(from: caller, family) == 4)
        let sound = try await bench.explain(from: caller.address(family), family)
        #expect(!sound.contains("bridge pods has both ends"), "\(sound)")
        try await bench.daemon.daemon.waitForOutput("no longer so: bridge pods has pods", timeLimit: .seconds(60))
    }

    @Test(
        "pods of a bridge that reach each other by way of the node need no bridge-nf-call-iptables, and nothing is said"
    )
    func hostRoutes() async throws {
        let bench = try await Bench(filters: false, sharesRange: false)
        let caller = bench.daemon.cluster.localCaller
        if !Capability.keepsToTranslatedRoutes {
            for pod in bench.daemon.cluster.localPods + [caller] {
                try pod.namespace.setParameters([
                    ("ipv6/conf/all/accept_redirects", "0"), ("ipv6/conf/eth0/accept_redirects", "0"),
                ])
            }
        }
        for family in IPFamily.allCases {
            #expect(try await bench.answers(from: caller, family) == 4)
            #expect(
                try await !bench.explain(from: caller.address(family), family).contains("bridge pods has both ends"))
        }
        try await Task.sleep(for: .seconds(12))
        let status = try await FairleadCommand().run(["status"], in: bench.node).standardOutput
        #expect(!status.contains("bridge pods has pods"), "\(status)")
    }

    @Test("without hairpin mode a pod of a bridge cannot reach itself through a Service; status and explain say so")
    func hairpin() async throws {
        let bench = try await Bench(filters: true)
        let pod = bench.daemon.cluster.localPods[0]
        #expect(try await bench.answers(from: pod, .ipv4) == 0)
        let text = try await bench.explain(from: pod.ipv4, .ipv4)
        #expect(text.contains("a port without hairpin mode does not send the packet back"), "\(text)")
        let isTold = try await eventually(within: .seconds(60)) {
            try await FairleadCommand().run(["status"], in: bench.node).standardOutput.contains(
                "bridge pods does not send frames back to the port that they came from (")
        }
        #expect(isTold, "\(bench.daemon.daemon.output)")
        for port in bench.daemon.cluster.localPods.map(\.name) + ["local-caller"] {
            try await bench.node.execute(Program("bridge", ["link", "set", "dev", port, "hairpin", "on"]))
                .requireSuccess()
        }
        #expect(try await bench.answers(from: pod, .ipv4) == 4)
        let sound = try await bench.explain(from: pod.ipv4, .ipv4)
        #expect(!sound.contains("hairpin mode"), "\(sound)")
    }

    @Test("a node whose pods have links of their own hears nothing of bridges")
    func routed() async throws {
        let bench = try await DaemonBench([.ready("local-1")])
        try await bench.waitUntilInLine()
        try await Task.sleep(for: .seconds(12))
        let status = try await FairleadCommand().run(["status"], in: bench.cluster.node1.namespace).standardOutput
        #expect(!status.contains("bridge"), "\(status)")
    }
}
