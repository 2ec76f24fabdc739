import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// What several versions of `nft` make of the rules: people list, save and load them with the one that they have.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct NftVersionTests {
    /// Options that change which rules there are.
    struct Form: Sendable, CustomTestStringConvertible {
        let options: [String]
        var testDescription: String { options.isEmpty ? "no options" : options.joined(separator: " ") }

        static let all = [
            Form(options: []),
            Form(options: ["--masquerade-all", "--strict-local"]),
            Form(options: [
                "--preserve-local-source", "--localhost-nodeports", "--service-counters", "--service-traffic",
            ]),
            Form(options: ["--nodeport-addresses", "all", "--conntrack-tcp-be-liberal"]),
            Form(options: ["--detect-local-mode", "InterfaceNamePrefix", "--pod-interface-name-prefix", "pod"]),
            Form(options: ["--detect-local-mode", "BridgeInterface", "--pod-bridge-interface", "pods"]),
        ]
    }

    /// Clients of these are remembered for longer than a test takes.
    private static let sticky: [Scenario] = [.affine(), .affine(timeout: 86_400), .affine(externalPolicy: "Local")]
    private static let unserved = Scenario(name: "no endpoint", endpoints: [], expectations: [])
    private static let scenarios =
        sticky + [unserved] + refusalScenarios + frontendScenarios + oddValueScenarios + sourceRangeScenarios
    private static let builds = Neighbour.runnable("nft")

    /// A node with rules, before any packet.
    private struct Bench: Sendable {
        let cluster: ClusterTopology
        let directory: TemporaryDirectory
        let arguments: [String]

        init(_ form: Form) async throws {
            cluster = try await ClusterTopology.make()
            directory = try TemporaryDirectory()
            try directory.write(Scenario.manifests(NftVersionTests.scenarios), to: "cluster.yaml")
            arguments = FairleadCommand.clusterArguments(manifests: directory.path) + form.options
        }

        var node: NetworkNamespace { cluster.node1.namespace }

        /// Runs a command of Fairlead on the node.
        func fairlead(_ command: String, _ options: [String]) async throws -> String {
            try await FairleadCommand().run([command] + arguments + options, in: node).requireSuccess().standardOutput
        }

        /// Fills sets and counters by packets.
        func connect() async throws {
            for family in IPFamily.allCases {
                for (index, _) in NftVersionTests.sticky.enumerated() {
                    for target in [Target.clusterIP, .nodePort, .externalIP] {
                        let probe = Probe(.tcp, to: target.destination(Numbers(index: index + 1), family))
                        let outcomes = try await cluster.client.namespace.tally(probe, count: 2)
                        #expect(!outcomes.servers.isEmpty, "\(index) \(target) \(family)")
                    }
                }
                let numbers = Numbers(index: NftVersionTests.sticky.count + 1)
                for _ in 1...2 {
                    let refused = Probe(.udp, to: Target.clusterIP.destination(numbers, family))
                    _ = try await cluster.client.namespace.probe([refused])
                }
            }
        }
    }

    @Test(
        "Debian 13's nft is there where nothing may be left out",
        .enabled(if: Capability.requiresNetworks && Neighbour.ownSuite != .trixie))
    func presence() {
        let build = Neighbour("nft", .trixie)
        #expect(build.isPresent, "\(build.absence())")
    }

    @Test("what render prints loads, and is listed as what apply writes is", arguments: Form.all)
    func rendered(_ form: Form) async throws {
        let bench = try await Bench(form)
        let text = try await bench.fairlead("render", [])
        _ = try await bench.fairlead("apply", [])
        for build in Self.builds {
            let place = try NetworkNamespace("text")
            let nft = NFT(place, build: build)
            try await nft.load(text)
            let loaded = NFT.lines(of: try await nft.listRuleset())
            let applied = NFT.lines(of: try await NFT(bench.node, build: build).listRuleset())
            expectSame(loaded, applied, "\(build)")
            print("nft: \(try await build.version(in: place)): rendered with \(form.options): \(loaded.count) lines")
        }
    }

    @Test("what apply wrote and packets filled is listed, loads, and is listed the same again", arguments: Form.all)
    func listed(_ form: Form) async throws {
        let bench = try await Bench(form)
        _ = try await bench.fairlead("apply", [])
        // Interfaces have the names of neither detector: nobody is in the cluster then, which is no matter here.
        try await bench.connect()
        for build in Self.builds {
            let saved = try await NFT(bench.node, build: build).listRuleset()
            let boot = NFT(try NetworkNamespace("boot"), build: build)
            try await boot.load(saved)
            let before = Self.lasting(saved)
            expectSame(before, Self.lasting(try await boot.listRuleset()), "\(build)")
            // Nothing of this may be missing, or the test would show little.
            for part in [
                "comment \"default/case-1:tcp\"", "timeout 1d", "counter packets 2 ", " . 80 . 198.51.100.",
                " . 80 . 2001:db8:100:", "table ip fairlead", "table ip6 fairlead",
            ] {
                #expect(before.contains { $0.contains(part) }, "\(build): \(part)")
            }
            for family in ["ip", "ip6"] {
                let table = try await NFT(bench.node, build: build).listTable("\(family) fairlead")
                #expect(table.contains(" expires "), "\(build) \(family)")
            }
        }
    }

    /// The lines of a listing that stay: not what is left of an element's time, no element with little of it, and not the remark of
    /// nft 1.1.7 how many elements a set that packets fill has.
    private static func lasting(_ listing: String) -> [String] {
        NFT.lines(of: listing).compactMap { line in
            let line = line.replacing(#/\s+# count [0-9]+$/#, with: "")
            guard line.contains(" expires ") else { return line }
            return line.contains(#/timeout [0-9]{1,2}s /#) ? nil : line.replacing(#/ expires [0-9dhms]+/#, with: "")
        }
    }

    /// Tells some lines that differ, not thousands.
    private func expectSame(
        _ one: [String], _ other: [String], _ comment: Comment, location: SourceLocation = #_sourceLocation
    ) {
        let difference = Set(one).symmetricDifference(other).sorted().prefix(6)
        #expect(difference == [] && one.count > 1000, comment, sourceLocation: location)
        let isSame = one == other
        #expect(isSame, comment, sourceLocation: location)
    }
}
