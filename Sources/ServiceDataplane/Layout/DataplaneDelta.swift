import KubernetesModel
import NetworkTypes

/// What the node itself contributes to the tables' data.
public struct NodeData: Hashable, Sendable {
    /// The addresses of this node that accept node ports.
    public var nodePortAddresses: [IPAddress] = []
    /// The ranges that ClusterIPs are allocated from.
    public var serviceCIDRs: [CIDR] = []
    /// The ranges whose addresses count as in the cluster.
    public var clusterCIDRs: [CIDR] = []

    /// No address, no range.
    public init() {}
}

/// What a change of Services means beside the elements that change.
public struct ServiceEffects: Sendable {
    /// The code of all its findings.
    public static let contestedFrontend = "contested-frontend"

    /// Whether clients may be remembered for endpoints that their pool has no longer.
    public var leavesStaleClients = false
    /// Frontends that more than one Service claims, one finding for each Service that loses one.
    public var findings: [Finding] = []
    /// The Services that `findings` speaks for: what was found before of contested frontends of these is out of date.
    public var settled: Set<ObjectKey> = []
    /// The flows that may not go on as they are, once the tables are changed.
    public var staleFlows = StaleFlows()
}

/// What a change of Services means for tables that hold the state before it.
public struct DataplaneDelta: Sendable {
    /// The elements that change.
    public var tables = FamilyDeltas()
    /// Everything else.
    public var effects = ServiceEffects()
}
