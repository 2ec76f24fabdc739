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

/// `fairlead apply`, and then packets through the node.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct PacketTests {
    private static let usual =
        policyScenarios + refusalScenarios + endpointScenarios + sliceScenarios + frontendScenarios
    private static let scene = Shared { () async throws(TestKitError) in try await Scene.make(usual) }
    private static let masqueradeAllScene = Shared { () async throws(TestKitError) in
        try await Scene.make(masqueradeAllScenarios, options: ["--masquerade-all"])
    }
    private static let strictLocalScene = Shared { () async throws(TestKitError) in
        try await Scene.make(strictLocalScenarios, options: ["--strict-local"])
    }
    private static let secondAddressScene = Shared { () async throws(TestKitError) in
        let ranges = ["--nodeport-addresses", "172.31.0.0/24,fd00:172:31::/64"]
        return try await Scene.make(secondAddressScenarios, options: ranges)
    }
    private static func rangeScene(
        _ scenarios: [Scenario], _ ranges: String
    ) -> Shared<Scene> {
        Shared { () async throws(TestKitError) in
            try await Scene.make(scenarios, options: ["--nodeport-addresses", ranges])
        }
    }
    private static let rangedIPv4Scene = rangeScene(otherFamilyScenarios(ranged: .ipv4), "172.31.0.0/24")
    private static let rangedIPv6Scene = rangeScene(otherFamilyScenarios(ranged: .ipv6), "fd00:172:31::/64")
    private static let closedFamilyScene = rangeScene(closedFamilyScenarios, "172.31.0.0/24,::1/128")
    private static let allAddressScene = Shared { () async throws(TestKitError) in
        try await Scene.make(allAddressScenarios, options: ["--nodeport-addresses", "all"])
    }

    @Test("packets", arguments: PacketCase.all(usual))
    func packets(_ packetCase: PacketCase) async throws { try await packetCase.check(in: Self.scene.value()) }

    @Test("packets with --masquerade-all", arguments: PacketCase.all(masqueradeAllScenarios))
    func masqueradeAll(_ packetCase: PacketCase) async throws {
        try await packetCase.check(in: Self.masqueradeAllScene.value())
    }

    @Test("packets with --strict-local", arguments: PacketCase.all(strictLocalScenarios))
    func strictLocal(_ packetCase: PacketCase) async throws {
        try await packetCase.check(in: Self.strictLocalScene.value())
    }

    @Test("packets with --nodeport-addresses and ranges", arguments: PacketCase.all(secondAddressScenarios))
    func secondAddress(_ packetCase: PacketCase) async throws {
        try await packetCase.check(in: Self.secondAddressScene.value())
    }

    @Test(
        "packets with --nodeport-addresses and ranges of IPv4 only",
        arguments: PacketCase.all(otherFamilyScenarios(ranged: .ipv4)))
    func rangedIPv4(_ packetCase: PacketCase) async throws {
        try await packetCase.check(in: Self.rangedIPv4Scene.value())
    }

    @Test(
        "packets with --nodeport-addresses and ranges of IPv6 only",
        arguments: PacketCase.all(otherFamilyScenarios(ranged: .ipv6)))
    func rangedIPv6(_ packetCase: PacketCase) async throws {
        try await packetCase.check(in: Self.rangedIPv6Scene.value())
    }

    @Test(
        "packets with --nodeport-addresses and nothing but loopback of IPv6",
        arguments: PacketCase.all(closedFamilyScenarios))
    func closedFamily(_ packetCase: PacketCase) async throws {
        try await packetCase.check(in: Self.closedFamilyScene.value())
    }

    @Test("packets with --nodeport-addresses all", arguments: PacketCase.all(allAddressScenarios))
    func allAddresses(_ packetCase: PacketCase) async throws {
        try await packetCase.check(in: Self.allAddressScene.value())
    }

    @Test("connections spread evenly, an endpoint in two slices counts once", arguments: IPFamily.allCases)
    func spread(_ family: IPFamily) async throws {
        let name = "an endpoint in two slices counts, the entry that is not terminating wins"
        let scene = try await Self.scene.value()
        let index = try #require(Self.usual.firstIndex { $0.name == name }) + 1
        let probe = Probe(.udp, to: Target.clusterIP.destination(Numbers(index: index), family))
        var tally = Tally()
        for _ in 0..<6 { tally.add(try await scene.cluster.localCaller.namespace.tally(probe, count: 100).outcomes) }
        // 600 tries: one in ten million spreads of a fair coin is further than 65 from 300; two to one would be at 400.
        let count = tally.servers["local-1"] ?? 0
        #expect((235...365).contains(count), "\(tally)")
    }
}
