/// A part of the node's Services: the answer of `/api/v1/services`.
public struct ServiceList: Codable, Hashable, Sendable {
    /// What becomes of a Service's traffic on this node.
    public enum State: String, Codable, Hashable, Sendable {
        /// Every frontend leads to an endpoint.
        case served
        /// A frontend rejects or drops new connections.
        case refusing
        /// An object of the Service is invalid: it stays as it was.
        case held
        /// It is none of the dataplane's business: headless, ExternalName, or another proxy's.
        case unserved
    }

    /// A port of a Service.
    public struct Port: Codable, Hashable, Sendable {
        /// The name; empty for an unnamed one.
        public var name: String
        /// `TCP`, `UDP` or `SCTP`.
        public var transport: String
        /// The port.
        public var port: UInt16
        /// The node port; absent if there is none.
        public var nodePort: UInt16?
        /// The endpoints in each family of the Service (`ipv4`, `ipv6`).
        public var endpoints: [String: Endpoints]

        /// Makes a port without endpoints.
        public init(name: String, transport: String, port: UInt16, nodePort: UInt16?) {
            (self.name, self.transport, self.port, self.nodePort) = (name, transport, port, nodePort)
            endpoints = [:]
        }
    }

    /// How many endpoints there are to choose from.
    public struct Endpoints: Codable, Hashable, Sendable {
        /// Under policy Cluster.
        public var cluster: Int
        /// Under policy Local.
        public var local: Int

        /// Makes a pair of counts.
        public init(cluster: Int, local: Int) { (self.cluster, self.local) = (cluster, local) }
    }

    /// A Service.
    public struct Row: Codable, Hashable, Sendable {
        /// The namespace.
        public var namespace: String
        /// The name.
        public var name: String
        /// `spec.type`; `Headless` for one without a ClusterIP.
        public var type: String
        /// What becomes of its traffic.
        public var state: State
        /// `spec.externalTrafficPolicy`; absent if the Service has no frontend that it governs.
        public var externalTrafficPolicy: String?
        /// `spec.internalTrafficPolicy`.
        public var internalTrafficPolicy: String
        /// The timeout of ClientIP affinity.
        public var affinitySeconds: Int?
        /// ClusterIPs, then external IPs and load balancer IPs.
        public var addresses: [String]
        /// The ports.
        public var ports: [Port]
        /// The frontends that refuse new connections.
        public var refused: [NodeStatus.Refused]
        /// New connections so far; absent without `--service-counters`.
        public var connections: UInt64?
        /// New connections per second.
        public var connectionRate: Double?
        /// Bytes of its connections so far, both ways; absent without `--service-traffic`.
        public var bytes: UInt64?
        /// Bytes per second.
        public var byteRate: Double?
        /// How many findings there are about it.
        public var findings: Int

        /// Makes a row without ports.
        public init(namespace: String, name: String, type: String, state: State, internalTrafficPolicy: String) {
            (self.namespace, self.name, self.type, self.state) = (namespace, name, type, state)
            self.internalTrafficPolicy = internalTrafficPolicy
            (addresses, ports, refused, findings) = ([], [], [], 0)
        }
    }

    /// All Services of the cluster that the daemon knows.
    public var total: Int
    /// Those that were asked for.
    public var matching: Int
    /// How many of these come before the first row.
    public var offset: Int
    /// The most rows of an answer.
    public var limit: Int
    /// The rows, in the order that was asked for.
    public var services: [Row]

    /// Makes a list.
    public init(total: Int, matching: Int, offset: Int, limit: Int, services: [Row]) {
        (self.total, self.matching, self.offset, self.limit) = (total, matching, offset, limit)
        self.services = services
    }
}

/// One Service with its endpoints: the answer of `/api/v1/services/NAMESPACE/NAME`.
public struct ServiceDetail: Codable, Hashable, Sendable {
    /// An entry of an EndpointSlice, for one port of the Service.
    public struct Endpoint: Codable, Hashable, Sendable {
        /// The address.
        public var address: String
        /// The port; absent if the slice gives it none.
        public var port: UInt16?
        /// The name of the Service's port.
        public var portName: String
        /// `nodeName`, if the slice has it.
        public var node: String?
        /// The weight that its slice gives it; absent if it gives none.
        public var weight: UInt16?
        /// Whether, or why not, it serves under policy Cluster: an `EndpointDecision`.
        public var cluster: String
        /// The same under policy Local.
        public var local: String

        /// Makes an entry.
        public init(address: String, port: UInt16?, portName: String, node: String?, cluster: String, local: String) {
            (self.address, self.port, self.portName, self.node) = (address, port, portName, node)
            (self.cluster, self.local) = (cluster, local)
        }
    }

    /// The Service.
    public var service: ServiceList.Row
    /// Its endpoints.
    public var endpoints: NodeStatus.Excerpt<Endpoint>
    /// What is wrong with it.
    public var findings: [NodeStatus.Problem]

    /// Makes a detail.
    public init(
        service: ServiceList.Row, endpoints: NodeStatus.Excerpt<Endpoint>, findings: [NodeStatus.Problem]
    ) {
        (self.service, self.endpoints, self.findings) = (service, endpoints, findings)
    }
}
