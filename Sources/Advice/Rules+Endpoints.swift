import KubernetesModel
import NetworkTypes
import ServicePolicy

/// Whether there are endpoints, and whether one loss takes them all.
extension ServiceCase {
    /// No endpoint is ready or serves while it terminates: every connection is rejected, unless an annotation says otherwise.
    ///
    /// Source: the Service API; semantics, "What is refused".
    var noEndpoint: [AdviceFinding] {
        placements.filter { !$0.isUsable }.map { placement in
            var finding = finding(
                .noEndpoint, "no endpoint can answer\(scope(placement)): \(withoutEndpoint)")
            finding.evidence = [
                Evidence("endpointSlices", Double(slices.count), Words.count(slices.count, "EndpointSlice")),
                Evidence(
                    "notReady", Double(placement.unready), "\(Words.count(placement.unready, "endpoint")) not ready"),
            ]
            finding.remedies =
                placement.unready > 0
                ? ["see why the pods are not ready"]
                : [
                    "see that the selector matches pods and that targetPort names a port of theirs",
                    "or delete the Service",
                ]
            return finding
        }
    }

    private var withoutEndpoint: String {
        switch service.noEndpointAction {
        case .reject: "every connection is rejected"
        case .drop: "every connection is dropped (annotation \(Service.noEndpointsAnnotation))"
        case .pass:
            "connections to the cluster IP are rejected, external ones are left to routes (annotation "
                + "\(Service.noEndpointsAnnotation))"
        }
    }

    /// internalTrafficPolicy Local, and nodes that run pods but no endpoint: their connections to the ClusterIP are dropped.
    ///
    /// Whether those pods call this Service is not known, only that they could. Source: KEP-2086.
    var internalLocalGap: [AdviceFinding] {
        guard service.internalTrafficPolicy == .local else { return [] }
        return placements.compactMap { placement in
            guard placement.isUsable else { return nil }
            let gap = facts.nodes.map(\.name).filter { !placement.servingNodes.contains($0) && callers(on: $0) > 0 }
            guard !gap.isEmpty else { return nil }
            var finding = finding(
                .internalLocalGap,
                """
                internalTrafficPolicy is Local and \(Words.list(gap)) \(gap.count == 1 ? "runs" : "run") pods \
                but no ready endpoint\(scope(placement)): connections from there to the cluster IP are dropped
                """
            )
            finding.nodes = gap
            finding.evidence = gap.prefix(6).map { name in
                let others = facts.endpointsByNode[name]?.keys.filter { $0 != service.key }.sorted() ?? []
                return Evidence(
                    "podsOfOthers", Double(callers(on: name)),
                    "\(name): \(Words.count(callers(on: name), "endpoint")) of \(Words.list(others.map(\.description)))"
                )
            }
            finding.remedies = [
                "run a pod on every node that has callers, as a DaemonSet does",
                """
                or set internalTrafficPolicy Cluster; trafficDistribution PreferSameNode prefers near endpoints \
                and drops nothing
                """,
            ]
            return finding
        }
    }

    /// The endpoints of other Services on a node: pods that could be callers.
    private func callers(on node: String) -> Int {
        (facts.countByNode[node] ?? 0) - (facts.endpointsByNode[node]?[service.key] ?? 0)
    }

    /// One endpoint, one node, one zone: the first of these that holds.
    ///
    /// Source: the Kubernetes documentation of disruptions and of topology spread constraints.
    var singlePoints: [AdviceFinding] {
        // Of several placements the first one that is wrong says enough.
        placements.lazy.compactMap(singlePoint).prefix(1).map { $0 }
    }

    private func singlePoint(_ placement: Placement) -> AdviceFinding? {
        // Where there is one node nothing can be done about it.
        guard !placement.members.isEmpty, facts.nodes.count != 1 else { return nil }
        let severity: Finding.Severity = isExternal ? .warning : .info
        let count = placement.members.count
        var finding: AdviceFinding
        if count == 1 {
            finding = self.finding(
                .singleEndpoint, severity: severity,
                "one pod answers\(scope(placement)): whatever stops it stops the Service")
            finding.nodes = placement.members.compactMap(\.node)
            finding.remedies = ["run two pods or more, with a PodDisruptionBudget and spread over nodes"]
        } else if placement.isOnNodes, placement.countByNode.count == 1, facts.nodes.filter(\.takesPods).count > 1 {
            finding = self.finding(
                .singleNode, severity: severity,
                "all \(count) ready endpoints are on one node\(scope(placement)): whatever stops it stops the Service")
            finding.nodes = Array(placement.countByNode.keys)
            finding.remedies = [
                """
                spread the pods over nodes: topologySpreadConstraints with topologyKey kubernetes.io/hostname, \
                or podAntiAffinity
                """
            ]
        } else if placement.countByZone.count == 1, placement.members.allSatisfy({ $0.zone != nil }),
            facts.workersByZone.count > 1
        {
            finding = self.finding(
                .singleZone, severity: severity,
                "all \(count) ready endpoints are in one zone\(scope(placement)): whatever stops it stops the Service")
            finding.evidence = [
                Evidence(
                    "zones", Double(facts.workersByZone.count),
                    "zones with nodes: \(Words.list(facts.workersByZone.keys.sorted()))")
            ]
            finding.remedies = [
                "spread the pods over zones: topologySpreadConstraints with topologyKey topology.kubernetes.io/zone"
            ]
        } else {
            return nil
        }
        let places = placement.members.prefix(6).map { "\($0.address)\($0.node.map { " on \($0)" } ?? "")" }
        finding.evidence.insert(Evidence("readyEndpoints", Double(count), Words.list(places)), at: 0)
        return finding
    }

    /// Another Service has a frontend that this one claims, too.
    ///
    /// Source: own rule (kube-proxy serves either at random): the oldest Service has it, then the one whose name comes first.
    var contestedFrontend: [AdviceFinding] {
        var lost: [ObjectKey: [String]] = [:]
        for port in resolved.ports {
            for frontend in port.frontends {
                let front = ClusterFacts.Front(
                    address: frontend.address, port: frontend.port, transport: port.transport, family: port.family)
                guard let owner = facts.contested[front]?.first, owner != service.key else { continue }
                let address = frontend.address.map { $0.family == .ipv6 ? "[\($0)]" : "\($0)" }
                lost[owner, default: []].append(
                    address.map { "\($0):\(frontend.port)/\(port.transport)" }
                        ?? "node port \(frontend.port)/\(port.transport) (\(port.family))")
            }
        }
        return lost.sorted { $0.key < $1.key }.map { owner, fronts in
            var finding = finding(
                .contestedFrontend,
                """
                \(Words.list(fronts)) \(fronts.count == 1 ? "is" : "are") served by \(owner), which is older or \
                first by name
                """
            )
            finding.evidence = [
                Evidence("contestedFrontends", Double(fronts.count), "claimed by \(owner) and \(service.key)")
            ]
            finding.remedies = ["give one of the two another address or port"]
            return finding
        }
    }
}
