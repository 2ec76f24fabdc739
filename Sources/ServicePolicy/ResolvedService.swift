import KubernetesModel
import NetworkTypes

/// Where a connection to a Service can be sent: one port of one endpoint.
public struct Backend: Hashable, Sendable, Comparable {
    /// The endpoint's address.
    public var address: IPAddress
    /// The endpoint's port.
    public var port: UInt16

    /// Makes a backend.
    public init(address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// Backends sort by address, then port.
    public static func < (lhs: Self, rhs: Self) -> Bool { (lhs.address, lhs.port) < (rhs.address, rhs.port) }

    /// The addresses of sorted backends: sorted, each once, also where one has several ports.
    static func addresses(of backends: some Sequence<Backend>) -> [IPAddress] {
        var result: [IPAddress] = []
        for backend in backends where result.last != backend.address { result.append(backend.address) }
        return result
    }
}

extension Backend: CustomStringConvertible {
    /// `address:port`, an IPv6 address in brackets.
    public var description: String { address.family == .ipv4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}

/// What a packet is sent to when it is meant for a Service port.
public struct Frontend: Hashable, Sendable {
    /// Which field of the Service makes the frontend.
    public enum Kind: UInt8, Hashable, Sendable, CaseIterable {
        /// `spec.clusterIPs`.
        case clusterIP
        /// `spec.externalIPs`.
        case externalIP
        /// `status.loadBalancer.ingress[].ip`.
        case loadBalancerIP
        /// `spec.ports[].nodePort`, on every node port address of the node.
        case nodePort
    }

    /// Which field of the Service makes the frontend.
    public var kind: Kind
    /// The address; nil for a node port.
    public var address: IPAddress?
    /// `spec.ports[].port`, or `nodePort`.
    public var port: UInt16

    /// Makes a frontend.
    public init(kind: Kind, address: IPAddress?, port: UInt16) {
        self.kind = kind
        self.address = address
        self.port = port
    }

    /// Whether `externalTrafficPolicy` governs the frontend (else `internalTrafficPolicy` does).
    public var isExternal: Bool { kind != .clusterIP }
}

/// One port of a Service in one family, with the endpoints that policy lets each kind of source use.
public struct ResolvedServicePort: Hashable, Sendable {
    /// `spec.ports[].name`.
    public var name: String
    /// `spec.ports[].protocol`.
    public var transport: TransportProtocol
    /// The family of all addresses here.
    public var family: IPFamily
    /// Every frontend of the port in this family, each once.
    public var frontends: [Frontend] = []
    /// The endpoints of the Cluster policy: sorted, each as often as its weight asks for slots (`EndpointSelection.clusterPool`).
    /// Empty exactly if no endpoint takes new connections anywhere: none is usable, or all that are have weight 0.
    public var clusterPool: [Backend] = []
    /// The endpoints of the Local policy, in the same way. Always computed, whatever the policies.
    public var localPool: [Backend] = []
    /// Every ready or serving-terminating endpoint on any node: sorted, each once. Their flows are live flows.
    public var usable: [Backend] = []
    /// The endpoints that flows which are under way may go on to, where that is not the rule: for TCP, where connections to endpoints that
    /// are gone are to be reset, every endpoint that slices name, ready or not; for UDP, where flows leave an endpoint that
    /// terminates, the ready ones. Nil for the rule: flows of UDP and SCTP may go on to every usable endpoint, TCP
    /// connections to any. Sorted, each once.
    public var flowTargets: [Backend]?
    /// Those of the usable ones on this node: sorted, each once.
    public var localUsable: [Backend] = []
    /// Addresses that may call themselves through the Service by way of this node: those of endpoints that are on this node or
    /// that name no node. Where `externalPolicy` is Local, those of all usable endpoints: a pod of another node that comes to an
    /// external frontend here is led to any of them, itself included, and no other rule has its source translated. Sorted, each once.
    public var hairpinAddresses: [IPAddress] = []
    /// `spec.internalTrafficPolicy`.
    public var internalPolicy = Service.TrafficPolicy.cluster
    /// `spec.externalTrafficPolicy`, as it acts: Local only where the Service has external frontends, and also where it
    /// prefers local endpoints and this node has a ready one.
    public var externalPolicy = Service.TrafficPolicy.cluster
    /// Whether the Service asks for local endpoints where there are some (annotation `fairlead.dev/external-traffic`).
    public var prefersLocal = false
    /// What becomes of packets to frontends without an endpoint (annotation `fairlead.dev/no-endpoints`).
    public var noEndpointAction = Service.NoEndpointAction.reject
    /// How external and load balancer IPs are served under direct return; nil without it, and where it cannot be.
    public var directReturn: DirectReturn?
    /// The timeout of ClientIP affinity in seconds; nil without affinity.
    public var affinityTimeout: Int?
    /// `spec.loadBalancerSourceRanges` of this family, collapsed; nil if the load balancer addresses are open.
    public var sourceRanges: [CIDR]?

    /// Whether endpoints are usable and none takes new connections, because all have weight 0.
    public var isDrained: Bool { clusterPool.isEmpty && !usable.isEmpty }

    /// Whether the frontend is left to routes where it has no endpoint.
    public func passesWithoutEndpoint(_ frontend: Frontend) -> Bool { noEndpointAction == .pass && frontend.isExternal }

    /// The list of endpoints that `flowTargets` is; nil where it is nil.
    public var flowList: EndpointLists? { flowTargets == nil ? nil : transport == .tcp ? .named : .ready }

    /// Makes a port without frontends and endpoints.
    public init(name: String, transport: TransportProtocol, family: IPFamily) {
        self.name = name
        self.transport = transport
        self.family = family
    }
}

/// A Service as one node has to serve it.
public struct ResolvedService: Hashable, Sendable {
    /// The Service.
    public var key: ObjectKey
    /// `metadata.creationTimestamp`: the older Service wins a contested frontend.
    public var creationTime: CreationTime
    /// The ports, IPv4 before IPv6, in the order of the Service's `spec.ports`.
    public var ports: [ResolvedServicePort]

    /// Makes a resolved Service.
    public init(key: ObjectKey, creationTimestamp: String = "", ports: [ResolvedServicePort] = []) {
        self.init(key: key, creationTime: CreationTime(creationTimestamp), ports: ports)
    }

    /// Makes a resolved Service.
    public init(key: ObjectKey, creationTime: CreationTime, ports: [ResolvedServicePort] = []) {
        self.key = key
        self.creationTime = creationTime
        self.ports = ports
    }
}
