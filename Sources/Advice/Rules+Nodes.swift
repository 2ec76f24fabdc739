import KubernetesModel
import NetworkTypes

/// Rules about Nodes: what the dataplane was told of the whole cluster against what they say.
extension Advisor {
    /// One finding for all nodes with the same mistake: it is made in one place, the configuration.
    var nodeFindings: [AdviceFinding] {
        switch options.podSources {
        case .clusterCIDRs(let ranges)? where !ranges.isEmpty: outside(ranges)
        case .nodeCIDRs?: withoutPodCIDR
        case .clusterCIDRs?, nil: []
        }
    }

    private func outside(_ ranges: [CIDR]) -> [AdviceFinding] {
        let stray = cluster.nodes.compactMap { node -> (name: String, blocks: [CIDR])? in
            let blocks = node.podCIDRs.filter { block in !ranges.contains { $0.contains(block) } }
            return blocks.isEmpty ? nil : (node.name, blocks)
        }
        guard let first = stray.first else { return [] }
        var finding = AdviceFinding(
            .podCIDROutsideClusterCIDR, Self.id(first.name),
            summary: """
                pods with addresses outside of clusterCIDR count as clients outside: they are masqueraded on their way to \
                ClusterIPs, and subject to externalTrafficPolicy Local
                """)
        finding.nodes = stray.map(\.name)
        finding.evidence = [
            Evidence("clusterCIDR", "clusterCIDR is \(ranges.map(\.description).joined(separator: ","))"),
            Evidence(
                "podCIDRs", Double(stray.count),
                "\(Words.count(stray.count, "Node has", "Nodes have")) a podCIDR outside of it, such as \(first.name) with "
                    + Words.list(first.blocks.map(\.description))),
        ]
        finding.remedies = [
            "set clusterCIDR to the range of all pods, one for each family",
            "or leave it as it is, if the network plugin gives pods other addresses than the Nodes' podCIDRs",
        ]
        return [finding]
    }

    private var withoutPodCIDR: [AdviceFinding] {
        let names = cluster.nodes.filter(\.podCIDRs.isEmpty).map(\.name)
        guard let first = names.first else { return [] }
        var finding = AdviceFinding(
            .nodeWithoutPodCIDR, Self.id(first),
            summary: """
                detectLocalMode is NodeCIDR and the Node has no podCIDR: all sources count as clients outside, masqueraded on \
                their way to ClusterIPs and subject to externalTrafficPolicy Local
                """)
        finding.nodes = names
        finding.evidence = [
            Evidence(
                "nodes", Double(names.count),
                "\(Words.count(names.count, "Node", "Nodes")) without spec.podCIDRs: \(Words.list(names))")
        ]
        finding.remedies = [
            "have podCIDRs allocated (kube-controller-manager's --allocate-node-cidrs)",
            "or set detectLocalMode to ClusterCIDR, with clusterCIDR the range of all pods",
        ]
        return [finding]
    }

    /// Nodes that `kubectl cordon` or `kubectl drain` has marked, and nobody has taken out of load balancers before: connections that come
    /// there end with the pods, under policy Cluster with the node.
    ///
    /// Source: KEP-3458, by which load balancers keep cordoned nodes; KEP-1669, by which endpoints that terminate serve for a while.
    func evictionsBeforeWithdrawal(_ facts: ClusterFacts) -> [AdviceFinding] {
        let nodes = cluster.nodes.filter {
            $0.isCordoned && $0.exclusion == nil && options.drainTaints.first(of: $0) == nil
        }
        guard !nodes.isEmpty else { return [] }
        var (external, local): (Int, [String: Int]) = (0, [:])
        for key in cluster.serviceKeys {
            guard let service = cluster.service(key),
                let subject = ServiceCase(service, slices: cluster.slices(of: key), facts: facts, options: options),
                subject.isExternal, subject.comesThroughNodes
            else { continue }
            external += 1
            guard subject.isExternalLocal else { continue }
            let serving = subject.placements.reduce(into: Set<String>()) { $0.formUnion($1.servingNodes) }
            for name in serving { local[name, default: 0] += 1 }
        }
        guard external > 0 else { return [] }
        let names = nodes.map(\.name).sorted()
        var finding = AdviceFinding(
            .evictionBeforeWithdrawal, Self.id(names[0]),
            summary: """
                \(Words.list(names)) \(names.count == 1 ? "is" : "are") cordoned, and load balancers still send there: what \
                comes until they notice that pods or node have gone is lost
                """)
        finding.nodes = names
        finding.evidence = [
            Evidence("cordon", "\(DrainTaints.cordon) keeps new pods away and says nothing of traffic (KEP-3458)"),
            Evidence(
                "services", Double(external),
                "\(Words.count(external, "Service is", "Services are")) reached from outside through nodes"),
        ]
        for name in names {
            guard let count = local[name] else { continue }
            finding.evidence.append(
                Evidence(
                    "localServices", Double(count),
                    "\(Words.count(count, "Service has", "Services have")) endpoints on \(name) under externalTrafficPolicy Local"
                ))
        }
        let taint = options.drainTaints.keys.first
        finding.remedies = [
            """
            first withdraw, then evict: \(taint.map { "taint the node with \($0)" } ?? "run with --drain-taints and taint the node"), wait \
            until load balancers have noticed, then drain it
            """,
            "for MetalLB and controllers of clouds: label the node \(Node.excludingLabel) in place of the taint",
            "or uncordon the node, if it is to stay",
        ]
        return [finding]
    }

    private static func id(_ name: String) -> ObjectID { ObjectID(kind: .node, key: ObjectKey(name: name)) }
}
