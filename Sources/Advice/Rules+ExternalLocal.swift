import KubernetesModel
import NetworkTypes

/// externalTrafficPolicy Local: only pods of the node that a packet comes to answer, and see its source.
///
/// Source of all: the Service API, `spec.externalTrafficPolicy` and `spec.healthCheckNodePort`.
extension ServiceCase {
    /// All endpoints are on nodes that the load balancer leaves out: nobody gets through.
    ///
    /// Source: KEP-1143 (the label), the service controller's and MetalLB's choice of nodes.
    var externalLocalUnreachable: [AdviceFinding] {
        guard isExternalLocal, isBalanced, comesThroughNodes, !facts.nodes.isEmpty else { return [] }
        let balanced = Set(balancedNodes.map(\.name))
        return placements.compactMap { placement in
            let counts = placement.countByNode
            guard !counts.isEmpty, placement.isOnNodes, balanced.isDisjoint(with: counts.keys) else { return nil }
            var finding = finding(
                .externalLocalUnreachable,
                """
                externalTrafficPolicy is Local and all ready endpoints are on nodes that the load balancer \
                leaves out\(scope(placement))
                """
            )
            finding.nodes = counts.keys.sorted()
            finding.evidence = counts.keys.sorted().map { name in
                let why = facts.nodesByName[name].map {
                    $0.exclusion ?? "not chosen by \(LoadBalancer.Key.awsNodeLabels)"
                }
                let number = counts[name] ?? 0
                return Evidence(
                    "endpoints", Double(number),
                    "\(Words.count(number, "ready endpoint")) on \(name): \(why ?? "there is no such Node")")
            }
            finding.evidence.append(balancer.evidence)
            finding.remedies = [
                """
                run pods of the Service on \(balanced.isEmpty ? "nodes" : Words.list(balanced.sorted())), where \
                the load balancer sends to
                """,
                "or take what leaves these nodes out away from them", "or set externalTrafficPolicy Cluster",
            ]
            return finding
        }
    }

    /// Nodes without an endpoint that something outside may still send to: what comes there is dropped.
    ///
    /// Load balancers that ask for endpoints (`checksEndpoints`) keep away by themselves, so it is about node ports, external
    /// IPs, load balancers that others configure, and AWS health checks that annotations lead elsewhere. Source: the AWS
    /// Load Balancer Controller's guide, "healthcheck-protocol"; semantics, "Local policy, endpoints only on other nodes".
    var externalLocalGap: [AdviceFinding] {
        guard isExternalLocal, comesThroughNodes, !checksEndpoints, !returnsDirectly else { return [] }
        let candidates = balancedNodes
        return placements.compactMap { placement in
            let counts = placement.countByNode
            let gap = candidates.map(\.name).filter { !placement.servingNodes.contains($0) }
            guard !counts.isEmpty, !gap.isEmpty else { return nil }
            var finding = finding(
                .externalLocalGap,
                """
                externalTrafficPolicy is Local and \(Words.list(gap)) \(gap.count == 1 ? "has" : "have") no \
                ready endpoint\(scope(placement)): what comes there from outside is \(outsideWithoutEndpoint)
                """
            )
            finding.nodes = gap
            finding.evidence = [
                Evidence(
                    "nodesWithoutEndpoint", Double(gap.count),
                    "\(gap.count) of \(Words.count(candidates.count, "node")) without a ready endpoint")
            ]
            finding.evidence.append(whyNobodyChecks)
            if isBalanced { finding.evidence.append(balancer.evidence) }
            finding.remedies = gapRemedies
            return finding
        }
    }

    /// What becomes of packets from outside on a node without an endpoint.
    var outsideWithoutEndpoint: String {
        service.noEndpointAction == .pass
            ? "left to routes (annotation \(Service.noEndpointsAnnotation))" : "dropped"
    }

    private var whyNobodyChecks: Evidence {
        if let annotation = foreignAWSCheck {
            return Evidence(
                "healthCheck", "the annotation \(annotation) leads the health check away from healthCheckNodePort")
        }
        if !service.externalIPs.isEmpty {
            return Evidence("externalIPs", "external IPs are routed by others, who may not know of endpoints")
        }
        if service.type == .nodePort { return Evidence("nodePort", "type NodePort has no healthCheckNodePort to ask") }
        if service.healthCheckNodePort == 0 {
            return Evidence("healthCheckNodePort", 0, "healthCheckNodePort is not set")
        }
        return Evidence(
            "healthCheckNodePort", Double(service.healthCheckNodePort),
            "whether somebody asks healthCheckNodePort \(service.healthCheckNodePort) is not known")
    }

    private var gapRemedies: [String] {
        var remedies: [String] = []
        if let annotation = foreignAWSCheck {
            remedies.append("remove the annotation \(annotation), so that healthCheckNodePort is asked over HTTP")
        } else if service.healthCheckNodePort != 0, isBalanced {
            remedies.append(
                """
                have the load balancer ask http://NODE:\(service.healthCheckNodePort)/healthz of each node, \
                then silence this with the annotation \(Service.ignoreAnnotation)
                """
            )
        } else {
            remedies.append("send only to nodes that have an endpoint")
        }
        remedies.append("or run a pod on each of these nodes, as a DaemonSet does")
        remedies.append(Self.directReturnRemedy)
        remedies.append(
            """
            or set externalTrafficPolicy Cluster; with the annotation \(Service.externalTrafficAnnotation): \
            \(Service.preferLocal) nodes with an endpoint still keep the source
            """
        )
        return remedies
    }

