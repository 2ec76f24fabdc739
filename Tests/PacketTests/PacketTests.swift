import FairleadTestKit
import NetworkTypes
import Testing

/// One expectation of one scenario.
struct PacketCase: Sendable, CustomTestStringConvertible {
    var scenario: String
    var numbers: Numbers
    var expectation: Expectation

    static func all(_ scenarios: [Scenario]) -> [PacketCase] {
        scenarios.enumerated().flatMap { offset, scenario in
            scenario.expectations.map {
                PacketCase(scenario: scenario.name, numbers: Numbers(index: offset + 1), expectation: $0)
            }
        }
    }

    var testDescription: String {
        let sources = expectation.sources.joined(separator: ", ")
        let targets = expectation.targets.map(\.description).joined(separator: ", ")
        return "\(scenario): from \(sources) to \(targets): \(expectation.verdict)"
    }

    func check(in scene: Scene) async throws {
        let complaints = try await scene.check(expectation, numbers)
        if !complaints.isEmpty {
            Issue.record(
                "\(testDescription)\nbut\n  \(complaints.joined(separator: "\n  "))\n(Service \(numbers.name))")
        }
    }
}

/// The clusters of a table of scenarios: one where `apply` has made the rules, one where `run` has arrived at them by changes.
/// Each is raised when it is needed.
struct PacketTable: Sendable {
    /// The scenarios.
    let scenarios: [Scenario]
    private let applied: Shared<Scene>
    private let running: Shared<Scene>

    init(_ scenarios: [Scenario], options: [String] = [], nodes: String = Manifest.cluster) {
        self.scenarios = scenarios
        applied = Shared { () async throws(TestKitError) in
            try await Scene.make(scenarios, options: options, nodes: nodes)
        }
        running = Shared { () async throws(TestKitError) in
            try await Scene.make(scenarios, options: options, nodes: nodes, isDaemon: true)
        }
    }

    /// Its cases.
    var cases: [PacketCase] { PacketCase.all(scenarios) }

    func check(_ packetCase: PacketCase, _ mode: Mode) async throws {
        try await packetCase.check(in: mode == .apply ? applied.value() : running.value())
    }

    /// The cluster after `apply`.
    func appliedScene() async throws -> Scene { try await applied.value() }

    static let usual = PacketTable(
        policyScenarios + refusalScenarios + endpointScenarios + sliceScenarios + frontendScenarios
            + oddValueScenarios + weightScenarios)
    static let hints = PacketTable(
        hintScenarios,
        nodes: Manifest.documents([
            Manifest.node1(labels: ["topology.kubernetes.io/zone": "zone-a"]), Manifest.others,
        ]))
    static let sourceRanges = PacketTable(sourceRangeScenarios)
    static let masqueradeAll = PacketTable(masqueradeAllScenarios, options: ["--masquerade-all"])
    static let strictLocal = PacketTable(strictLocalScenarios, options: ["--strict-local"])
    static let secondAddress = ranges(secondAddressScenarios, "172.31.0.0/24,fd00:172:31::/64")
    static let rangedIPv4 = ranges(otherFamilyScenarios(ranged: .ipv4), "172.31.0.0/24")
    static let rangedIPv6 = ranges(otherFamilyScenarios(ranged: .ipv6), "fd00:172:31::/64")
    static let closedFamily = ranges(closedFamilyScenarios, "172.31.0.0/24,::1/128")
    static let allAddresses = ranges(allAddressScenarios, "all")

    private static func ranges(_ scenarios: [Scenario], _ ranges: String) -> PacketTable {
        PacketTable(scenarios, options: ["--nodeport-addresses", ranges])
    }

    /// Every table.
    static let all = [
        usual, hints, sourceRanges, masqueradeAll, strictLocal, secondAddress, rangedIPv4, rangedIPv6, closedFamily,
        allAddresses,
    ]
}

/// What becomes of packets, by the tables of scenarios: after `apply`, and under `run`.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct PacketTests {
    @Test("packets", arguments: Mode.allCases, PacketTable.usual.cases)
    func packets(_ mode: Mode, _ packetCase: PacketCase) async throws {
        try await PacketTable.usual.check(packetCase, mode)
    }

    @Test("packets in a zone", arguments: Mode.allCases, PacketTable.hints.cases)
    func zones(_ mode: Mode, _ packetCase: PacketCase) async throws {
        try await PacketTable.hints.check(packetCase, mode)
    }

    @Test("packets with loadBalancerSourceRanges", arguments: Mode.allCases, PacketTable.sourceRanges.cases)
    func sourceRanges(_ mode: Mode, _ packetCase: PacketCase) async throws {
        try await PacketTable.sourceRanges.check(packetCase, mode)
    }

    @Test("packets with --masquerade-all", arguments: Mode.allCases, PacketTable.masqueradeAll.cases)
    func masqueradeAll(_ mode: Mode, _ packetCase: PacketCase) async throws {
        try await PacketTable.masqueradeAll.check(packetCase, mode)
    }

    @Test("packets with --strict-local", arguments: Mode.allCases, PacketTable.strictLocal.cases)
    func strictLocal(_ mode: Mode, _ packetCase: PacketCase) async throws {
        try await PacketTable.strictLocal.check(packetCase, mode)
    }

    @Test("packets with --nodeport-addresses and ranges", arguments: Mode.allCases, PacketTable.secondAddress.cases)
    func secondAddress(_ mode: Mode, _ packetCase: PacketCase) async throws {
        try await PacketTable.secondAddress.check(packetCase, mode)
    }

    @Test(
        "packets with --nodeport-addresses and ranges of IPv4 only", arguments: Mode.allCases,
        PacketTable.rangedIPv4.cases)
    func rangedIPv4(_ mode: Mode, _ packetCase: PacketCase) async throws {
        try await PacketTable.rangedIPv4.check(packetCase, mode)
    }

    @Test(
        "packets with --nodeport-addresses and ranges of IPv6 only", arguments: Mode.allCases,
        PacketTable.rangedIPv6.cases)
    func rangedIPv6(_ mode: Mode, _ packetCase: PacketCase) async throws {
        try await PacketTable.rangedIPv6.check(packetCase, mode)
    }

    @Test(
        "packets with --nodeport-addresses and nothing but loopback of IPv6", arguments: Mode.allCases,
        PacketTable.closedFamily.cases)
    func closedFamily(_ mode: Mode, _ packetCase: PacketCase) async throws {
        try await PacketTable.closedFamily.check(packetCase, mode)
    }

    @Test("packets with --nodeport-addresses all", arguments: Mode.allCases, PacketTable.allAddresses.cases)
    func allAddresses(_ mode: Mode, _ packetCase: PacketCase) async throws {
        try await PacketTable.allAddresses.check(packetCase, mode)
    }

    @Test("connections spread evenly, an endpoint in two slices counts once", arguments: IPFamily.allCases)
    func spread(_ family: IPFamily) async throws {
        let name = "an endpoint in two slices counts, the entry that is not terminating wins"
        let scene = try await PacketTable.usual.appliedScene()
        let index = try #require(PacketTable.usual.scenarios.firstIndex { $0.name == name }) + 1
        let probe = Probe(.udp, to: Target.clusterIP.destination(Numbers(index: index), family))
        var tally = Tally()
        for _ in 0..<6 { tally.add(try await scene.cluster.localCaller.namespace.tally(probe, count: 100).outcomes) }
        // 600 tries: one in ten million spreads of a fair coin is further than 65 from 300; two to one would be at 400.
        let count = tally.servers["local-1"] ?? 0
        #expect((235...365).contains(count), "\(tally)")
    }
}
