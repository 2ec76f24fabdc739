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
            options: DataplaneOptions(), settings: settings, host: HostFacts(addresses: { [] }, outgoing: { _ in nil }))
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

    @Test func loopbackAcceptsNoNodePorts() throws {
        let desired = try Self.desired(override: "127.0.0.1")
        #expect(desired.nodePortAddresses.map(\.description) == ["fd00::1"])
    }
}
