import KubernetesModel
import NetworkTypes
import ServicePolicy

/// Which nodes belong in the pool of a load balancer outside the cluster, for one port of a Service in one family.
public struct NodePool: Hashable, Sendable {
    /// Why a node is to get new connections, or is not.
    public enum Standing: String, Hashable, Sendable, CaseIterable {
        /// Gets connections, as all nodes do: the policy is Cluster.
        case everyNode
        /// Gets connections: it has ready endpoints, and the policy prefers nodes that have some.
        case readyEndpoints
        /// Gets connections: no node has a ready endpoint, and endpoints of this one still serve while they terminate.
        case terminatingEndpoints
        /// Out: the policy is Local and the node has no endpoint that could serve.
        case noEndpoint
        /// Out: the label `node.kubernetes.io/exclude-from-external-load-balancers`.
        case excluded
        /// Out: `metadata.deletionTimestamp` is set.
        case beingDeleted
        /// Out: the cluster autoscaler is about to remove the node (taint `ToBeDeletedByClusterAutoscaler`).
        case tainted
        /// Out: a taint by which the node's operator drains it (`--drain-taints`).
        case draining
        /// Out: the Node object has no address of the family.
        case noAddress

        /// Whether the node is to get new connections.
        public var isIn: Bool { [.everyNode, .readyEndpoints, .terminatingEndpoints].contains(self) }
    }

    /// A node of the cluster.
    public struct Member: Hashable, Sendable {
        /// The name of the Node.
        public var node: String
        /// Where the load balancer reaches the node port: the first `InternalIP`, else the first `ExternalIP`.
        public var address: IPAddress?
        /// In or out, and why.
        public var standing: Standing
        /// The node's share of new connections in relation to the others'; 0 for a node that is out.
        public var weight: Int
        /// The ready endpoints on the node whose weight is not 0.
        public var readyEndpoints: Int
        /// The endpoints on the node that terminate but still serve, and whose weight is not 0.
        public var terminatingEndpoints: Int
    }

    /// The Service.
    public var service: ObjectKey
    /// The port of the Service; its `nodePort` is the one to send to.
    public var port: ServicePort
    /// The family of all addresses here.
    public var family: IPFamily
    /// `spec.externalTrafficPolicy`.
    public var policy: Service.TrafficPolicy
    /// `spec.healthCheckNodePort`; 0 if there is none.
    public var healthCheckNodePort: UInt16
    /// All nodes, sorted by name.
    public var members: [Member]
}

extension NodePool {
    /// Makes the pool of a Service port.
    ///
    /// Which nodes are out whatever they have is the rule of Kubernetes' service controller (KEP-3458): the exclusion label,
    /// a node that is being deleted, and the autoscaler's taint. Nodes that are cordoned or not ready stay: they go on
    /// serving, and whether they do is for health checks to say.
    ///
    /// Under Local a node weighs as much as it has ready endpoints, or where EndpointSlices have weights as much as those do together. If
    /// none has any, endpoints that still serve while they
    /// terminate keep their nodes in, as they keep serving on the node (KEP-1669). The annotation that prefers local endpoints
    /// (`Service.preferLocal`) does the same, but without endpoints all nodes are in.
    ///
    /// - Parameters:
    ///   - service: The Service.
    ///   - port: One of its ports.
    ///   - family: The family.
    ///   - slices: The EndpointSlices of the Service, and of no other.
    ///   - nodes: All nodes.
    ///   - drainTaints: The taints that take a node out.
    public init(
        service: Service, port: ServicePort, family: IPFamily, slices: [EndpointSlice], nodes: [Node],
        drainTaints: DrainTaints = DrainTaints()
    ) {
        self.service = service.key
        self.port = port
        self.family = family
        policy = service.externalTrafficPolicy
        healthCheckNodePort = service.healthCheckNodePort
        let census = EndpointCensus(port: port, family: family, slices: slices)
        members = nodes.sorted { $0.name < $1.name }.map { node in
            Member(
                node: node.name, address: node.primaryAddress(family),
                standing: node.obstacle(family, drainTaints) ?? .everyNode,
                weight: 0, readyEndpoints: census.ready[node.name] ?? 0,
                terminatingEndpoints: census.terminating[node.name] ?? 0)
        }
        let prefersLocal = service.annotations[Service.externalTrafficAnnotation] == Service.preferLocal
        if policy == .local || prefersLocal { favourEndpoints(isStrict: policy == .local) }
        for index in members.indices { members[index].weight = members[index].ownWeight(census) }
    }

    /// Lets only nodes with endpoints in.
    ///
    /// - Parameter isStrict: whether nobody is in if no node has an endpoint; else all are.
    private mutating func favourEndpoints(isStrict: Bool) {
        let candidates = members.indices.filter { members[$0].standing.isIn }
        let ready = candidates.filter { members[$0].readyEndpoints > 0 }
        let serving = candidates.filter { members[$0].terminatingEndpoints > 0 }
        if ready.isEmpty && serving.isEmpty && !isStrict { return }
        for index in candidates { members[index].standing = .noEndpoint }
        for index in ready { members[index].standing = .readyEndpoints }
        if ready.isEmpty { for index in serving { members[index].standing = .terminatingEndpoints } }
    }
}

extension NodePool.Member {
    fileprivate func ownWeight(_ census: EndpointCensus) -> Int {
        switch standing {
        case .everyNode: 1
        case .readyEndpoints: census.readyWeight[node] ?? 0
        case .terminatingEndpoints: census.terminatingWeight[node] ?? 0
        case .noEndpoint, .excluded, .beingDeleted, .tainted, .draining, .noAddress: 0
        }
    }
}

extension Node {
    /// The taint by which the cluster autoscaler says that it is about to remove a node.
    private static let deletionTaint = "ToBeDeletedByClusterAutoscaler"

    /// What keeps the node out of every pool.
    fileprivate func obstacle(_ family: IPFamily, _ drainTaints: DrainTaints) -> NodePool.Standing? {
        if isExcludedFromLoadBalancers { return .excluded }
        if isBeingDeleted { return .beingDeleted }
        if taints.contains(Self.deletionTaint) { return .tainted }
        if drainTaints.first(of: self) != nil { return .draining }
        return primaryAddress(family) == nil ? .noAddress : nil
    }
}
