import NetworkTypes

/// What a node needs to know of a Kubernetes Service (API `v1`, kind `Service`).
public struct Service: Hashable, Sendable {
    /// `spec.type`.
    public enum ServiceType: String, Hashable, Sendable, CaseIterable {
        /// Reachable on its cluster IPs only.
        case clusterIP = "ClusterIP"
        /// Also on a port of every node.
        case nodePort = "NodePort"
        /// Also on the addresses of a load balancer.
        case loadBalancer = "LoadBalancer"
        /// A DNS alias; the dataplane ignores it.
        case externalName = "ExternalName"
    }

    /// `externalTrafficPolicy` and `internalTrafficPolicy`.
    public enum TrafficPolicy: String, Hashable, Sendable, CaseIterable {
        /// Any ready endpoint of the cluster.
        case cluster = "Cluster"
        /// Only endpoints on this node.
        case local = "Local"
    }

    /// `spec.sessionAffinity`.
    public enum SessionAffinity: Hashable, Sendable {
        /// Each connection picks again.
        case none
        /// A client's connections go to the same endpoint until it has been quiet for the timeout.
        case clientIP(timeoutSeconds: Int)
    }

    /// One entry of `status.loadBalancer.ingress` that has an address.
    public struct LoadBalancerIngress: Hashable, Sendable {
        /// `ingress[].ipMode`.
        public enum Mode: String, Hashable, Sendable, CaseIterable {
            /// Traffic to the address may be short-circuited on the node.
            case vip = "VIP"
            /// Traffic has to go through the load balancer; nodes leave the address alone.
            case proxy = "Proxy"
        }

        /// `ingress[].ip`.
        public var address: IPAddress
        /// `ingress[].ipMode`, by default VIP (KEP-1860).
        public var mode: Mode

        /// Makes an entry.
        public init(address: IPAddress, mode: Mode = .vip) {
            self.address = address
            self.mode = mode
        }
    }

    /// Namespace and name.
    public var key: ObjectKey
    /// `metadata.creationTimestamp` in UTC and whole seconds (RFC 3339), so that text order is time order; empty if absent.
    public var creationTimestamp: String {
        get { creationTime.text }
        set { creationTime = CreationTime(newValue) }
    }
    /// The same time.
    public var creationTime = CreationTime("")
    /// `metadata.labels["service.kubernetes.io/service-proxy-name"]`: set if another proxy is responsible.
    public var serviceProxyName: String?
    /// `metadata.annotations` that Fairlead reads (`fairlead.dev/…`).
    public var annotations: [String: String] = [:]
    /// `spec.type`.
    public var type = ServiceType.clusterIP
    /// `spec.clusterIPs` (or `clusterIP`): at most one per family; empty for a headless Service or one without.
    public var clusterIPs: [IPAddress] = []
    /// Whether `spec.clusterIP` is `None`.
    public var isHeadless = false
    /// Whether the label `service.kubernetes.io/headless` is present, whatever its value: proxies leave such a Service alone.
    public var isLabelledHeadless = false
    /// `spec.externalIPs`.
    public var externalIPs: [IPAddress] = []
    /// The entries of `status.loadBalancer.ingress` that have an `ip`.
    public var loadBalancerIngress: [LoadBalancerIngress] = []
    /// `spec.loadBalancerSourceRanges`, or the annotation that came before it.
    public var loadBalancerSourceRanges: [CIDR] = []
    /// `spec.externalTrafficPolicy`.
    public var externalTrafficPolicy = TrafficPolicy.cluster
    /// `spec.internalTrafficPolicy`.
    public var internalTrafficPolicy = TrafficPolicy.cluster
    /// `spec.sessionAffinity` with its timeout.
    public var sessionAffinity = SessionAffinity.none
    /// `spec.healthCheckNodePort`; 0 if there is none.
    public var healthCheckNodePort: UInt16 = 0
    /// `spec.publishNotReadyAddresses`; the EndpointSlice controller acts on it, not the dataplane.
    public var publishNotReadyAddresses = false
    /// `spec.trafficDistribution`; the EndpointSlice controller turns it into hints.
    public var trafficDistribution: String?
    /// `spec.ports`.
    public var ports: [ServicePort] = []
    /// What only advice reads.
    public var details = Details<ServiceDetails>.unread

