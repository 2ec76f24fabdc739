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

    /// Looks at all Nodes and Services.
    func addresses(of cluster: ClusterState) -> (
        nodes: [IPAddress: [String]], claims: [IPAddress: [LocalClaim]], checks: HealthCheckPortClaims
    ) {
        var byAddress: [IPAddress: [String]] = [:]
        for node in nodes {
            for address in Set(node.internalIPs + node.externalIPs) {
                byAddress[address, default: []].append(node.name)
            }
        }
        var claims: [IPAddress: [LocalClaim]] = [:]
        var checks = HealthCheckPortClaims()
        cluster.forEachService { service, slices in
            let resolved = resolve(service, slices: [], node: NodeContext(nodeName: ""), wantsFindings: false).service
            guard let resolved else { return }
            checks.set(
                service.key, creationTimestamp: service.creationTimestamp, healthCheckPort: service.healthCheckPort,
                tcpNodePorts: resolved.tcpNodePorts)
            guard service.externalTrafficPolicy == .local else { return }
            for address in Set(resolved.ports.flatMap { $0.frontends.filter(\.isExternal).compactMap(\.address) }) {
                let serving = Placement.all(of: service, families: [address.family], slices: slices, nodes: [:])
                    .reduce(into: Set<String>()) { $0.formUnion($1.servingNodes) }
                claims[address, default: []].append(LocalClaim(service: service.key, nodes: serving))
            }
        }
        return (byAddress, claims, checks)
    }
}
