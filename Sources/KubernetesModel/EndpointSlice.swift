import NetworkTypes

/// What a node needs to know of an EndpointSlice (API `discovery.k8s.io/v1`).
public struct EndpointSlice: Hashable, Sendable {
    /// Namespace and name.
    public var key: ObjectKey
    /// `metadata.labels["kubernetes.io/service-name"]`: the Service in the same namespace; nil if the slice has none.
    public var serviceName: String?
    /// Whether the label `service.kubernetes.io/headless` is present: proxies ignore such a slice.
    public var isHeadless = false
    /// Whether the label `service.kubernetes.io/service-proxy-name` is present: the slice is for another proxy (KEP-2447).
    public var isOfOtherProxy = false
    /// `addressType`; nil for `FQDN`, which has no meaning for a dataplane.
    public var addressFamily: IPFamily?
    /// `ports`.
    public var ports: [EndpointPort] = []
    /// `endpoints`.
    public var endpoints: [Endpoint] = []
    /// `metadata.annotations["service.cilium.io/weight"]`: what all endpoints of the slice weigh against those of other slices of the
    /// Service; 0 takes them out for new connections. Nil if it is absent or no number from 0 to 65535: then `usualWeight` counts.
    public var weight: UInt16?
    /// `metadata.annotations["endpoints.kubernetes.io/last-change-trigger-time"]` in nanoseconds since 1970; nil if it is
    /// absent or no RFC 3339 time. It says nothing of what the slice is: see `ClusterState.takeTriggers`.
    public var lastChangeTriggerTime: Int64?

    /// The annotation that says when what the slice tells of happened; written by the EndpointSlice controller.
    public static let lastChangeTriggerAnnotation = "endpoints.kubernetes.io/last-change-trigger-time"

    /// The annotation that says what the endpoints of the slice weigh. Name, range and the weight of slices without it are Cilium's.
    public static let weightAnnotation = "service.cilium.io/weight"

    /// What endpoints of a slice without the annotation weigh.
    public static let usualWeight: UInt16 = 100

    /// Makes an empty slice.
    public init(key: ObjectKey, serviceName: String? = nil, addressFamily: IPFamily? = .ipv4) {
        self.key = key
        self.serviceName = serviceName
        self.addressFamily = addressFamily
    }

    /// The Service that the slice belongs to; nil if it names none.
    public var serviceKey: ObjectKey? {
        serviceName.map { ObjectKey(namespace: key.namespace, name: $0) }
    }
}

/// One entry of `ports` of an EndpointSlice: what a ServicePort of that name means for the endpoints of the slice.
public struct EndpointPort: Hashable, Sendable {
    /// `name`; equals the name of the ServicePort, empty for an unnamed one.
    public var name: String
    /// `protocol`.
    public var transport: TransportProtocol
    /// `port`; nil if the slice leaves it open (the dataplane then skips it).
    public var port: UInt16?

    /// Makes a port.
    public init(name: String = "", transport: TransportProtocol = .tcp, port: UInt16?) {
        self.name = name
        self.transport = transport
        self.port = port
    }
}
