import NetworkTypes

/// What Fairlead needs to know of a Node (API `v1`).
public struct Node: Hashable, Sendable {
    /// `metadata.name`.
    public var name: String
    /// `status.addresses` of type `InternalIP`, in their order.
    public var internalIPs: [IPAddress] = []
    /// `status.addresses` of type `ExternalIP`, in their order.
    public var externalIPs: [IPAddress] = []
    /// `spec.podCIDRs` (or `podCIDR`).
    public var podCIDRs: [CIDR] = []
    /// `metadata.labels["topology.kubernetes.io/zone"]`.
    public var zone: String?
    /// Whether `metadata.deletionTimestamp` is set.
    public var isBeingDeleted = false
    /// The keys of `spec.taints`.
    public var taints: [String] = []
    /// What only advice reads.
    public var details = Details<NodeDetails>.unread

    /// Makes a node without addresses.
    public init(name: String) { self.name = name }

    /// The address of the family that other hosts reach the node by: the first `InternalIP`, else the first `ExternalIP`.
    public func primaryAddress(_ family: IPFamily) -> IPAddress? {
        (internalIPs + externalIPs).first { $0.family == family }
    }
}

/// A range that ClusterIPs are allocated from (API `networking.k8s.io/v1`, kind `ServiceCIDR`).
public struct ServiceCIDR: Hashable, Sendable {
    /// `metadata.name`.
    public var name: String
    /// `spec.cidrs`: one per family at the most.
    public var cidrs: [CIDR]

    /// Makes a range.
    public init(name: String, cidrs: [CIDR]) {
        self.name = name
        self.cidrs = cidrs
    }
}
