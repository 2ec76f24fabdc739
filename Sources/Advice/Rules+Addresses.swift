import KubernetesModel
import NetworkTypes
import ServicePolicy

/// Addresses and ports that more than one claims: Services among each other, or a Service and the nodes themselves.
extension ServiceCase {
    /// Services share an external address under Local, and no node has endpoints of all of them.
    ///
    /// What makes an address reach nodes (a BGP route, an ARP answer) knows no ports: wherever the address is, the packets of one
    /// Service or another are dropped. A load balancer that sends each port to nodes of its own choice is left out. Source:
    /// the Service API, `externalTrafficPolicy`; MetalLB's documentation of shared addresses.
    var sharedAddressSplit: [AdviceFinding] {
        guard isExternalLocal, routesWholeAddresses else { return [] }
        var result: [AdviceFinding] = []
        for address in externalAddresses {
            let claims = (facts.localClaims[address] ?? []).sorted { $0.service < $1.service }
            let serving = claims.filter { !$0.nodes.isEmpty }
            guard let own = serving.first(where: { $0.service == service.key }), serving.count > 1 else { continue }
            let common = serving.dropFirst().reduce(serving[0].nodes) { $0.intersection($1.nodes) }
            let alone = own.nodes.subtracting(common)
            guard common.isEmpty || !alone.isEmpty else { continue }
            let others = serving.filter { $0.service != service.key }.map { "\($0.service)" }
            let consequence =
                common.isEmpty
                ? "no node has endpoints of all: wherever the address is, packets of one of them are dropped"
                : "\(Words.list(alone.sorted())) \(alone.count == 1 ? "lacks" : "lack") endpoints of "
                    + "others: packets of theirs that come there are dropped"
            var finding = finding(
                .sharedAddressSplit, severity: common.isEmpty ? .error : .warning,
                "\(address) is shared with \(Words.list(others)) under externalTrafficPolicy Local, and \(consequence)")
            finding.nodes = (common.isEmpty ? own.nodes : alone).sorted()
            finding.evidence = serving.map {
                Evidence("endpointNodes", "\($0.service) has endpoints on \(Words.list($0.nodes.sorted()))")
            }
            if isBalanced { finding.evidence.append(balancer.evidence) }
            finding.remedies = [
                "run pods of all of these Services on the same nodes: podAffinity, or a DaemonSet for each",
                "or give each Service an address of its own",
                "or set externalTrafficPolicy Cluster on those that do not need the client's address",
            ]
            result.append(finding)
        }
        return result
    }

    /// The health check port is another's as well: the node answers for one of them, or a pod does.
    ///
    /// A node port is translated before a server of the node sees the packet, so the load balancer's question reaches a pod.
    /// Source: the Service API, `spec.healthCheckNodePort`; API servers allocate both from one range, but for ports that
    /// were set by hand or restored from a backup.
    var contestedHealthCheckPort: [AdviceFinding] {
        facts.healthCheckPorts.conflicts(of: service.key).map { conflict in
            let (port, other) = (conflict.port, conflict.other)
            var finding = finding(.contestedHealthCheckPort, "healthCheckNodePort \(conflict.summary)")
            switch conflict.kind {
            case .healthCheck:
                finding.evidence = [
                    Evidence("healthCheckNodePort", Double(port), "claimed by \(other) and \(service.key)")
                ]
            case .nodePort:
                finding.evidence = [Evidence("nodePort", Double(port), "node port \(port)/TCP of \(other)")]
            }
            finding.remedies = [
                "give one of the two another port; healthCheckNodePort cannot be changed, so recreate the Service without it",
                "or set externalTrafficPolicy Cluster, which needs no health check port, and Local again: a new port is allocated",
            ]
            return finding
        }
    }

