import KubernetesModel
import Netfilter
import NetworkTypes
import ServicePolicy

/// Short names for addresses, keys and elements.
public enum Scene {
    /// Both families.
    public static let families: [IPFamily] = [.ipv4, .ipv6]

    /// The address `10.0.<block>.<number>` or `fd00::<block>:<number>`.
    public static func address(_ family: IPFamily, _ block: Int, _ number: Int) -> IPAddress {
        switch family {
        case .ipv4: .v4(IPv4Address(rawValue: 0x0A00_0000 | UInt32(block) << 8 | UInt32(number)))
        case .ipv6: .v6(IPv6Address(high: 0xFD00 << 48, low: UInt64(block) << 16 | UInt64(number)))
        }
    }

    /// Backends with addresses of block 1.
    public static func backends(_ family: IPFamily, _ numbers: some Sequence<Int>, port: UInt16 = 8080) -> [Backend] {
        numbers.map { Backend(address: address(family, 1, $0), port: port) }
    }

    /// The key of `address . tcp . port` (or another protocol), or with nil `tcp . port`.
    public static func frontend(
        _ address: IPAddress?, _ port: UInt16, _ transport: TransportProtocol = .tcp
    ) -> KeyBuilder {
        var key = KeyBuilder()
        if let address { key.append(address) }
        key.append(transport)
        key.append(port: port)
        return key
    }

    /// A port with a ClusterIP frontend and these endpoints, all of them usable.
    public static func port(
        _ family: IPFamily, clusterIP: Int = 1, cluster: [Int], local: [Int] = [], number: UInt16 = 80
    ) -> ResolvedServicePort {
        var port = ResolvedServicePort(name: "", transport: .tcp, family: family)
        port.frontends = [Frontend(kind: .clusterIP, address: address(family, 0, clusterIP), port: number)]
        port.clusterPool = backends(family, cluster)
        port.localPool = backends(family, local)
        port.usable = backends(family, Set(cluster + local).sorted())
        return port
    }

    /// A Service with ports.
    public static func service(
        _ name: String, created: String = "", _ ports: ResolvedServicePort...
    ) -> ResolvedService {
        ResolvedService(key: key(name), creationTimestamp: created, ports: ports)
    }

    /// `default/<name>`.
    public static func key(_ name: String) -> ObjectKey { ObjectKey(namespace: "default", name: name) }
}
