import Netfilter
import NetworkTypes
import ServiceDataplane

/// The maps of kube-proxy's nftables mode whose keys are frontends with an endpoint, and the sets of Fairlead that a frontend
/// must be in one of to be served alike.
enum KubeProxyFrontends: CaseIterable, Sendable {
    /// Address, protocol and port.
    case addresses
    /// Protocol and port of a node port.
    case nodePorts

    /// The map of kube-proxy.
    var map: String {
        switch self {
        case .addresses: "service-ips"
        case .nodePorts: "service-nodeports"
        }
    }

    /// The names of the sets of Fairlead's table that have frontends of this kind as keys.
    var sets: Set<String> {
        let (pools, refusals): ([PoolKind], [SetID]) =
            switch self {
            case .addresses:
                (
                    [.services, .localServices],
                    [.rejectServices, .dropServices, .dropEmptyServices, .dropOutsideServices]
                )
            case .nodePorts:
                ([.nodePorts, .localNodePorts], [.rejectNodePorts, .dropEmptyNodePorts, .dropOutsideNodePorts])
            }
        return Set(pools.flatMap(\.memberSetNames) + refusals.map(\.name))
    }

    /// The text of a key: `10.96.0.10:53/udp`. Fields are padded to four bytes, numbers in network byte order.
    func text(_ key: [UInt8], _ family: IPFamily) -> String {
        var bytes = key[...]
        var address = ""
        if self == .addresses {
            let width = family == .ipv4 ? 4 : 16
            guard bytes.count >= width else { return "?" }
            address = Self.address(bytes.prefix(width)).description
            if family == .ipv6 { address = "[\(address)]" }
            bytes = bytes.dropFirst(width)
        }
        guard bytes.count == 8 else { return "?" }
        let field = Array(bytes)
        let transport = TransportProtocol(rawValue: field[0]).map { "\($0)" } ?? "protocol \(field[0])"
        return "\(address):\(UInt16(field[4]) << 8 | UInt16(field[5]))/\(transport)"
    }

    private static func address(_ bytes: ArraySlice<UInt8>) -> IPAddress {
        func number<Value: FixedWidthInteger>(_ part: ArraySlice<UInt8>) -> Value {
            part.reduce(0) { $0 << 8 | Value($1) }
        }
        if bytes.count == 4 { return .v4(IPv4Address(rawValue: number(bytes))) }
        return .v6(IPv6Address(high: number(bytes.prefix(8)), low: number(bytes.dropFirst(8))))
    }
}
