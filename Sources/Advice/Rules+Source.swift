import KubernetesModel
import NetworkTypes

/// externalTrafficPolicy Cluster: any pod may answer, and sees an address of the node that the packet came to.
extension ServiceCase {
    /// Cluster on premises where pods want to know the client: nothing in front passes the address on.
    ///
    /// Source: the traffic-policy guide's recommendation of Local on premises where the source address is needed; MetalLB's
    /// documentation, "Cluster traffic policy".
    var clusterHidesSource: [AdviceFinding] {
        let signs = signsOfNeed
        guard isExternalCluster, comesThroughNodes, facts.place.environment == .onPremises, !signs.isEmpty,
            service.annotations[Service.externalTrafficAnnotation] != Service.preferLocal, !returnsDirectly
        else { return [] }
        var finding = finding(
            .clusterHidesSource,
            "externalTrafficPolicy is Cluster: pods see a node's address where they seem to need the client's")
        finding.evidence = signs + [facts.place.evidence]
        if isBalanced { finding.evidence.append(balancer.evidence) }
        finding.remedies = [
            "set externalTrafficPolicy Local, with pods spread evenly over the nodes that get traffic",
            "or have the load balancer speak PROXY protocol to pods that understand it",
            Self.directReturnRemedy,
        ]
        return [finding]
    }

    /// Source ranges under Cluster: they act on the node that the packet comes to, and nothing behind it can check again.
    ///
    /// Source: the Service API (the ranges restrict the load balancer's addresses), semantics "Where a new connection goes".
    var sourceRangesUnderCluster: [AdviceFinding] {
        guard hasSourceRanges, isExternalCluster, comesThroughNodes, !returnsDirectly else { return [] }
        var finding = finding(
            .sourceRangesUnderCluster,
            """
            loadBalancerSourceRanges tell that the client's address matters, and externalTrafficPolicy Cluster \
            hides it from pods
            """
        )
        finding.evidence = [
            rangesEvidence,
            Evidence(
                "masquerade",
                """
                the ranges act on the node that a packet comes to; NetworkPolicies with ipBlock, logs and lists \
                of the pod see that node's address
                """
            ),
        ]
        finding.remedies = [
            "set externalTrafficPolicy Local if pods or NetworkPolicies are to judge clients, too",
            "or leave it: the ranges themselves hold",
        ]
        return [finding]
    }

    /// Node ports beside source ranges: the ranges do not act there.
    ///
    /// Source: the Service API; kube-proxy does the same. Clouds keep node ports closed by default, networks of one's own do not.
    var sourceRangesOpenNodePort: [AdviceFinding] {
        guard hasSourceRanges, hasNodePorts, !facts.place.isCloud else { return [] }
        let ports = service.ports.filter { $0.nodePort != 0 }
        var finding = finding(
            .sourceRangesOpenNodePort,
            """
            loadBalancerSourceRanges do not act on node ports: whoever reaches a node comes in by \
            \(Words.list(ports.map { "\($0.nodePort)/\($0.transport)" }))
            """
        )
        finding.evidence = [rangesEvidence, facts.place.evidence, balancer.evidence]
        let needsThem = balancer.kind == .external || balancer.kind == .awsNLBInstance
        if !needsThem {
            finding.remedies.append(
                """
                set allocateLoadBalancerNodePorts false and remove nodePort, unless the load balancer needs \
                node ports (MetalLB does not)
                """
            )
        }
        finding.remedies.append(
            """
            \(needsThem ? "" : "or ")keep others away from node ports with a firewall, or serve them on an \
            internal network only (--nodeport-addresses)
            """
        )
        return [finding]
    }

    /// Source ranges of one family leave the other open.
    ///
    /// Source: observed of kube-proxy, which Fairlead follows; the finding is policy's own.
    var sourceRangesOtherFamily: [AdviceFinding] {
        policyFindings.filter { $0.code == AdviceCode.sourceRangesOtherFamily.rawValue }.map { found in
            var finding = finding(.sourceRangesOtherFamily, found.message)
            finding.evidence = [rangesEvidence]
            finding.remedies = [
                "add a range of that family; one that nobody has, such as 192.0.2.0/32 or 2001:db8::/128, closes it"
            ]
            return finding
        }
    }

    /// ClientIP affinity under Cluster: each node remembers for itself.
    ///
    /// Source: the Service API, `spec.sessionAffinity`; a node knows the clients that came to it, and a load balancer that spreads
    /// a client's connections over nodes leads them to different pods.
    var affinityUnderCluster: [AdviceFinding] {
        guard case .clientIP(let seconds) = service.sessionAffinity, isExternalCluster, comesThroughNodes,
            !returnsDirectly
        else { return [] }
        let nodes = balancedNodes.count
        guard nodes > 1, let placement = placements.first, placement.members.count > 1 else { return [] }
        var finding = finding(
            .affinityUnderCluster,
            """
            sessionAffinity ClientIP holds only as far as the load balancer keeps a client on one node: each \
            node remembers for itself, and pods see its address
            """
        )
        finding.evidence = [
            Evidence(
                "nodes", Double(nodes),
                "\(nodes) nodes that traffic may come to, \(placement.members.count) ready endpoints to choose from"),
            Evidence("timeoutSeconds", Double(seconds), "a node remembers a client for \(seconds) s"),
        ]
        if isBalanced { finding.evidence.append(balancer.evidence) }
        finding.remedies = [
            "have the load balancer keep clients on nodes by their address, too"
                + (balancer.kind == .awsNLBInstance
                    ? " (\(LoadBalancer.Key.awsTargetGroup): stickiness.enabled=true,stickiness.type=source_ip)" : ""),
            "or keep sessions in the application: a cookie, or state that all pods share",
        ]
        return [finding]
    }
}
