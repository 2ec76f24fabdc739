import Netfilter
import NetworkTypes

/// The elements that belong to the node and to the cluster as a whole, not to a Service.
enum NodeElements {
    static func all(_ node: NodeData, _ family: IPFamily) -> [(set: SetID, elements: [Element])] {
        [
            (.nodePortAddresses, addresses(node.nodePortAddresses, family)),
            // Services share this set with the node.
            (.frontendAddresses, addresses(node.nodePortAddresses, family)),
            (.serviceCIDRs, intervals(node.serviceCIDRs, family)),
            (.clusterCIDRs, intervals(node.clusterCIDRs, family)),
        ]
    }

    private static func addresses(_ addresses: [IPAddress], _ family: IPFamily) -> [Element] {
        Set(addresses).filter { $0.family == family }.sorted().map { address in
            var key = KeyBuilder()
            key.append(address)
            return Element(key.key)
        }
    }

    /// The ranges of a family as elements of a set of intervals.
    static func intervals(_ blocks: [CIDR], _ family: IPFamily) -> [Element] {
        joined(blocks.filter { $0.family == family }).map { range in
            var first = KeyBuilder()
            first.append(range.first)
            var last = KeyBuilder()
            last.append(range.last)
            return Element(first.key, to: last.key)
        }
    }

    /// The blocks of one family as ranges that neither overlap nor touch: the kernel refuses overlaps.
    static func joined(_ blocks: [CIDR]) -> [(first: IPAddress, last: IPAddress)] {
        var result: [(first: IPAddress, last: IPAddress)] = []
        for block in CIDR.collapsed(blocks) {
            if let last = result.last, last.last.successor == block.address {
                result[result.count - 1].last = block.lastAddress
            } else {
                result.append((block.address, block.lastAddress))
            }
        }
        return result
    }
}

extension IPAddress {
    /// The next address; nil after the last one.
    public var successor: IPAddress? {
        switch self {
        case .v4(let address):
            address.rawValue == .max ? nil : .v4(IPv4Address(rawValue: address.rawValue + 1))
        case .v6(let address):
            if address.low < .max {
                .v6(IPv6Address(high: address.high, low: address.low + 1))
            } else {
                address.high == .max ? nil : .v6(IPv6Address(high: address.high + 1, low: 0))
            }
        }
    }
}
