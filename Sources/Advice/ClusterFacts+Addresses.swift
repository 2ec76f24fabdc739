import KubernetesModel
import NetworkTypes
import ServicePolicy

/// Whose addresses and ports are whose.
extension ClusterFacts {
    /// A Service that has an external address under externalTrafficPolicy Local.
    struct LocalClaim: Hashable, Sendable {
        let service: ObjectKey
        /// The nodes with a usable endpoint of the address's family.
        let nodes: Set<String>
    }

    /// `spec.healthCheckNodePort` where the API gives it a meaning: type LoadBalancer with externalTrafficPolicy Local.
    static func healthCheckPort(of service: Service) -> UInt16? {
        guard service.type == .loadBalancer, service.externalTrafficPolicy == .local, service.healthCheckNodePort != 0
        else { return nil }
        return service.healthCheckNodePort
    }

    /// Older Services come first, then the ones whose name does: the order in which they have what they claim.
    func addresses(of cluster: ClusterState) -> (
        nodes: [IPAddress: [String]], claims: [IPAddress: [LocalClaim]], checks: [UInt16: [ObjectKey]],
        nodePorts: [UInt16: ObjectKey]
    ) {
        var byAddress: [IPAddress: [String]] = [:]
        for node in nodes {
            for address in Set(node.internalIPs + node.externalIPs) {
                byAddress[address, default: []].append(node.name)
            }
        }
        var claims: [IPAddress: [LocalClaim]] = [:]
        var checks: [UInt16: [Claimant]] = [:]
        var nodePorts: [UInt16: Claimant] = [:]
        cluster.forEachService { service, slices in
            let resolved = resolve(service, slices: [], node: NodeContext(nodeName: ""), wantsFindings: false).service
            guard let resolved else { return }
            let claimant = Claimant(time: service.creationTimestamp, key: service.key)
            if let port = Self.healthCheckPort(of: service) { checks[port, default: []].append(claimant) }
            for port in resolved.ports where port.transport == .tcp {
                for frontend in port.frontends where frontend.address == nil {
                    nodePorts[frontend.port] = min(nodePorts[frontend.port] ?? claimant, claimant)
                }
            }
            guard service.externalTrafficPolicy == .local else { return }
            for address in Set(resolved.ports.flatMap { $0.frontends.filter(\.isExternal).compactMap(\.address) }) {
                let serving = Placement.all(of: service, families: [address.family], slices: slices, nodes: [:])
                    .reduce(into: Set<String>()) { $0.formUnion($1.servingNodes) }
                claims[address, default: []].append(LocalClaim(service: service.key, nodes: serving))
            }
        }
        return (byAddress, claims, checks.mapValues { $0.sorted().map(\.key) }, nodePorts.mapValues(\.key))
    }

    private struct Claimant: Comparable {
        let time: String
        let key: ObjectKey
        static func < (left: Claimant, right: Claimant) -> Bool { (left.time, left.key) < (right.time, right.key) }
    }
}
