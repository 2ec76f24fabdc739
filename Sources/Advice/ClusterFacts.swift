import KubernetesModel
import NetworkTypes
import ServicePolicy

/// What holds for the cluster as a whole, looked at once for all Services.
struct ClusterFacts: Sendable {
    /// Where the cluster runs.
    struct Place: Hashable, Sendable {
        /// Nil if nothing tells.
        var environment: Environment?
        /// What says so, without a period.
        var because: String

        var evidence: Evidence {
            Evidence("environment", "\(environment?.rawValue ?? "unknown environment"): \(because)")
        }
        var isCloud: Bool { environment == .cloud || environment == .autoscaledCloud }
    }

    /// An address and port as packets carry them; the address is nil for a node port.
    struct Front: Hashable, Sendable {
        var address: IPAddress?
        var port: UInt16
        var transport: TransportProtocol
        var family: IPFamily
    }

    /// All Nodes, sorted by name.
    let nodes: [Node]
    let nodesByName: [String: Node]
    /// Those that load balancers use, sorted by name.
    let balancedNodes: [Node]
    /// The scheme of the Nodes' providerIDs that most have.
    let provider: String?
    let place: Place
    /// The zones of the nodes that run pods of anybody, with the number of these nodes.
    let workersByZone: [String: Int]
    /// For each node the ready endpoints on it, counted for each Service.
    private(set) var endpointsByNode: [String: [ObjectKey: Int]] = [:]
    /// For each node the ready endpoints on it.
    private(set) var countByNode: [String: Int] = [:]
    /// The Services that claim a frontend, of frontends with more than one, the one that has it first.
    private(set) var contested: [Front: [ObjectKey]] = [:]

    /// The nodes that have an address, by it; sorted by name.
    private(set) var nodesByAddress: [IPAddress: [String]] = [:]
    /// The Services that have an external address under externalTrafficPolicy Local, by it.
    private(set) var localClaims: [IPAddress: [LocalClaim]] = [:]
    /// Who claims health check ports and TCP node ports.
    private(set) var healthCheckPorts = HealthCheckPortClaims()

    init(_ cluster: ClusterState, options: AdviceOptions) {
        nodes = cluster.nodes
        nodesByName = Dictionary(nodes.map { ($0.name, $0) }) { first, _ in first }
        balancedNodes = nodes.filter { $0.exclusion == nil }
        provider = Self.provider(of: nodes)
        place = Self.place(nodes, provider: provider, said: options.environment)
        workersByZone = nodes.filter(\.takesPods).reduce(into: [:]) { zones, node in
            if let zone = node.zone, !zone.isEmpty { zones[zone, default: 0] += 1 }
        }
        countEndpoints(cluster)
        countByNode = endpointsByNode.mapValues { $0.values.reduce(0, +) }
        collectClaims(cluster)
        (nodesByAddress, localClaims, healthCheckPorts) = addresses(of: cluster)
    }

    private mutating func countEndpoints(_ cluster: ClusterState) {
        cluster.forEachService { service, slices in
            // A pod of two families has an endpoint in each: it is counted in the one that has more.
            var counts: [IPFamily: [String: Int]] = [:]
            var seen: Set<IPAddress> = []
            for endpoint in slices.lazy.flatMap(\.endpoints) where endpoint.isReady && !endpoint.isTerminating {
                if let name = endpoint.nodeName, !name.isEmpty, seen.insert(endpoint.address).inserted {
                    counts[endpoint.address.family, default: [:]][name, default: 0] += 1
                }
            }
            for (name, count) in counts.values.joined() {
                let known = endpointsByNode[name]?[service.key] ?? 0
                endpointsByNode[name, default: [:]][service.key] = max(known, count)
            }
        }
    }

    /// The order is the dataplane's: the oldest Service has a frontend, then the one whose name comes first.
    private mutating func collectClaims(_ cluster: ClusterState) {
        var claims: [Front: [(time: String, key: ObjectKey)]] = [:]
        cluster.forEachService { service, _ in
            let resolved = resolve(service, slices: [], node: NodeContext(nodeName: ""), wantsFindings: false).service
            for front in Set(resolved?.ports.flatMap(\.fronts) ?? []) {
                claims[front, default: []].append((service.creationTimestamp, service.key))
            }
        }
        for (front, claimants) in claims where claimants.count > 1 {
            contested[front] = claimants.sorted { ($0.time, $0.key) < ($1.time, $1.key) }.map(\.key)
        }
    }
}

