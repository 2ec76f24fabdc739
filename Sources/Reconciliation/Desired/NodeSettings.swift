import KubernetesModel
import NetworkTypes

/// Which addresses of the node accept node ports (`--nodeport-addresses`): any mix of words and blocks, as kube-proxy 1.37 takes
/// it. What several of them give is joined.
public struct NodePortAddresses: Hashable, Sendable {
    /// The Node object's first address of each family: `InternalIP`, else `ExternalIP`; without a Node object the
    /// address that the node itself reaches the outside world from (`primary`).
    public var takesPrimary = false
    /// Every address of the node but loopback and link-local ones (`all`).
    public var takesAll = false
    /// The addresses of the node within these blocks; loopback never.
    public var blocks: [CIDR] = []

    /// `primary` alone. Of a family without such an address, or with a loopback one, all as with `all`: so it is with
    /// kube-proxy 1.36.
    public static let primary = NodePortAddresses(words: ["primary"])
    /// `all` alone.
    public static let all = NodePortAddresses(words: ["all"])
    /// Blocks alone. Of a family without a block, all as with `all`: so it is with kube-proxy.
    public static func within(_ blocks: [CIDR]) -> NodePortAddresses {
        var addresses = NodePortAddresses(words: [])
        addresses.blocks = blocks
        return addresses
    }

    /// The loopback addresses of both families, which `localhost` stands for.
    public static let loopback: [CIDR] = ["127.0.0.0/8", "::1/128"].compactMap { CIDR($0) }

    /// Reads words and blocks; what is neither is left out.
    public init(words: [String]) {
        for word in words {
            switch word {
            case "primary": takesPrimary = true
            case "all": takesAll = true
            case "localhost": blocks += Self.loopback
            default: if let block = CIDR(word) { blocks.append(block) }
            }
        }
    }

    /// Chooses among the node's addresses.
    ///
    /// - Parameters:
    ///   - node: the Node object, if it is known.
    ///   - host: the addresses of the node's interfaces.
    ///   - override: what takes the place of the first address of its family (`--bind-address`).
    ///   - outgoing: the address of a family by the default route.
    /// - Returns: IPv4 first, in each family the primary address first and then by value; each address once.
    public func choose(
        node: Node?, host: [IPAddress], override: IPAddress? = nil, outgoing: (IPFamily) -> IPAddress?
    ) -> [IPAddress] {
        IPFamily.allCases.flatMap { family in
            let primary =
                takesPrimary ? Self.primary(family, node: node, override: override, outgoing: outgoing) : nil
            let isOpen = takesAll || primary == nil && !hasBlock(family)
            let others = host.filter { address in
                address.family == family && address != primary
                    && (isOpen && Self.isOrdinary(address)
                        || !address.isLoopback && blocks.contains { $0.contains(address) })
            }
            return (primary.map { [$0] } ?? []) + Set(others).sorted()
        }
    }

    /// The families that have node ports on all addresses of the node although `primary` is asked for: there is no primary
    /// address of theirs, and no block. Those that the node has no ordinary address of are left out.
    public func familiesWithoutPrimary(
        node: Node?, host: [IPAddress], override: IPAddress? = nil, outgoing: (IPFamily) -> IPAddress?
    ) -> [IPFamily] {
        guard takesPrimary, !takesAll else { return [] }
        return IPFamily.allCases.filter { family in
            Self.primary(family, node: node, override: override, outgoing: outgoing) == nil && !hasBlock(family)
                && host.contains { $0.family == family && Self.isOrdinary($0) }
        }
    }

    private func hasBlock(_ family: IPFamily) -> Bool { blocks.contains { $0.family == family } }

    private static func primary(
        _ family: IPFamily, node: Node?, override: IPAddress?, outgoing: (IPFamily) -> IPAddress?
    ) -> IPAddress? {
        let override = override.flatMap { $0.family == family ? $0 : nil }
        let address = override ?? node.map { $0.primaryAddress(family) } ?? outgoing(family)
        return address.flatMap { $0.isLoopback || $0.isUnspecified ? nil : $0 }
    }

    /// The families that blocks were given for the other one of only.
    public var familiesWithoutBlock: [IPFamily] {
        takesPrimary || takesAll ? [] : IPFamily.allCases.filter { !hasBlock($0) }
    }

    /// Whether other hosts may be expected to use the address.
    public static func isOrdinary(_ address: IPAddress) -> Bool { !address.isLoopback && !address.isLinkLocal }

    /// The blocks that hold loopback addresses, where no node port is ever served. Not those of a whole family: they stand
    /// for all addresses that there are to be had.
    public var blocksWithLoopback: [CIDR] {
        blocks.filter { block in
            block.prefixLength > 0 && Self.loopback.contains { $0.contains(block) || block.contains($0) }
        }
    }
}

/// What the operator decides about this node.
public struct NodeSettings: Hashable, Sendable {
    /// The node's name in the cluster.
    public var nodeName: String
    /// Which addresses accept node ports.
    public var nodePortAddresses: NodePortAddresses
    /// What the node's primary address of its family is, whatever its Node object says (`--bind-address`).
    public var primaryAddress: IPAddress?
    /// Whether `spec.externalIPs` of Services are served (`AllowServiceExternalIPs`, `--no-external-ips`).
    public var servesExternalIPs = true
    /// Whether established TCP connections to endpoints that are gone are reset (`--reset-gone-endpoints`).
    public var resetsGoneEndpoints = false
    /// Whether the kernel can hand packets on as they are, which direct return needs.
    public var canHandOn = true
    /// The taints by which the operator takes the node out of load balancers (`--drain-taints`).
    public var drainTaints = DrainTaints()

    /// Makes settings.
    public init(nodeName: String, nodePortAddresses: NodePortAddresses = .primary) {
        self.nodeName = nodeName
        self.nodePortAddresses = nodePortAddresses
    }
}

/// What this node's interfaces and routes have at one time. Whoever can look at them does, and hands it over.
public struct HostFacts: Hashable, Sendable {
    /// The addresses of all interfaces; nil if they could not be read.
    public var addresses: [IPAddress]?
    /// The address that the default route of a family gives; absent if there is none.
    public var primaries: [IPFamily: IPAddress]
    /// The names of all interfaces; nil if they are not known.
    public var interfaces: [String]?

    /// Makes facts.
    public init(
        addresses: [IPAddress]?, primaries: [IPFamily: IPAddress] = [:], interfaces: [String]? = nil
    ) {
        self.addresses = addresses
        self.primaries = primaries
        self.interfaces = interfaces
    }

    /// The address that the default route of the family gives.
    public func outgoing(_ family: IPFamily) -> IPAddress? { primaries[family] }
}
