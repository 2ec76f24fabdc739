import KubernetesModel
import NetworkTypes
import ServiceDataplane
import ServicePolicy

/// The cluster as one node sees it: what an explanation is made from, besides the rules.
public struct Situation: Sendable {
    /// The objects.
    public var cluster: ClusterState
    /// What the Services are to the tables of the node.
    public var dataplane: Dataplane
    /// The node.
    public var node: NodeContext
    /// The node's own addresses.
    public var ownAddresses: Set<IPAddress>
    /// What answers on health check ports of the node.
    public var healthChecks: [UInt16: HealthCheck]
    /// Services of which an object is invalid.
    public var held: Set<ObjectKey>
    /// The taint by which the node is drained, so that its health check ports answer 503 (`--drain-taints`).
    public var drainTaint: String?

    /// Makes a situation.
    public init(
        cluster: ClusterState, dataplane: Dataplane, node: NodeContext, ownAddresses: Set<IPAddress>,
        healthChecks: [UInt16: HealthCheck] = [:], held: Set<ObjectKey> = [],
        drainTaint: String? = nil
    ) {
        self.cluster = cluster
        self.dataplane = dataplane
        self.node = node
        self.ownAddresses = ownAddresses
        self.healthChecks = healthChecks
        self.held = held
        self.drainTaint = drainTaint
    }

    /// What shapes the rules.
    var options: DataplaneOptions { dataplane.options }

    // MARK: Frontends

    /// The frontend that a packet is sent to; nil if it is none.
    func place(_ packet: Packet) -> FrontendPlace? {
        let family = packet.family
        var address: IPAddress? = packet.destination
        var claimants = dataplane.claimants(of: address, packet.port, packet.transport, family)
        if claimants.isEmpty, dataplane.node.nodePortAddresses.contains(packet.destination) {
            address = nil
            claimants = dataplane.claimants(of: nil, packet.port, packet.transport, family)
        }
        guard let owner = claimants.first, let service = dataplane.resolved(owner) else { return nil }
        for port in service.ports where port.family == family && port.transport == packet.transport {
            for frontend in port.frontends where frontend.address == address && frontend.port == packet.port {
                return FrontendPlace(
                    service: owner, port: port, frontend: frontend, rivals: Array(claimants.dropFirst()))
            }
        }
        return nil
    }

    // MARK: Sources

    /// What the rules take the source of a packet for.
    func sourceKind(_ packet: Packet) -> SourceKind {
        guard case .interface(let name) = packet.origin else { return .node }
        guard options.localDetector.isActive(packet.family) else { return .outside }
        let isInside =
            switch options.localDetector {
            case .clusterCIDRs, .nodeCIDRs: dataplane.node.clusterCIDRs.contains { $0.contains(packet.source) }
            case .bridge(let bridge): name == bridge
            case .interfacePrefix(let prefix): name.hasPrefix(prefix)
            }
        return isInside ? .inside : .outside
    }

    /// Whether the policy of the frontend is the one for local endpoints only, for this kind of source.
    func wantsLocal(_ place: FrontendPlace, _ source: SourceKind) -> Bool {
        guard place.frontend.isExternal else { return place.port.internalPolicy == .local }
        return place.port.externalPolicy == .local && (source == .outside || options.strictLocal)
    }

    /// Whether the connection is served by direct return, from whichever node has the endpoint.
    func returnsDirectly(_ place: FrontendPlace, _ source: SourceKind) -> Bool {
        guard let direct = place.port.directReturn, place.frontend.servesDirectReturn, source == .outside else {
            return false
        }
        return !direct.keepsLocal
    }

    // MARK: Endpoints

    /// Why each entry of the Service's slices is in the pools of a port, or is not.
    func entries(_ place: FrontendPlace) -> [EndpointExplanation] {
        guard let service = cluster.service(place.service),
            let port = service.ports.first(where: {
                $0.name == place.port.name && $0.transport == place.port.transport
            })
        else { return [] }
        return EndpointSelection.explain(
            port: port, family: place.port.family, slices: cluster.slices(of: place.service), node: node)
    }

    /// Endpoints at an address: the Service, and the node that the slice says it is on.
    func endpoints(at address: IPAddress) -> [(service: ObjectKey, node: String?, ports: [EndpointPort])] {
        var result: [(service: ObjectKey, node: String?, ports: [EndpointPort])] = []
        cluster.forEachService { service, slices in
            for slice in slices where slice.addressFamily == address.family {
                for endpoint in slice.endpoints where endpoint.address == address {
                    result.append((service.key, endpoint.nodeName, slice.ports))
                }
            }
        }
        return result.sorted { $0.service < $1.service }
    }
}

/// What the rules take a source for.
public enum SourceKind: String, Hashable, Sendable, CaseIterable {
    /// A program on the node, on its host network.
    case node
    /// A pod, as far as the node can tell.
    case inside
    /// Anybody else.
    case outside
}

/// The frontend that a packet is sent to.
public struct FrontendPlace: Hashable, Sendable {
    /// The Service that serves it.
    public var service: ObjectKey
    /// Its port.
    public var port: ResolvedServicePort
    /// The frontend.
    public var frontend: Frontend
    /// Other Services that claim it, without effect.
    public var rivals: [ObjectKey]
}