/// What Nodes tell of where they run.
extension ClusterFacts {
    private static let clouds: Set<String> = [
        "aws", "azure", "gce", "digitalocean", "hcloud", "ibm", "linode", "vultr", "scaleway", "oci", "alicloud",
        "exoscale", "qcloud", "ovhcloud", "yandex",
    ]
    private static let premises: Set<String> = [
        "vsphere", "metal3", "baremetal", "nutanix", "proxmox", "harvester", "kind", "k3s", "rke2", "tinkerbell",
    ]

    /// The part of the providerID before `://` that most Nodes have, the first by name of several.
    private static func provider(of nodes: [Node]) -> String? {
        var counts: [String: Int] = [:]
        for node in nodes {
            guard let id = node.details.value?.providerID, let end = id.firstIndex(of: ":") else { continue }
            counts[String(id[..<end]), default: 0] += 1
        }
        return counts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
    }

    private static func place(_ nodes: [Node], provider: String?, said: Environment?) -> Place {
        if let said { return Place(environment: said, because: "said with --environment") }
        guard let provider else {
            let areRead = !nodes.isEmpty && nodes.allSatisfy { $0.details.value != nil }
            return areRead
                ? Place(environment: .onPremises, because: "no Node has a providerID, as clouds set it")
                : Place(environment: nil, because: "there is no Node to tell")
        }
        let because = "the Nodes' providerID begins with \(provider)://"
        if premises.contains(provider) { return Place(environment: .onPremises, because: because) }
        guard clouds.contains(provider) else { return Place(environment: nil, because: because) }
        guard let sign = nodes.lazy.compactMap(\.signOfScaling).first else {
            return Place(environment: .cloud, because: because)
        }
        return Place(environment: .autoscaledCloud, because: "\(because), and \(sign)")
    }
}

extension ResolvedServicePort {
    /// The frontends, as packets carry them.
    fileprivate var fronts: [ClusterFacts.Front] {
        frontends.map {
            ClusterFacts.Front(address: $0.address, port: $0.port, transport: transport, family: family)
        }
    }
}

extension Node {
    /// The label that takes a node out of load balancers; its value does not matter (KEP-1143).
    static let excludingLabel = "node.kubernetes.io/exclude-from-external-load-balancers"
    private static let deletionTaint = "ToBeDeletedByClusterAutoscaler"
    private static let uninitializedTaint = "node.cloudprovider.kubernetes.io/uninitialized"

    /// Why load balancers leave the node out: what the service controller of Kubernetes and MetalLB look at; nil if they use it.
    var exclusion: String? {
        if details.value?.labels[Self.excludingLabel] != nil { return "label \(Self.excludingLabel)" }
        if isBeingDeleted { return "being deleted" }
        return taints.first { $0 == Self.deletionTaint || $0 == Self.uninitializedTaint }.map { "taint \($0)" }
    }

    /// Whether `kubectl cordon` or `kubectl drain` has marked the node.
    var isCordoned: Bool { details.value?.isUnschedulable == true || taints.contains(DrainTaints.cordon) }

    /// Whether new pods may be put there.
    var takesPods: Bool {
        !isBeingDeleted && details.value?.isUnschedulable != true
            && !taints.contains { $0.hasPrefix("node-role.kubernetes.io/") || $0 == Self.deletionTaint }
    }

    /// What says that the node comes and goes with the load; nil if nothing does.
    fileprivate var signOfScaling: String? {
        let labels = details.value?.labels ?? [:]
        for (key, value) in [
            ("karpenter.sh/nodepool", nil), ("karpenter.sh/provisioner-name", nil), ("karpenter.sh/capacity-type", nil),
            ("eks.amazonaws.com/compute-type", "auto"), ("eks.amazonaws.com/capacityType", "SPOT"),
            ("kubernetes.azure.com/scalesetpriority", "spot"), ("cloud.google.com/gke-spot", "true"),
            ("cloud.google.com/gke-preemptible", "true"), ("cloud.google.com/gke-provisioning", "spot"),
        ] as [(String, String?)] {
            if let found = labels[key], value == nil || found == value {
                return "Node \(name) has the label \(key): \(found)"
            }
        }
        let signs = [Self.deletionTaint, "DeletionCandidateOfClusterAutoscaler"]
        return taints.first { signs.contains($0) }.map { "Node \(name) has the taint \($0)" }
    }
}