    /// The annotation that refines the external policy; its values are `prefer-local` and `direct-return`.
    public static let externalTrafficAnnotation = "fairlead.dev/external-traffic"
    /// A node with ready local endpoints uses only those and keeps the source; another one forwards with masquerade.
    public static let preferLocal = "prefer-local"

    /// Connections from outside to external and load balancer IPs reach any endpoint with the client's address: a node hands packets
    /// for an endpoint on another node on as they are, and that node answers the client directly.
    public static let directReturn = "direct-return"

    /// Whether the annotation asks for direct return.
    public var wantsDirectReturn: Bool { annotations[Self.externalTrafficAnnotation] == Self.directReturn }

    /// Whether `spec.externalTrafficPolicy` is Local, or acts as Local on nodes with an endpoint by the annotation.
    var mayBeExternallyLocal: Bool {
        externalTrafficPolicy == .local || annotations[Self.externalTrafficAnnotation] == Self.preferLocal
    }

    /// The annotation that keeps Fairlead away from a Service; its values are `true` and `false`.
    public static let skipAnnotation = "fairlead.dev/skip"

    /// Whether the Service is to be left alone.
    public var isSkipped: Bool { annotations[Self.skipAnnotation] == "true" }

    /// What becomes of packets to a frontend that has no usable endpoint anywhere.
    public enum NoEndpointAction: String, Hashable, Sendable, CaseIterable {
        /// The sender is told at once: TCP reset, ICMP port unreachable. The rule of the Service API, and the default.
        case reject
        /// The packet is dropped, and the sender waits.
        case drop
        /// External frontends are left to the routes of the node, as if there were no Service, also where
        /// `externalTrafficPolicy` is Local and only other nodes have endpoints (KEP-6272, `externalFailoverPolicy:
        /// Passthrough`). ClusterIPs, which nobody else serves, are rejected.
        case pass
    }

    /// The annotation that chooses what becomes of packets to frontends without an endpoint: a `NoEndpointAction`.
    public static let noEndpointsAnnotation = "fairlead.dev/no-endpoints"

    /// What becomes of packets to frontends without an endpoint. An unknown value means the default.
    public var noEndpointAction: NoEndpointAction {
        annotations[Self.noEndpointsAnnotation].flatMap(NoEndpointAction.init) ?? .reject
    }

    /// The annotation that has established TCP connections to endpoints that are gone reset, or not: `true` or `false`, whatever
    /// the node's option says.
    public static let resetAnnotation = "fairlead.dev/reset-gone-endpoints"

    /// What the annotation says; nil if it says nothing that makes sense.
    public var resetsGoneEndpoints: Bool? { annotations[Self.resetAnnotation].flatMap(Bool.init) }

    /// The annotation that says what becomes of UDP flows to an endpoint that terminates.
    public static let datagramAnnotation = "fairlead.dev/udp-on-termination"

    /// Whether UDP flows to an endpoint that terminates move to a ready one at once, rather than stay until it is gone.
    public var movesDatagrams: Bool { annotations[Self.datagramAnnotation] == "move" }

    /// The annotation that silences advice about the Service: codes, separated by commas.
    public static let ignoreAnnotation = "fairlead.dev/ignore"

    /// Makes a Service with the API's defaults.
    public init(key: ObjectKey) { self.key = key }
}

/// One entry of `spec.ports` of a Service.
public struct ServicePort: Hashable, Sendable {
    /// `name`; empty for the only port of a Service.
    public var name: String
    /// `protocol`.
    public var transport: TransportProtocol
    /// `port`.
    public var port: UInt16
    /// `nodePort`; 0 if there is none.
    public var nodePort: UInt16

    /// Makes a port.
    public init(name: String = "", transport: TransportProtocol = .tcp, port: UInt16, nodePort: UInt16 = 0) {
        self.name = name
        self.transport = transport
        self.port = port
        self.nodePort = nodePort
    }
}
