import KubernetesModel

/// Whether load balancers may count on the node, as far as its Node object says.
public enum NodeEligibility: Hashable, Sendable {
    /// Nothing speaks against it.
    case eligible
    /// `metadata.deletionTimestamp` is set.
    case beingDeleted
    /// The cluster autoscaler is about to remove the node.
    case tainted
    /// The node has a taint by which its operator drains it; the taint's key.
    case draining(String)
    /// There should be a Node object of this node, and is none.
    case absent

    /// The taint by which the cluster autoscaler says that it is about to remove a node.
    public static let deletionTaint = "ToBeDeletedByClusterAutoscaler"

    /// Judges by the Node object.
    ///
    /// - Parameters:
    ///   - node: the node's own object.
    ///   - isMissing: whether it should be there if it is not: an API server has a Node for each node. Where there is no Node
    ///     object at all, as with manifests of Services only, or while not everything has been read, the absence of this
    ///     node's says nothing.
    ///   - drainTaints: the taints that take the node out.
    public init(of node: Node?, isMissing: Bool, drainTaints: DrainTaints = DrainTaints()) {
        guard let node else {
            self = isMissing ? .absent : .eligible
            return
        }
        if node.isBeingDeleted {
            self = .beingDeleted
        } else if let key = drainTaints.first(of: node) {
            self = .draining(key)
        } else {
            self = node.taints.contains(Self.deletionTaint) ? .tainted : .eligible
        }
    }
}

/// Whether the proxy does its work, by kube-proxy's rules: it is healthy unless a change has been waiting for too long.
public struct HealthState: Hashable, Sendable {
    /// A change that has not been applied for that long makes the proxy unhealthy: twice kube-proxy's `syncPeriod`.
    public var patience: Duration = .seconds(60)

    /// When the kernel was last known to hold what is wanted; nil before the first time.
    public private(set) var lastUpdated: Moment?
    /// Since when a change has been waiting.
    public private(set) var oldestPending: Moment?
    /// What the Node object says.
    public var eligibility = NodeEligibility.eligible

    /// The taint by which the node's operator drains it; also of a node that is being deleted.
    public var drainTaint: String?

    /// Before the first synchronization.
    public init() {}

    /// A change is there, and not yet applied.
    public mutating func queued(at now: Moment) { if oldestPending == nil { oldestPending = now } }

    /// Everything that was queued is applied.
    public mutating func applied(at now: Moment) {
        oldestPending = nil
        lastUpdated = now
    }

    /// Whether the proxy does its work, whatever becomes of the node. Not before the first synchronization: until then
    /// the node may forward nothing. (kube-proxy calls itself healthy while it starts.)
    public func isHealthy(at now: Moment) -> Bool {
        guard lastUpdated != nil else { return false }
        guard let oldestPending else { return true }
        return now.uptime - oldestPending.uptime < patience
    }
}