    /// A frontend stands on an address of a node, on a port that the node itself needs.
    ///
    /// Every node translates the frontend, wherever the address is: connections to that node's kubelet, API server or SSH go to
    /// pods, from pods and from the other nodes as well. Source: the Service API's `externalIPs` and load balancer status,
    /// which may hold any address.
    var nodePortTaken: [AdviceFinding] {
        var taken: [String: (nodes: Set<String>, uses: Set<String>)] = [:]
        for port in resolved.ports {
            for frontend in port.frontends where frontend.isExternal {
                guard let address = frontend.address, let nodes = facts.nodesByAddress[address],
                    let use = Self.nodeServices[NodeService(frontend.port, port.transport)]
                else { continue }
                let host = address.family == .ipv6 ? "[\(address)]" : "\(address)"
                taken["\(host):\(frontend.port)/\(port.transport)", default: ([], [])].nodes.formUnion(nodes)
                taken["\(host):\(frontend.port)/\(port.transport)"]?.uses.insert(use)
            }
        }
        return taken.sorted { $0.key < $1.key }.map { front, what in
            let nodes = Words.list(what.nodes.sorted())
            var finding = finding(
                .nodePortTaken,
                """
                \(front) is an address of \(nodes) and a port that nodes need (\(Words.list(what.uses.sorted()))): \
                every node sends such connections to pods
                """
            )
            finding.nodes = what.nodes.sorted()
            finding.evidence = [Evidence("nodeAddress", "status.addresses of \(nodes) has this address")]
            finding.remedies = [
                "take the address out of externalIPs, or have the load balancer assign another one",
                "or give the Service another port",
            ]
            return finding
        }
    }

    /// The load balancer's IPs are addresses of nodes, and some of these have no endpoint under Local.
    ///
    /// Such load balancers (ServiceLB of k3s and the like) let clients choose the node: nobody keeps away from those without an
    /// endpoint but who writes the status.
    var nodeAddressWithoutEndpoint: [AdviceFinding] {
        guard isExternalLocal, isBalanced, !returnsDirectly else { return [] }
        let addresses = Set(service.loadBalancerIngress.filter { $0.mode == .vip }.map(\.address))
        return placements.compactMap { placement in
            let idle = addresses.filter { address in
                guard address.family == placement.family, let nodes = facts.nodesByAddress[address] else {
                    return false
                }
                return placement.servingNodes.isDisjoint(with: nodes)
            }.sorted()
            guard !placement.servingNodes.isEmpty, !idle.isEmpty else { return nil }
            let nodes = Set(idle.flatMap { facts.nodesByAddress[$0] ?? [] }).sorted()
            var finding = finding(
                .nodeAddressWithoutEndpoint,
                """
                externalTrafficPolicy is Local and the load balancer's \(idle.count == 1 ? "IP" : "IPs") \
                \(Words.list(idle.map { "\($0)" })) \(idle.count == 1 ? "is an address" : "are addresses") of \
                \(Words.list(nodes)), without a ready endpoint\(scope(placement)): what comes there is \(outsideWithoutEndpoint)
                """
            )
            finding.nodes = nodes
            finding.evidence = [
                Evidence(
                    "endpointNodes", "ready endpoints are on \(Words.list(placement.servingNodes.sorted()))")
            ]
            finding.remedies = [
                "have the load balancer publish addresses of nodes with an endpoint only",
                "or run a pod on each of these nodes, as a DaemonSet does",
                """
                or set externalTrafficPolicy Cluster; with the annotation \(Service.externalTrafficAnnotation): \
                \(Service.preferLocal) nodes with an endpoint still keep the source
                """,
            ]
            return finding
        }
    }

    /// The addresses that something outside the cluster has to lead to nodes, sorted.
    private var externalAddresses: [IPAddress] {
        Set(resolved.ports.flatMap { $0.frontends.filter(\.isExternal).compactMap(\.address) })
            .sorted()
    }

    /// Whether an address as a whole is led to a node, whatever the port. A cloud's or an appliance's load balancer sends each
    /// port to nodes that it asked about that port's Service.
    private var routesWholeAddresses: Bool {
        guard isBalanced, service.externalIPs.isEmpty else { return true }
        return balancer.kind == nil || balancer.kind == .metalLB
    }

    private struct NodeService: Hashable {
        let port: UInt16
        let transport: TransportProtocol
        init(_ port: UInt16, _ transport: TransportProtocol) { (self.port, self.transport) = (port, transport) }
    }

    /// What a node needs to be managed, to be a node, and to be asked for its health, by its usual port.
    private static let nodeServices: [NodeService: String] = [
        NodeService(22, .tcp): "SSH", NodeService(179, .tcp): "BGP", NodeService(2379, .tcp): "etcd",
        NodeService(2380, .tcp): "etcd", NodeService(6443, .tcp): "Kubernetes API server",
        NodeService(10_250, .tcp): "kubelet", NodeService(10_256, .tcp): "health of Fairlead or kube-proxy",
        NodeService(10_249, .tcp): "metrics of Fairlead or kube-proxy", NodeService(7946, .tcp): "MetalLB speakers",
        NodeService(7946, .udp): "MetalLB speakers", NodeService(4789, .udp): "VXLAN",
        NodeService(8472, .udp): "VXLAN of flannel and Cilium",
    ]
}
