import KubernetesModel
import NetworkTypes
import ServicePolicy

/// Where the ready endpoints of some ports of a Service are. Most Services have one placement for all ports and families.
struct Placement: Hashable, Sendable {
    /// A ready endpoint.
    struct Member: Hashable, Sendable {
        var address: IPAddress
        var node: String?
        var zone: String?
    }

    /// The ports and families, as sentences name them; empty if there is only this placement.
    var label: String
    /// The port and family that stand for all of them.
    var port: ServicePort
    var family: IPFamily
    /// The ready endpoints.
    var members: [Member]
    /// How many entries are not ready and do not serve while they terminate.
    var unready: Int
    /// Whether any endpoint is ready, or serves while it terminates.
    var isUsable: Bool
    /// The nodes with such endpoints: connections that come there are served, if not for long.
    var servingNodes: Set<String>

    /// The nodes with ready endpoints and how many each has.
    var countByNode: [String: Int] {
        members.reduce(into: [:]) { counts, member in
            if let node = member.node { counts[node, default: 0] += 1 }
        }
    }

    /// The zones with ready endpoints and how many each has.
    var countByZone: [String: Int] {
        members.reduce(into: [:]) { counts, member in
            if let zone = member.zone { counts[zone, default: 0] += 1 }
        }
    }

    /// Whether every endpoint names its node.
    var isOnNodes: Bool { members.allSatisfy { $0.node != nil } }

    /// The placements of a Service's ports, each with what it holds for.
    static func all(
        of service: Service, families: [IPFamily], slices: [EndpointSlice], nodes: [String: Node]
    ) -> [Placement] {
        let slicesByKey = Dictionary(slices.map { ($0.key, $0) }) { first, _ in first }
        var groups: [(placement: Placement, labels: [String])] = []
        for family in families {
            for port in service.ports {
                let placement = Placement(port, family, slices, slicesByKey, nodes)
                let label = "port \(port.label)" + (families.count > 1 ? " in \(family)" : "")
                if let index = groups.firstIndex(where: { $0.placement.isAlike(placement) }) {
                    groups[index].labels.append(label)
                } else {
                    groups.append((placement, [label]))
                }
            }
        }
        return groups.map { group in
            var placement = group.placement
            placement.label = groups.count > 1 ? Words.list(group.labels) : ""
            return placement
        }
    }

    private init(
        _ port: ServicePort, _ family: IPFamily, _ slices: [EndpointSlice], _ slicesByKey: [ObjectKey: EndpointSlice],
        _ nodes: [String: Node]
    ) {
        (label, self.port, self.family) = ("", port, family)
        // A node without name and zone: hints name nobody like it, so that every ready endpoint is in the cluster pool.
        let entries = EndpointSelection.explain(
            port: port, family: family, slices: slices, node: NodeContext(nodeName: ""))
        unready = entries.count { $0.cluster == .notReady }
        isUsable = entries.contains(where: \.isUsable)
        servingNodes = Set(entries.filter(\.isUsable).compactMap(\.nodeName))
        members = entries.filter { $0.cluster == .used }.map { entry in
            let node = entry.nodeName.flatMap { $0.isEmpty ? nil : $0 }
            let zone = slicesByKey[entry.slice]?.endpoints[entry.index].zone ?? node.flatMap { nodes[$0]?.zone }
            return Member(address: entry.address, node: node, zone: zone.flatMap { $0.isEmpty ? nil : $0 })
        }
    }

    /// Whether endpoints are on the same nodes in the same numbers, whatever their addresses.
    private func isAlike(_ other: Placement) -> Bool {
        members.count == other.members.count && countByNode == other.countByNode && countByZone == other.countByZone
            && isUsable == other.isUsable && servingNodes == other.servingNodes
    }
}

extension ServicePort {
    /// `http (80/tcp)`, or `80/tcp` without a name.
    var label: String { name.isEmpty ? "\(port)/\(transport)" : "\(name) (\(port)/\(transport))" }
}
