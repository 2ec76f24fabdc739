import KubernetesModel

/// Whether load balancers may count on the node, as far as its Node object says.
public enum NodeEligibility: Hashable, Sendable {
    /// Nothing speaks against it.
    case eligible
    /// `metadata.deletionTimestamp` is set.
    case beingDeleted
    /// The cluster autoscaler is about to remove the node.
    case tainted
    /// There are Node objects, but none of this node.
    case absent

    /// The taint by which the cluster autoscaler says that it is about to remove a node.
    public static let deletionTaint = "ToBeDeletedByClusterAutoscaler"

    /// Judges by the Node object.
    ///
    /// - Parameters:
    ///   - node: the node's own object.
    ///   - knowsNodes: whether there is a Node object at all. Where there is none, as with manifests of Services only,
    ///     the absence of this node's says nothing. kube-proxy, which always reads its Node from an API server, takes
    ///     the node for not eligible then.
    public init(of node: Node?, knowsNodes: Bool) {
        guard let node else {
            self = knowsNodes ? .absent : .eligible
            return
        }
        if node.isBeingDeleted {
            self = .beingDeleted
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
