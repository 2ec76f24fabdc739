import KubernetesModel

/// How connections from outside to the external and load balancer IPs of a port are served under direct return (the annotation
/// `fairlead.dev/external-traffic: direct-return`): every node picks the same endpoint for a connection, and hands packets for one
/// that is on another node on as they are; that node answers the client directly.
public struct DirectReturn: Hashable, Sendable {
    /// The endpoints that connections are spread over: those that are ready on any node, whatever hints say; if none is, those that
    /// terminate but still serve. Sorted, each once: the same on every node.
    public var members: [Backend]
    /// Whether new connections stay on this node: `externalTrafficPolicy` is Local, and the node has an endpoint for it.
    public var keepsLocal: Bool

    /// The most endpoints that are spread over: beyond that many too few slots are left for each.
    public static let largestPool = 2048

    /// The most external and load balancer frontends of a Service in one family: each has a table of its own, and all of a Service
    /// come in one transaction.
    public static let mostFrontends = 16

    /// Makes a value from its parts.
    public init(members: [Backend], keepsLocal: Bool) {
        self.members = members
        self.keepsLocal = keepsLocal
    }

    /// Why direct return has no effect on a port in a family.
    enum Obstacle: Hashable, Sendable {
        /// There is neither an external nor a load balancer IP.
        case noAddress
        /// An endpoint names no node: nobody can say which one answers for it.
        case endpointWithoutNode(Backend)
        /// More endpoints than `largestPool`.
        case tooManyEndpoints(Int)
        /// More frontends than `mostFrontends`.
        case tooManyFrontends(Int)
        /// The kernel of this node cannot hand packets on.
        case unableKernel
    }
}

extension ResolvedServicePort {
    /// Whether the port has a frontend that direct return applies to: an external or a load balancer IP.
    var hasExternalAddress: Bool { frontends.contains { $0.servesDirectReturn } }
}

extension Frontend {
    /// Whether direct return applies to the frontend: to external and load balancer IPs, not to ClusterIPs and node ports.
    public var servesDirectReturn: Bool { kind == .externalIP || kind == .loadBalancerIP }
}
