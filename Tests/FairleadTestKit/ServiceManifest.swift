import NetworkTypes

/// A Service as text. The properties are those of the API; what is empty or nil is left out.
public struct ServiceManifest: Sendable {
    /// One entry of `spec.ports`.
    public struct Port: Sendable {
        /// `name`; left out if empty.
        public var name: String
        /// `protocol`.
        public var transport: TransportProtocol
        /// `port`.
        public var port: UInt16
        /// `nodePort`; left out if 0.
        public var nodePort: UInt16

        /// Makes a port.
        public init(_ name: String = "", _ transport: TransportProtocol = .tcp, _ port: UInt16, nodePort: UInt16 = 0) {
            self.name = name
            self.transport = transport
            self.port = port
            self.nodePort = nodePort
        }
    }

    /// `metadata.name`; the namespace is `default`.
    public var name: String
    /// `spec.type`.
    public var type = "ClusterIP"
    /// `spec.clusterIPs`; `None` makes the Service headless.
    public var clusterIPs: [String] = []
    /// `spec.externalIPs`.
    public var externalIPs: [String] = []
    /// `status.loadBalancer.ingress`.
    public var loadBalancerIPs: [String] = []
    /// `ipMode` of every ingress.
    public var loadBalancerMode: String?
    /// `hostname` of one more ingress.
    public var loadBalancerHostname: String?
    /// `spec.externalTrafficPolicy`.
    public var externalPolicy: String?
    /// `spec.internalTrafficPolicy`.
    public var internalPolicy: String?
    /// `spec.ports`.
    public var ports: [Port] = []
    /// `metadata.creationTimestamp`.
    public var created: String?
    /// `metadata.labels`.
    public var labels: [String: String] = [:]
    /// `metadata.annotations`.
    public var annotations: [String: String] = [:]
    /// More lines of `spec`, not indented.
    public var extra: [String] = []

    /// Makes a Service without ports.
    public init(_ name: String) { self.name = name }

    /// The YAML document.
    public var yaml: String {
        var lines = ["apiVersion: v1", "kind: Service", "metadata:", "  name: \(name)", "  namespace: default"]
        if let created { lines += ["  creationTimestamp: \"\(created)\""] }
        lines += Manifest.labels(labels)
        lines += Manifest.labels(annotations, title: "annotations")
        lines += ["spec:", "  type: \(type)"]
        if let first = clusterIPs.first {
            lines += ["  clusterIP: \"\(first)\"", "  clusterIPs: \(Manifest.list(clusterIPs))"]
        }
        let families = clusterIPs.compactMap { IPAddress($0)?.family }
        if !families.isEmpty {
            lines += ["  ipFamilies: \(Manifest.list(families.map(\.description)))"]
            lines += ["  ipFamilyPolicy: \(families.count == 2 ? "RequireDualStack" : "SingleStack")"]
        }
        if !externalIPs.isEmpty { lines += ["  externalIPs: \(Manifest.list(externalIPs))"] }
        if let externalPolicy { lines += ["  externalTrafficPolicy: \(externalPolicy)"] }
        if let internalPolicy { lines += ["  internalTrafficPolicy: \(internalPolicy)"] }
        lines += extra.map { "  \($0)" }
        if !ports.isEmpty { lines += ["  ports:"] + ports.flatMap(Self.lines) }
        return (lines + status).joined(separator: "\n") + "\n"
    }

    private static func lines(_ port: Port) -> [String] {
        var lines = ["  - port: \(port.port)", "    protocol: \(port.transport.description.uppercased())"]
        if !port.name.isEmpty { lines += ["    name: \(port.name)"] }
        if port.nodePort != 0 { lines += ["    nodePort: \(port.nodePort)"] }
        return lines
    }

    private var status: [String] {
        if loadBalancerIPs.isEmpty && loadBalancerHostname == nil { return [] }
        var lines = ["status:", "  loadBalancer:", "    ingress:"]
        for address in loadBalancerIPs {
            lines += ["    - ip: \"\(address)\""]
            if let loadBalancerMode { lines += ["      ipMode: \(loadBalancerMode)"] }
        }
        if let loadBalancerHostname { lines += ["    - hostname: \(loadBalancerHostname)"] }
        return lines
    }
}
