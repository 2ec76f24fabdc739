/// What has to be computed again after changes of the cluster.
public struct AffectedState: Hashable, Sendable {
    /// The Services that came, changed or went, or whose EndpointSlices did.
    public var services: Set<ObjectKey> = []
    /// The names of the nodes that came, changed or went.
    public var nodes: Set<String> = []
    /// Whether a ServiceCIDR came, changed or went.
    public var serviceCIDRsChanged = false

    /// Makes the state after no change.
    public init() {}

    /// Whether any node came, changed or went.
    public var nodeChanged: Bool { !nodes.isEmpty }

    /// Whether nothing has to be computed again.
    public var isEmpty: Bool { services.isEmpty && nodes.isEmpty && !serviceCIDRsChanged }

    /// Adds what another batch of changes affects.
    public mutating func formUnion(_ other: AffectedState) {
        services.formUnion(other.services)
        nodes.formUnion(other.nodes)
        serviceCIDRsChanged = serviceCIDRsChanged || other.serviceCIDRsChanged
    }
}
