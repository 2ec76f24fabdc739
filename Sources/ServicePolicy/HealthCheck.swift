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
    /// The addresses of ready endpoints on this node whose weight is not 0, counted, for each family of the
    /// Service; a pod with two ports, or in two slices, is one.
    public var localEndpoints: [IPFamily: Int]
    /// What these weigh together, for families with weights, in a unit that is the same on all nodes: that by which all endpoints of the Service
    /// have whole numbers, or a thousandth of all that they weigh if that is more. A load balancer takes it for the node's weight, from 0 to
    /// 1000; without weights it takes the count.
    public var localWeights: [IPFamily: Int] = [:]

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
    var weights: [IPFamily: Int] = [:]
    for family in Set(resolved.ports.map(\.family)) {
        var found: Set<IPAddress> = []
        var (all, own): ([IPAddress: UInt16], [IPAddress: UInt16]) = ([:], [:])
        let rosters = service.ports.map { EndpointRoster(port: $0, family: family, slices: slices, node: node) }
        // Where one port has weights, the endpoints of the others count in the same unit.
        let hasWeights = rosters.contains(where: \.hasWeights)
        for roster in rosters {
            for candidate in roster.candidates where candidate.traits.isSuperset(of: [.ready, .takesNew]) {
                let address = candidate.backend.address
                let isOwn = candidate.traits.contains(.onThisNode)
                if isOwn { found.insert(address) }
                guard hasWeights else { continue }
                all[address] = max(all[address] ?? 0, candidate.weight)
                if isOwn { own[address] = max(own[address] ?? 0, candidate.weight) }
            }
        }
        addresses[family] = found
        guard !own.isEmpty else { continue }
        let unit = WeightUnit.of(all.values)
        let (sum, total) = (own.values.reduce(0) { $0 + Int($1) } / unit, all.values.reduce(0) { $0 + Int($1) } / unit)
        weights[family] = total > 1000 ? max(1, sum * 1000 / total) : sum
    }
    var check = HealthCheck(
        key: service.key, creationTimestamp: service.creationTimestamp, port: port,
        localEndpoints: addresses.mapValues(\.count))
    check.localWeights = weights
    return check
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
        for port in ports where port.localPool.isEmpty && !port.clusterPool.isEmpty {
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
