import NetworkTypes

/// What shapes the rules, as opposed to their data.
public struct DataplaneOptions: Hashable, Sendable {
    /// The name of the tables.
    public var tableName = "fairlead"
    /// How a source is told to be in the cluster. If it cannot be told for a family, no source of that family counts as in
    /// the cluster: nothing is masqueraded on its way to a ClusterIP, nothing but the node itself is short-circuited.
    public var localDetector = LocalDetector.clusterCIDRs([])
    /// Masquerade everything that goes to a ClusterIP (`--masquerade-all`).
    public var masqueradeAll = false
    /// Keep the source of connections from outside whose endpoint is on this node, under external Cluster policy too
    /// (`--preserve-local-source`).
    public var preservesLocalSource = false
    /// Accept node ports on 127.0.0.1 (`--localhost-nodeports`).
    public var servesLocalhostNodePorts = false
    /// Count the new connections of each frontend (`--service-counters`).
    public var countsConnections = false
    /// Count bytes and packets of each frontend's connections (`--service-traffic`).
    public var countsTraffic = false
    /// Drop packets of service traffic that conntrack calls INVALID (not with `--conntrack-tcp-be-liberal`).
    public var dropsInvalid = true
    /// External Local policy also holds for pods and the node itself (`--strict-local`).
    public var strictLocal = false

    /// The defaults.
    public init() {}
}
