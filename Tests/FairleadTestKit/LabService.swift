import NetworkTypes

/// The Service `default/web` of a ``LabTopology``, as manifests.
public struct LabService: Sendable {
    /// What an endpoint is at.
    public enum Condition: Sendable {
        /// `ready`.
        case ready
        /// `terminating` and still `serving`.
        case terminating
    }

    /// `spec.externalTrafficPolicy`.
    public var policy: String
    /// The endpoints by the names of their pods.
    public var endpoints: [String: Condition]
    /// What some of them weigh: those of a weight have an EndpointSlice of their own.
    public var weights: [String: UInt16] = [:]
    /// `metadata.annotations`.
    public var annotations: [String: String] = [:]
    /// `spec.sessionAffinity` is ClientIP.
    public var isAffine = false
    /// `spec.loadBalancerSourceRanges`.
    public var sourceRanges: [String] = []
    /// The protocols of its ports, which all have the number 80.
    public var transports: [TransportProtocol] = [.tcp]
    /// Addresses in `status.loadBalancer.ingress`.
    public var virtualAddresses: [IPAddress] = [
        LabTopology.virtualIPv4, LabTopology.linkIPv4, LabTopology.linkIPv6,
    ]

    /// Makes the Service with ready endpoints.
    public init(policy: String, ready pods: [String]) {
        self.policy = policy
        endpoints = Dictionary(uniqueKeysWithValues: pods.map { ($0, .ready) })
    }

    /// Service and EndpointSlices.
    public func manifest(in lab: LabTopology) throws(TestKitError) -> String {
        var service = ServiceManifest("web")
        service.type = "LoadBalancer"
        service.clusterIPs = ["10.96.0.80", "fd00:10:96::80"]
        service.loadBalancerIPs = virtualAddresses.map(\.description)
        service.externalPolicy = policy
        service.annotations = annotations
        func name(_ transport: TransportProtocol) -> String { transport == .tcp ? "http" : "\(transport)" }
        service.ports = transports.map { .init(name($0), $0, 80, nodePort: $0 == .tcp ? LabTopology.nodePort : 0) }
        if isAffine { service.extra.append("sessionAffinity: ClientIP") }
        if !sourceRanges.isEmpty { service.extra.append("loadBalancerSourceRanges: \(Manifest.list(sourceRanges))") }
        if policy == "Local" { service.extra += ["healthCheckNodePort: \(LabTopology.healthCheckPort)"] }
        var documents = [service.yaml]
        let groups = Set(endpoints.keys.map { weights[$0] }).sorted { ($0 ?? 0) < ($1 ?? 0) }
        for (family, weight) in IPFamily.allCases.flatMap({ family in groups.map { (family, $0) } }) {
            let title = "web-\(family == .ipv4 ? 4 : 6)" + (weight.map { "-\($0)" } ?? "")
            var slice = SliceManifest(title, service: "web", family: family)
            if let weight { slice.annotations["service.cilium.io/weight"] = "\(weight)" }
            slice.ports = transports.map { .init(name($0), $0, 8080) }
            let members = endpoints.filter { weights[$0.key] == weight }
            for (name, condition) in members.sorted(by: { $0.key < $1.key }) {
                let conditions: [String: Bool] =
                    switch condition {
                    case .ready: ["ready": true, "serving": true, "terminating": false]
                    case .terminating: ["ready": false, "serving": true, "terminating": true]
                    }
                slice.endpoints.append(
                    .init(
                        try lab.host(name).address(family), node: String(name.prefix(5)), conditions: conditions))
            }
            documents.append(slice.yaml)
        }
        return Manifest.documents(documents)
    }

    /// The nodes of the lab. Labels and taints are for tests of who is left out.
    public static func nodes(
        _ lab: LabTopology, labels: [String: [String: String]] = [:]
    ) -> String {
        Manifest.documents(
            lab.nodes.map { node in
                Manifest.node(node.name, ["\(node.ipv4)", "\(node.ipv6)"], labels: labels[node.name] ?? [:])
            } + [Manifest.serviceCIDR("kubernetes", ClusterTopology.serviceCIDRs)])
    }
}
