import NetworkTypes

/// Pieces of YAML that manifests of several kinds need, and the kinds that need few lines.
public enum Manifest {
    /// One text of several documents.
    public static func documents(_ documents: [String]) -> String { documents.joined(separator: "---\n") }

    /// A Node with its addresses.
    public static func node(
        _ name: String, _ addresses: [String], podCIDRs: [String] = [], labels: [String: String] = [:]
    ) -> String {
        let spec = podCIDRs.isEmpty ? [] : ["spec:", "  podCIDRs: \(list(podCIDRs))"]
        let lines =
            ["apiVersion: v1", "kind: Node", "metadata:", "  name: \(name)"] + Self.labels(labels) + spec
            + ["status:", "  addresses:"] + addresses.flatMap { ["  - type: InternalIP", "    address: \"\($0)\""] }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A ServiceCIDR.
    public static func serviceCIDR(_ name: String, _ blocks: [String]) -> String {
        """
        apiVersion: networking.k8s.io/v1
        kind: ServiceCIDR
        metadata:
          name: \(name)
        spec:
          cidrs: \(list(blocks))

        """
    }

    /// What every cluster of the harness has: both nodes and the ServiceCIDR.
    public static let cluster = documents([node1(), others])

    /// The Node of the node under test.
    public static func node1(labels: [String: String] = [:]) -> String {
        node("node1", ["172.30.0.11", "fd00:172:30::11"], labels: labels)
    }

    /// What every cluster has besides ``node1(labels:)``.
    public static let others = documents([
        node("node2", ["172.30.0.12", "fd00:172:30::12"]), serviceCIDR("kubernetes", ClusterTopology.serviceCIDRs),
    ])

    /// A list in one line.
    public static func list(_ items: [String]) -> String {
        "[" + items.map { "\"\($0)\"" }.joined(separator: ", ") + "]"
    }

    static func labels(_ labels: [String: String], title: String = "labels") -> [String] {
        if labels.isEmpty { return [] }
        return ["  \(title):"] + labels.sorted { $0.key < $1.key }.map { "    \($0.key): \"\($0.value)\"" }
    }
}

/// An EndpointSlice as text.
public struct SliceManifest: Sendable {
    /// One entry of `endpoints`.
    public struct Endpoint: Sendable {
        /// `addresses[0]`.
        public var address: IPAddress
        /// `nodeName`; left out if nil.
        public var node: String?
        /// `conditions`; those that are absent are left out.
        public var conditions: [String: Bool]
        /// `hints.forZones`.
        public var zoneHints: [String] = []
        /// `hints.forNodes`.
        public var nodeHints: [String] = []

        /// Makes an endpoint.
        public init(_ address: IPAddress, node: String?, conditions: [String: Bool] = ["ready": true]) {
            self.address = address
            self.node = node
            self.conditions = conditions
        }
    }

    /// One entry of `ports`.
    public struct Port: Sendable {
        /// `name`.
        public var name: String
        /// `protocol`.
        public var transport: TransportProtocol
        /// `port`.
        public var port: UInt16

        /// Makes a port.
        public init(_ name: String = "", _ transport: TransportProtocol = .tcp, _ port: UInt16) {
            self.name = name
            self.transport = transport
            self.port = port
        }
    }

    /// `metadata.name`; the namespace is `default`.
    public var name: String
    /// The Service that the slice belongs to.
    public var service: String
    /// `addressType`.
    public var family: IPFamily
    /// `ports`.
    public var ports: [Port] = []
    /// `endpoints`.
    public var endpoints: [Endpoint] = []
    /// More labels.
    public var labels: [String: String] = [:]
    /// `metadata.annotations`.
    public var annotations: [String: String] = [:]

    /// Makes an empty slice.
    public init(_ name: String, service: String, family: IPFamily) {
        self.name = name
        self.service = service
        self.family = family
    }

    /// The YAML document.
    public var yaml: String {
        var lines = [
            "apiVersion: discovery.k8s.io/v1", "kind: EndpointSlice", "metadata:", "  name: \(name)",
            "  namespace: default",
        ]
        lines += Manifest.labels(labels.merging(["kubernetes.io/service-name": service]) { $1 })
        lines += Manifest.labels(annotations, title: "annotations")
        lines += ["addressType: \(family)", ports.isEmpty ? "ports: []" : "ports:"]
        for port in ports {
            lines += ["- name: \"\(port.name)\"", "  protocol: \(port.transport.description.uppercased())"]
            lines += ["  port: \(port.port)"]
        }
        lines += [endpoints.isEmpty ? "endpoints: []" : "endpoints:"]
        for endpoint in endpoints {
            lines += ["- addresses: [\"\(endpoint.address)\"]"]
            if let node = endpoint.node { lines += ["  nodeName: \(node)"] }
            if !endpoint.conditions.isEmpty { lines += ["  conditions:"] }
            lines += endpoint.conditions.sorted { $0.key < $1.key }.map { "    \($0.key): \($0.value)" }
            lines += Self.hints(endpoint)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func hints(_ endpoint: Endpoint) -> [String] {
        func names(_ list: [String]) -> String { list.map { "{name: \($0)}" }.joined(separator: ", ") }
        if endpoint.zoneHints.isEmpty && endpoint.nodeHints.isEmpty { return [] }
        var lines = ["  hints:"]
        if !endpoint.zoneHints.isEmpty { lines += ["    forZones: [\(names(endpoint.zoneHints))]"] }
        if !endpoint.nodeHints.isEmpty { lines += ["    forNodes: [\(names(endpoint.nodeHints))]"] }
        return lines
    }
}
