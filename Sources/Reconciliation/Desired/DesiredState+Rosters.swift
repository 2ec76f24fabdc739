import KubernetesModel
import ServiceDataplane
import ServicePolicy

/// Changes of slices of large Services: they cost the slice, not the Service.
extension DesiredState {
    /// What a change means for the endpoints of a Service; nil if the Service has to be resolved as a whole. A roster that is of no
    /// use any more is discarded.
    mutating func endpointChanges(of key: ObjectKey, _ affected: AffectedState) -> [EndpointChanges]? {
        guard var roster = rosters.removeValue(forKey: key), let slices = affected.slicesAlone[key],
            dataplane.takesEndpoints(of: key), let changes = roster.take(slices)
        else { return nil }
        rosters[key] = roster
        return changes
    }

    /// Makes a roster of a Service that has been resolved because slices of it changed: others will.
    mutating func enroll(_ key: ObjectKey, _ resolved: ResolvedService?, node: NodeContext) {
        guard let resolved, let service = cluster.service(key) else { return }
        let slices = cluster.slices(of: key)
        guard slices.reduce(0, { $0 + $1.endpoints.count }) >= smallestRoster else { return }
        rosters[key] = ServiceRoster(service, resolved: resolved, slices: slices, node: node)
    }
}