    /// Pods get very different shares: the traffic is split over nodes, whatever number of pods they have.
    ///
    /// With `N` nodes that have endpoints, each of the `n` pods of a node gets `1 / (N n)`. Source: the Kubernetes
    /// documentation of the traffic policy and MetalLB's, "Local traffic policy". A load balancer that takes the weight of
    /// the health check's answer (GKE's weighted load balancing) makes up for it.
    var externalLocalUneven: [AdviceFinding] {
        guard isExternalLocal, comesThroughNodes,
            details.annotations[LoadBalancer.Key.googleWeights] != "pods-per-node"
        else { return [] }
        let balanced = Set(balancedNodes.map(\.name))
        return placements.compactMap { placement in
            let counts = placement.countByNode.filter { facts.nodes.isEmpty || balanced.contains($0.key) }
            guard let most = counts.values.max(), let fewest = counts.values.min() else { return nil }
            let ratio = Double(most) / Double(fewest)
            guard ratio >= AdviceOptions.unevenRatio else { return nil }
            var finding = finding(
                .externalLocalUneven,
                """
                externalTrafficPolicy is Local and the busiest pod gets \(Words.tenths(ratio)) times as much as \
                the idlest\(scope(placement))
                """
            )
            finding.nodes = counts.keys.sorted()
            finding.evidence = shares(counts, ratio)
            if isBalanced { finding.evidence.append(balancer.evidence) }
            finding.remedies = [
                """
                spread the pods evenly over nodes: topologySpreadConstraints with topologyKey \
                kubernetes.io/hostname and maxSkew 1, or a DaemonSet
                """,
                "or set externalTrafficPolicy Cluster if the pods do not need the client's address",
            ]
            if balancer.kind == .gcp {
                finding.remedies.append(
                    "or have the load balancer weigh nodes: annotation \(LoadBalancer.Key.googleWeights): pods-per-node"
                )
            }
            return finding
        }
    }

    /// The expected share of each node's pods, the busiest ones first.
    private func shares(_ counts: [String: Int], _ ratio: Double) -> [Evidence] {
        let total = counts.values.reduce(0, +)
        var evidence = [
            Evidence(
                "busiestToIdlest", ratio, "\(Words.count(total, "ready pod")) on \(Words.count(counts.count, "node"))")
        ]
        let order = counts.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
        let shown = order.count > 6 ? Array(order.prefix(3) + order.suffix(3)) : order
        for (node, count) in shown {
            let share = 1 / Double(counts.count * count)
            evidence.append(
                Evidence(
                    "podShare", share,
                    """
                    \(node): \(Words.count(count, "pod")) with \(Words.percent(share)) of the traffic each \
                    (even: \(Words.percent(1 / Double(total))))
                    """
                ))
        }
        return evidence
    }

    /// Local where nodes come and go: each node that goes takes its pods' connections along, each that comes is of no use
    /// before it has a pod, and health checks take some time to notice either.
    ///
    /// Source: the traffic-policy guide's recommendation of Cluster for auto-scaled public clouds; KEP-1669 and KEP-3836 on
    /// what draining costs under Local.
    var externalLocalAutoscaled: [AdviceFinding] {
        guard isExternalLocal, isBalanced, comesThroughNodes, facts.place.environment == .autoscaledCloud else {
            return []
        }
        let signs = signsOfNeed
        var finding = finding(
            .externalLocalAutoscaled, severity: signs.isEmpty ? .warning : .info,
            "externalTrafficPolicy is Local in a cloud whose nodes come and go"
                + (signs.isEmpty ? ", and nothing tells that pods need the client's address" : ""))
        finding.evidence = [facts.place.evidence, balancer.evidence] + signs
        finding.remedies = ["set externalTrafficPolicy Cluster if pods do not need the client's address"]
        switch balancer.kind {
        case .awsNLBInstance?:
            finding.remedies.append(
                """
                or have pods as targets (\(LoadBalancer.Key.awsTarget): ip) with \
                preserve_client_ip.enabled=true, or PROXY protocol
                """
            )
        case .gcp?:
            finding.remedies.append(
                "or use container-native load balancing (\(LoadBalancer.Key.googleGroups)), which sends to pods")
        default: finding.remedies.append("or pass the address on another way, such as PROXY protocol")
        }
        finding.remedies.append(
            "or keep Local with a pod on every node and a preStop hook longer than the health check takes")
        return [finding]
    }

    /// Nothing that a load balancer could ask which nodes have an endpoint.
    ///
    /// Source: the Service API: only type LoadBalancer with Local has `healthCheckNodePort`. MetalLB needs none.
    var nodePortWithoutHealthCheck: [AdviceFinding] {
        guard isExternalLocal, comesThroughNodes, service.healthCheckNodePort == 0, hasNodePorts,
            balancer.kind != .metalLB
        else { return [] }
        let ports = service.ports.filter { $0.nodePort != 0 }
        var finding = finding(
            .nodePortWithoutHealthCheck,
            """
            externalTrafficPolicy is Local and there is no healthCheckNodePort: nobody can ask which nodes have \
            an endpoint
            """
        )
        finding.evidence = ports.map {
            Evidence("nodePort", Double($0.nodePort), "node port \($0.nodePort) of port \($0.label)")
        }
        finding.remedies =
            isBalanced
            ? ["let the API server allocate healthCheckNodePort (it does for type LoadBalancer with Local)"]
            : [
                """
                use type LoadBalancer, if need be with a loadBalancerClass that nobody serves: it has a \
                healthCheckNodePort to ask
                """
            ]
        finding.remedies.append(
            ports.contains { $0.transport == .tcp }
                ? """
                or have the load balancer connect to the TCP node port itself: a node without an endpoint does \
                not answer
                """
                : "or set externalTrafficPolicy Cluster: without TCP there is nothing to connect to as a check")
        return [finding]
    }
}
