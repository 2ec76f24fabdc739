import NetworkTypes

/// What shapes the rules, as opposed to their data.
public struct DataplaneOptions: Hashable, Sendable {
    /// The name of the tables.
    public var tableName = "fairlead"
    /// The ranges of the cluster's pods (`--cluster-cidr`). Without one of a family no source of that family counts as
    /// in the cluster: nothing is masqueraded on its way to a ClusterIP, nothing but the node itself is short-circuited.
    public var clusterCIDRs: [CIDR] = []
    /// Masquerade everything that goes to a ClusterIP (`--masquerade-all`).
    public var masqueradeAll = false
    /// External Local policy also holds for pods and the node itself (`--strict-local`).
    public var strictLocal = false

    /// The defaults.
    public init() {}

    /// Whether sources of the family can be told to be in the cluster.
    public func detectsLocalTraffic(_ family: IPFamily) -> Bool { clusterCIDRs.contains { $0.family == family } }
}
