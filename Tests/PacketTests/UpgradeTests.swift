import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// Taking over the tables that another version of Fairlead left, on a node with clients.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct UpgradeTests {
    /// What the manifests below `Upgrade` are made of.
    private static let scenarios: [Scenario] = [
        .affine(), .plain(), .affine(timeout: 77), Scenario(name: "no endpoint", endpoints: [], expectations: []),
        Scenario(
            name: "local", externalPolicy: "Local", endpoints: [.ready("local-1"), .ready("remote-1")],
            expectations: []),
        Scenario(
            name: "source ranges", endpoints: [.ready("local-2")],
            adjust: { objects, _ in
                objects.service.extra += ["loadBalancerSourceRanges: [198.51.100.0/24, 2001:db8:100::/64]"]
            }, expectations: []),
    ]

    /// The rules that the version before this one made of `cluster.yaml`: what its `fairlead render` printed, and `nft` loads.
    ///
    /// To take the rules of a later version: `FAIRLEAD_WRITE_UPGRADE=1` with this test writes them with the program as it is.
    private static let directory = #filePath.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/Upgrade/"

    private static func text(_ name: String) throws -> String {
        let file = try #require(fopen(directory + name, "re"), "\(directory)\(name)")
        defer { fclose(file) }
        var text: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&part, 1, part.count, file), count > 0 { text += part[..<count] }
        return String(decoding: text, as: UTF8.self)
    }

    private static func write(_ text: String, to name: String) throws {
        let file = try #require(fopen(directory + name, "we"), "\(directory)\(name)")
        defer { fclose(file) }
        fputs(text, file)
    }

    /// Probes frontends until it is told to stop: how many got no answer, of how many.
    private actor Watch {
        private var isOver = false
        func end() { isOver = true }

        func probe(_ cluster: ClusterTopology) async throws -> (lost: [String], count: Int) {
            var (lost, count): ([String], Int) = ([], 0)
            while !isOver {
                for family in IPFamily.allCases {
                    var probes: [(String, Probe)] = []
                    for (service, target) in [
                        (1, Target.clusterIP), (1, .nodePort), (2, .loadBalancerIP), (2, .nodePort), (3, .externalIP),
                        (5, .loadBalancerIP), (5, .nodePort), (6, .loadBalancerIP),
                    ] {
                        for transport in [TransportProtocol.tcp, .udp] {
                            let destination = target.destination(Numbers(index: service), family)
                            probes.append(("\(service) \(destination) \(transport)", Probe(transport, to: destination)))
                        }
                    }
                    let outcomes = try await cluster.client.namespace.probe(probes.map(\.1))
                    count += outcomes.count
                    for ((name, _), outcome) in zip(probes, outcomes) where outcome.answer == nil { lost.append(name) }
                }
            }
            return (lost, count)
        }
    }

    @Test(
        "rules of the version before are taken over: no packet is lost, flows and clients stay, counters go on",
        arguments: Mode.allCases)
    func takeover(_ mode: Mode) async throws {
        let cluster = try await ClusterTopology.make()
        let directory = try TemporaryDirectory()
        if getenv("FAIRLEAD_WRITE_UPGRADE") != nil { try await Self.rewrite(cluster, directory) }
        try directory.write(try Self.text("cluster.yaml"), to: "cluster.yaml")
        let arguments = FairleadCommand.clusterArguments(manifests: directory.path)
        var build = Neighbour("nft")
        let rules = try Self.text("rules.nft")
        do throws(TestKitError) { try await NFT(cluster.node1.namespace, build: build).load(rules) } catch {
            // Linux 7.2 refuses what nft 1.0.6 makes of these rules; see findings/nft-protocol-byteorder.sh. And nft 1.0.6 crashes over
            // what a newer one loaded, so that one has to do for the rest as well.
            build = Neighbour("nft", .trixie)
            try await NFT(cluster.node1.namespace, build: build).load(rules)
        }
        let nft = NFT(cluster.node1.namespace, build: build)
        // Clients that are remembered, a flow, and a counter, all made by packets.
        var homes: [IPFamily: String] = [:]
        var flows: [Conversation] = []
        for family in IPFamily.allCases {
            let destination = Target.clusterIP.destination(Numbers(index: 1), family)
            let first = try await Conversation.begin(Probe(.tcp, to: destination), in: cluster.client.namespace)
            homes[family] = first.greeting.server
            flows.append(first)
            let unserved = Target.clusterIP.destination(Numbers(index: 4), family)
            let refused = Probe(.tcp, to: unserved, timeLimit: .seconds(2))
            _ = try await cluster.client.namespace.probe([refused])
        }
        let counted = try await nft.list(["set", "ip", "fairlead", "reject-services"])
        let counter = try #require(counted.firstMatch(of: /counter packets ([1-9][0-9]*)/)).1
        let watch = Watch()
        let watching = Task { try await watch.probe(cluster) }
        try await Task.sleep(for: .milliseconds(300))
        let monitor = try await RulesetMonitor(cluster.node1.namespace, build: build)
        var daemon: Daemon?
        if mode == .apply {
            try await FairleadCommand().run(["apply"] + arguments, in: cluster.node1.namespace).requireSuccess()
        } else {
            daemon = try await FairleadCommand().start(["run"] + arguments, in: cluster.node1.namespace)
            try await daemon?.waitForOutput("serving")
        }
        try await Task.sleep(for: .milliseconds(300))
        await watch.end()
        let (lost, count) = try await watching.value
        #expect(lost == [] && count > 60, "\(lost)")
        let changes = try await monitor.changes()
        #expect(!changes.contains { $0.hasPrefix("delete table") && $0.contains("fairlead") })
        #expect(!changes.contains { $0.hasPrefix("delete map") && $0.contains("affinity") })
        for flow in flows { #expect(flow.echoes()) }
        for family in IPFamily.allCases {
            for target in [Target.clusterIP, .nodePort, .externalIP] {
                let probe = Probe(.tcp, to: target.destination(Numbers(index: 1), family))
                let servers = Set(try await cluster.client.namespace.tally(probe, count: 8).servers.keys)
                #expect(servers == [homes[family] ?? ""], "\(family) \(target)")
            }
        }
        let after = try await nft.list(["set", "ip", "fairlead", "reject-services"])
        let counterAfter = after.matches(of: /counter packets ([0-9]+)/).compactMap { Int($0.1) }
        #expect((counterAfter.max() ?? 0) >= Int(counter) ?? 1, "\(after)")
        let diff = try await FairleadCommand().run(["diff"] + arguments, in: cluster.node1.namespace)
        #expect(diff.status == 0, "\(diff.standardOutput)")
        withExtendedLifetime(daemon) {}
    }

    private static func rewrite(_ cluster: ClusterTopology, _ directory: TemporaryDirectory) async throws {
        let manifests = Scenario.manifests(scenarios)
        try directory.write(manifests, to: "cluster.yaml")
        let arguments = FairleadCommand.clusterArguments(manifests: directory.path)
        let rules = try await FairleadCommand().run(["render"] + arguments, in: cluster.node1.namespace)
        try write(manifests, to: "cluster.yaml")
        try write(try rules.requireSuccess().standardOutput, to: "rules.nft")
    }
}
