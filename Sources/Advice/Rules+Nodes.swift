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

    private static func id(_ name: String) -> ObjectID { ObjectID(kind: .node, key: ObjectKey(name: name)) }
}
