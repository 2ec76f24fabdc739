import KubernetesModel
import NetworkTypes
import Reconciliation
import ServiceDataplane
import ServicePolicy
import Testing

/// `--bind-address` over what the Node object says.
@Suite struct PrimaryAddressTests {
    private static func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    private static func desired(override: String?) throws -> DesiredState {
        var node = Node(name: "here")
        node.internalIPs = [try address("10.0.0.1"), try address("fd00::1")]
        var settings = NodeSettings(nodeName: "here")
        settings.primaryAddress = try override.map(address)
        var desired = DesiredState(
            options: DataplaneOptions(), settings: settings, host: HostFacts(addresses: []))
        _ = desired.load([.applied(.node(node))])
        _ = desired.tables()
        return desired
    }

    @Test(arguments: [
        (nil, ["10.0.0.1", "fd00::1"]), ("10.0.0.9", ["10.0.0.9", "fd00::1"]), ("fd00::9", ["10.0.0.1", "fd00::9"]),
    ])
    func itTakesThePlaceOfTheAddressOfItsFamily(_ override: String?, _ expected: [String]) throws {
        let desired = try Self.desired(override: override)
        // For node ports, and for source ranges that hold the node.
        #expect(desired.nodePortAddresses.map(\.description) == expected)
        #expect(desired.nodeContext.addresses.map(\.description) == expected)
    }

    private static let ordinary = ["10.0.0.1", "10.0.0.2", "127.0.0.1", "fd00::1", "fd00::2", "fe80::1", "::1"]

    private static func desired(
        _ own: [String], override: String? = nil, host: [String] = ordinary
    ) throws -> DesiredState {
        var node = Node(name: "here")
        node.internalIPs = try own.map(address)
        var settings = NodeSettings(nodeName: "here")
        settings.primaryAddress = try override.map(address)
        let addresses = try host.map(address)
        var desired = DesiredState(
            options: DataplaneOptions(), settings: settings,
            host: HostFacts(addresses: addresses))
        _ = desired.load([.applied(.node(node))])
        _ = desired.tables()
        return desired
    }

    private static func openFamilies(_ desired: DesiredState) -> [String] {
        desired.nodeFindings.filter { $0.code == "no-primary-address" }.map(\.message)
    }

    @Test("bindAddress 127.0.0.1 leaves IPv4 with node ports on all its addresses, and a finding says so")
    func loopback() throws {
        let desired = try Self.desired(["10.0.0.1", "fd00::1"], override: "127.0.0.1")
        #expect(desired.nodePortAddresses.map(\.description) == ["10.0.0.1", "10.0.0.2", "fd00::1"])
        let messages = Self.openFamilies(desired)
        #expect(messages.count == 1)
        #expect(messages.first?.hasPrefix("--bind-address 127.0.0.1 is a loopback address: ") == true, "\(messages)")
        #expect(messages.first?.contains("node ports are served on all addresses of IPv4") == true, "\(messages)")
    }

    @Test("a Node without an address of one family has node ports on all addresses of it, and a finding says so")
    func missingFamily() throws {
        let desired = try Self.desired(["10.0.0.2"])
        #expect(desired.nodePortAddresses.map(\.description) == ["10.0.0.2", "fd00::1", "fd00::2"])
        let messages = Self.openFamilies(desired)
        #expect(messages.count == 1)
        #expect(
            messages.first?.hasPrefix("has no address of IPv6: node ports are served on all") == true, "\(messages)")
    }

    @Test("a host that has no ordinary address of the family is not worth a finding")
    func singleStack() throws {
        let desired = try Self.desired(["10.0.0.1"], host: ["10.0.0.1", "127.0.0.1", "::1", "fe80::1"])
        #expect(desired.nodePortAddresses.map(\.description) == ["10.0.0.1"])
        #expect(Self.openFamilies(desired).isEmpty)
    }

    @Test(
        "words and ranges of nodePortAddresses are joined; a family that has none of them is open",
        arguments: [
            (["primary", "10.0.0.2/32"], ["10.0.0.1", "10.0.0.2", "fd00::1"]),
            (["10.0.0.2/32", "primary"], ["10.0.0.1", "10.0.0.2", "fd00::1"]),
            (["primary", "localhost"], ["10.0.0.1", "fd00::1"]), (["localhost"], []),
            (["primary", "fe80::/10"], ["10.0.0.1", "fd00::1", "fe80::1"]),
            (["all", "primary"], ["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"]),
            (["all", "fe80::/10"], ["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2", "fe80::1"]),
            (["all", "localhost"], ["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"]),
            (["10.0.0.2/32"], ["10.0.0.2", "fd00::1", "fd00::2"]),
            (["10.0.0.2/32", "localhost"], ["10.0.0.2"]), (["::1/128", "primary"], ["10.0.0.1", "fd00::1"]),
        ])
    func mixes(_ words: [String], _ expected: [String]) throws {
        var node = Node(name: "here")
        node.internalIPs = [try Self.address("10.0.0.1"), try Self.address("fd00::1")]
        let addresses = NodePortAddresses(words: words)
        let host = try Self.ordinary.map(Self.address)
        #expect(addresses.choose(node: node, host: host) { _ in nil }.map(\.description) == expected)
        #expect(addresses.familiesWithoutPrimary(node: node, host: host) { _ in nil } == [])
    }

    @Test("a family without a primary address is not open where a range or a word stands for it")
    func mixWithoutPrimary() throws {
        var node = Node(name: "here")
        node.internalIPs = [try Self.address("10.0.0.1")]
        let host = try Self.ordinary.map(Self.address)
        for (words, expected, open) in [
            (["primary"], ["10.0.0.1", "fd00::1", "fd00::2"], [IPFamily.ipv6]),
            (["primary", "localhost"], ["10.0.0.1"], []), (["primary", "fd00::2/128"], ["10.0.0.1", "fd00::2"], []),
            (["primary", "10.0.0.2/32"], ["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"], [.ipv6]),
        ] {
            let addresses = NodePortAddresses(words: words)
            #expect(addresses.choose(node: node, host: host) { _ in nil }.map(\.description) == expected, "\(words)")
            #expect(addresses.familiesWithoutPrimary(node: node, host: host) { _ in nil } == open, "\(words)")
            #expect(addresses.familiesWithoutBlock == [])
        }
    }
}
