import KubernetesModel
import NetworkTypes

/// What the health check port of a Service has to say on one node (`spec.healthCheckNodePort`).
///
/// Load balancers ask every node's port, and send traffic only to nodes that have an endpoint.
public struct HealthCheck: Hashable, Sendable {
    /// The Service.
    public var key: ObjectKey
    /// `metadata.creationTimestamp`: the older Service wins a contested port.
    public var creationTimestamp: String
    /// `spec.healthCheckNodePort`.
    public var port: UInt16
    /// The addresses of ready endpoints on this node, counted, for each family of the Service. A load balancer takes the
    /// count as a weight; a pod with two ports, or in two slices, is one.
    public var localEndpoints: [IPFamily: Int]

    /// Makes a health check.
    public init(key: ObjectKey, creationTimestamp: String = "", port: UInt16, localEndpoints: [IPFamily: Int]) {
        self.key = key
        self.creationTimestamp = creationTimestamp
        self.port = port
        self.localEndpoints = localEndpoints
    }
}

/// Says what the health check port of a Service has to answer; nil if the Service has none.
///
/// Only Services of type LoadBalancer with `externalTrafficPolicy` Local have one. Endpoints that terminate do not count,
/// even while they serve for want of ready ones: the load balancer has to leave the node before they are gone.
///
/// - Parameters:
///   - service: The Service.
///   - resolved: What policy makes of it on the node.
///   - slices: The EndpointSlices of the Service, and of no other.
///   - node: The node.
public func healthCheck(
    of service: Service, resolved: ResolvedService, slices: [EndpointSlice], node: NodeContext
) -> HealthCheck? {
    guard let port = service.healthCheckPort else { return nil }
    var addresses: [IPFamily: Set<IPAddress>] = [:]
    for family in Set(resolved.ports.map(\.family)) {
        var found: Set<IPAddress> = []
        for port in service.ports {
            let roster = EndpointRoster(port: port, family: family, slices: slices, node: node)
            for candidate in roster.candidates where candidate.traits.isSuperset(of: [.ready, .onThisNode]) {
                found.insert(candidate.backend.address)
            }
        }
        addresses[family] = found
    }
    return HealthCheck(
        key: service.key, creationTimestamp: service.creationTimestamp, port: port,
        localEndpoints: addresses.mapValues(\.count))
}

/// A Local policy that finds no endpoint on this node although there are some elsewhere: what is counted for metrics.
public struct LocalGap: Hashable, Sendable {
    /// The family.
    public var family: IPFamily
    /// Whether `externalTrafficPolicy` is the policy (else `internalTrafficPolicy`).
    public var isExternal: Bool

    /// Makes a gap.
    public init(family: IPFamily, isExternal: Bool) {
        self.family = family
        self.isExternal = isExternal
    }
}

extension ResolvedService {
    /// The ports that lack a local endpoint under a Local policy, counted.
    public var localGaps: [LocalGap: Int] {
        var result: [LocalGap: Int] = [:]
        for port in ports where port.localPool.isEmpty && !port.usable.isEmpty {
            if port.internalPolicy == .local {
                result[LocalGap(family: port.family, isExternal: false), default: 0] += 1
            }
            if port.externalPolicy == .local {
                result[LocalGap(family: port.family, isExternal: true), default: 0] += 1
            }
        }
        return result
    }
}
