import KubernetesModel
import NetworkTypes
import ServiceDataplane
import ServicePolicy

/// Addresses that stand for the words of a question.
extension Situation {
    /// What an interface is called when all that is known of it is that no pod is behind it. No interface can have the name.
    static let anotherInterface = "another interface"

    /// Whether the node itself has the address.
    func isOwn(_ address: IPAddress) -> Bool { address.isLoopback || ownAddresses.contains(address) }

    /// The address that the node goes out with.
    func ownAddress(_ family: IPFamily) -> IPAddress? {
        node.addresses.first { $0.family == family }
            ?? ownAddresses.filter { $0.family == family && !$0.isLoopback && !$0.isLinkLocal }.min()
    }

    /// Where a packet of the source comes from.
    ///
    /// Which interface that is matters only where pods are told by it. A source that is an endpoint on the node, or in its
    /// podCIDRs, is taken to come through a pod's interface; any other through another one.
    func origin(of source: IPAddress, interface: String?) -> Packet.Origin {
        if let interface { return .interface(interface) }
        if isOwn(source) { return .node }
        guard isLocalPod(source) else { return .interface(Self.anotherInterface) }
        return switch options.localDetector {
        case .clusterCIDRs, .nodeCIDRs: .interface(Self.anotherInterface)
        case .bridge(let bridge): .interface(bridge)
        // A star is in no name either.
        case .interfacePrefix(let prefix): .interface(prefix + "*")
        }
    }

    private func isLocalPod(_ address: IPAddress) -> Bool {
        let ranges = cluster.node(node.nodeName)?.podCIDRs ?? []
        return ranges.contains { $0.contains(address) } || endpoints(at: address).contains { $0.node == node.nodeName }
    }

    /// An address for documentation (RFC 5737, RFC 3849) that is in no range that is known.
    func unknownAddress(_ family: IPFamily) -> IPAddress? {
        let candidates =
            family == .ipv4 ? ["198.51.100.1", "203.0.113.1", "192.0.2.1"] : ["2001:db8::1", "2001:db8:ffff::1"]
        let ranges = dataplane.node.clusterCIDRs + dataplane.node.serviceCIDRs + cluster.nodes.flatMap(\.podCIDRs)
        return candidates.compactMap { IPAddress($0) }.first { address in
            !isNodeAddress(address) && !ranges.contains { $0.contains(address) } && endpoints(at: address).isEmpty
        }
    }

    /// An address of the node's pods that no endpoint has.
    func podAddress(_ family: IPFamily) -> IPAddress? {
        let own = (cluster.node(node.nodeName)?.podCIDRs ?? []) + dataplane.node.clusterCIDRs
        guard let range = own.first(where: { $0.family == family }) else { return nil }
        // The last but one: the last is for broadcast.
        var address = range.lastAddress
        for _ in 0..<64 {
            guard let previous = address.predecessor, range.contains(previous) else { return nil }
            address = previous
            if endpoints(at: address).isEmpty && !isOwn(address) { return address }
        }
        return nil
    }

    /// The ports of a Service in words.
    func portList(_ key: ObjectKey, _ family: IPFamily) -> String {
        Explainer.list(ports(of: key, family), most: 8)
    }
}

extension IPAddress {
    /// The address before; nil before the first one.
    fileprivate var predecessor: IPAddress? {
        switch self {
        case .v4(let address): address.rawValue == 0 ? nil : .v4(IPv4Address(rawValue: address.rawValue - 1))
        case .v6(let address):
            if address.low > 0 {
                .v6(IPv6Address(high: address.high, low: address.low - 1))
            } else {
                address.high == 0 ? nil : .v6(IPv6Address(high: address.high - 1, low: .max))
            }
        }
    }
}
