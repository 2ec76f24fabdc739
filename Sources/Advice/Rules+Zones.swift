import KubernetesModel
import NetworkTypes
import ServicePolicy

/// trafficDistribution and topology hints: closeness, and what it costs.
///
/// Source of all: KEP-4444 and KEP-3015 (`spec.trafficDistribution`), KEP-2433 (hints).
extension ServiceCase {
    /// Whether closeness is asked for by the field.
    private var wantsCloseness: Bool { service.trafficDistribution?.isEmpty == false }
    private var hasZoneHints: Bool { slices.contains { $0.endpoints.contains { $0.hints?.zones.isEmpty == false } } }
    private var hasNodeHints: Bool { slices.contains { $0.endpoints.contains { $0.hints?.nodes.isEmpty == false } } }

    /// Closeness that does not happen: nodes heed hints only if every ready endpoint has some.
    var hintsIgnored: [AdviceFinding] {
        guard wantsCloseness || hasZoneHints || hasNodeHints, facts.workersByZone.count > 1 || hasNodeHints else {
            return []
        }
        let ready = slices.filter { !$0.isHeadless }.flatMap(\.endpoints).filter(\.isReady)
        let hinted = ready.filter { $0.hints?.zones.isEmpty == false || $0.hints?.nodes.isEmpty == false }
        guard !ready.isEmpty, hinted.count < ready.count else { return [] }
        var finding = finding(
            .hintsIgnored,
            """
            \(ready.count - hinted.count) of \(Words.count(ready.count, "ready endpoint")) \
            \(ready.count - hinted.count == 1 ? "has" : "have") no hints, so nodes ignore those of all others \
            and traffic crosses zones
            """
        )
        finding.evidence = [
            Evidence("endpointsWithHints", Double(hinted.count), "\(hinted.count) with hints"),
            Evidence("trafficDistribution", "trafficDistribution: \(service.trafficDistribution ?? "not set")"),
        ]
        finding.remedies = [
            """
            see that the EndpointSlices are those of the cluster's controller, and that it knows \
            trafficDistribution (Kubernetes 1.30)
            """,
            "or give slices of your own hints on every endpoint", "or remove trafficDistribution",
        ]
        return [finding]
    }

    /// A zone with nodes and without an endpoint: who calls from there goes to other zones, whatever is asked for.
    var zoneWithoutEndpoint: [AdviceFinding] {
        guard wantsCloseness, facts.workersByZone.count > 1 else { return [] }
        return placements.compactMap { placement in
            let counts = placement.countByZone
            let bare = facts.workersByZone.keys.filter { counts[$0] == nil }.sorted()
            guard !counts.isEmpty, !bare.isEmpty else { return nil }
            let nodes = bare.reduce(0) { $0 + (facts.workersByZone[$1] ?? 0) }
            var finding = finding(
                .zoneWithoutEndpoint,
                """
                trafficDistribution asks for near endpoints and \(Words.list(bare.map { "zone \($0)" })) \
                \(bare.count == 1 ? "has" : "have") none\(scope(placement)): callers there go to other zones
                """
            )
            finding.nodes = facts.nodes.filter { $0.takesPods && bare.contains($0.zone ?? "") }.map(\.name)
            finding.evidence = [
                Evidence("nodesInThem", Double(nodes), "\(Words.count(nodes, "node")) in \(Words.list(bare))")
            ]
            finding.evidence += counts.keys.sorted().map { zone in
                Evidence(
                    "endpointsInZone", Double(counts[zone] ?? 0),
                    "\(Words.count(counts[zone] ?? 0, "ready endpoint")) in \(zone)")
            }
            finding.remedies = [
                "run pods there: topologySpreadConstraints with topologyKey topology.kubernetes.io/zone",
                "or remove trafficDistribution",
            ]
            return finding
        }
    }

    /// Endpoints of a zone with many callers and few endpoints get more than those of others.
    ///
    /// Callers are taken to be spread like nodes. Each zone's pool is the one that its nodes use by the hints there are.
    var zoneUneven: [AdviceFinding] {
        guard hasZoneHints, !hasNodeHints, facts.workersByZone.count > 1, service.internalTrafficPolicy == .cluster
        else {
            return []
        }
        return placements.compactMap { placement in
            let pools = facts.workersByZone.keys.sorted().map { zone in
                (
                    zone: zone,
                    pool: EndpointSelection(
                        port: placement.port, family: placement.family, slices: slices,
                        node: NodeContext(nodeName: "", zone: zone)
                    ).clusterPool
                )
            }
            let workers = Double(facts.workersByZone.values.reduce(0, +))
            var shares: [Backend: Double] = [:]
            for (zone, pool) in pools {
                let weight = Double(facts.workersByZone[zone] ?? 0) / workers
                // Shares that follow weights are meant to be uneven.
                let members = Set(pool)
                for backend in members { shares[backend, default: 0] += weight / Double(members.count) }
            }
            guard let most = shares.values.max(), let least = shares.values.min(), least > 0,
                most / least >= AdviceOptions.unevenRatio
            else { return nil }
            var finding = finding(
                .zoneUneven,
                """
                hints keep traffic in zones, and the busiest endpoint gets \(Words.tenths(most / least)) times \
                as much as the idlest\(scope(placement))
                """
            )
            finding.evidence = [
                Evidence(
                    "busiestToIdlest", most / least,
                    "\(Words.percent(most)) against \(Words.percent(least)), if callers are spread like nodes")
            ]
            finding.evidence += pools.map { zone, pool in
                let nodes = facts.workersByZone[zone] ?? 0
                return Evidence(
                    "endpointsOfZone", Double(Set(pool).count),
                    """
                    \(zone): \(Words.count(Set(pool).count, "endpoint")) for \(Words.count(nodes, "node")) \
                    (\(Words.percent(Double(nodes) / workers)))
                    """
                )
            }
            finding.remedies = [
                """
                spread the pods over zones as callers are: topologySpreadConstraints with topologyKey \
                topology.kubernetes.io/zone
                """,
                "or scale each zone by a Deployment of its own", "or remove trafficDistribution",
            ]
            return finding
        }
    }
}
