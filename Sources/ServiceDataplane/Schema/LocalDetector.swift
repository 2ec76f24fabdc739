import NetworkTypes

/// How a source is told to be in the cluster (`--detect-local-mode`).
public enum LocalDetector: Hashable, Sendable {
    /// By its address: within the ranges of all pods (`ClusterCIDR`).
    case clusterCIDRs([CIDR])
    /// By its address: within the ranges of this node's pods, from the Node object (`NodeCIDR`).
    case nodeCIDRs
    /// By the bridge that it comes through (`BridgeInterface`).
    case bridge(String)
    /// By the name of the interface that it comes through, which begins with this (`InterfaceNamePrefix`).
    case interfacePrefix(String)

    /// Whether sources of the family can be told to be in the cluster.
    public func isActive(_ family: IPFamily) -> Bool {
        switch self {
        case .clusterCIDRs(let ranges): ranges.contains { $0.family == family }
        case .nodeCIDRs, .bridge, .interfacePrefix: true
        }
    }
}
