import KubernetesModel
import NetworkTypes

/// How connections from outside to the external and load balancer IPs of a port are served under direct return (the annotation
/// `fairlead.dev/external-traffic: direct-return`): every node picks the same endpoint for a connection, and hands packets for one
/// that is on another node on as they are; that node answers the client directly.
public struct DirectReturn: Hashable, Sendable {
    /// What new connections are spread over.
    public var spread: Spread
    /// The endpoints that connections are spread over.
    public var members: [Backend] { spread.members }
    /// Whether new connections stay on this node: `externalTrafficPolicy` is Local, and the node has an endpoint for it.
    public var keepsLocal: Bool

    /// The most endpoints that are spread over: beyond that many too few slots are left for each.
    public static let largestPool = 2048

    /// The most external and load balancer frontends of a Service in one family: each has a table of its own, and all of a Service
    /// come in one transaction.
    public static let mostFrontends = 16

    /// Makes a value from its parts.
    public init(_ spread: Spread, keepsLocal: Bool) {
        self.spread = spread
        self.keepsLocal = keepsLocal
    }

    /// Makes a value for endpoints that all weigh the same.
    public init(members: [Backend], keepsLocal: Bool) {
        self.init(Spread(members: members), keepsLocal: keepsLocal)
    }

    /// The endpoints that slots are dealt to: the same on every node.
    public struct Spread: Hashable, Sendable {
        /// Those that are ready on any node, whatever hints say; if none is, those that terminate but still serve. One with weight 0
        /// counts as not there; if no other is left, all that are usable, so that the connections that there are go on. Sorted, each once.
        public var members: [Backend]
        /// What each of them weighs; empty if all weigh the same.
        public var weights: [UInt16] = []
        /// What each usable endpoint weighs, those included that terminate or have weight 0; empty if all weigh the same.
        public var usableWeights: [UInt16] = []
        /// The addresses of ready endpoints with weight 0, which stay, unlike those that terminate; empty without weights.
        public var drained: [IPAddress] = []
        /// Whether no endpoint takes new connections, because all have weight 0.
        public var isDrained = false

        /// Makes a value for endpoints that all weigh the same.
        public init(members: [Backend]) { self.members = members }
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

extension DirectReturn.Spread {
    /// Reads it from the endpoints of a port.
    init(_ roster: EndpointRoster) {
        let usable = roster.candidates.filter { $0.traits.isUsable }
        func some(_ traits: EndpointTraits) -> [EndpointRoster.Candidate]? {
            let found = usable.filter { $0.traits.contains(traits) }
            return found.isEmpty ? nil : found
        }
        let taking = some([.ready, .takesNew]) ?? some(.takesNew)
        let chosen = taking ?? usable
        members = chosen.map(\.backend)
        isDrained = taking == nil && !usable.isEmpty
        guard roster.hasWeights else { return }
        weights = Self.weights(chosen)
        usableWeights = Self.weights(usable)
        drained = usable.filter { $0.traits.contains(.ready) && !$0.traits.contains(.takesNew) }.map(\.backend.address)
    }

    private static func weights(_ candidates: [EndpointRoster.Candidate]) -> [UInt16] {
        let all = candidates.map(\.weight)
        return all.allSatisfy { $0 == all.first } ? [] : all
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
