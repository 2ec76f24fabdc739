import KubernetesModel
import NetworkTypes

/// What particular load balancers need.
extension ServiceCase {
    /// A load balancer that sends to pods itself: no node's policy is asked, so that Local only costs.
    ///
    /// Source: AWS Load Balancer Controller, "nlb-target-type" and "lb-source-ranges"; GKE, container-native load balancing.
    var podTargetsWithLocal: [AdviceFinding] {
        guard isExternalLocal, let kind = balancer.kind, kind.targetsPods else { return [] }
        var finding = finding(
            .podTargetsWithLocal,
            """
            \(kind.title) sends to pods itself: externalTrafficPolicy Local does nothing for it, and node ports \
            of nodes without an endpoint drop
            """
        )
        finding.evidence = [balancer.evidence]
        if service.healthCheckNodePort != 0 {
            finding.evidence.append(
                Evidence(
                    "healthCheckNodePort", Double(service.healthCheckNodePort),
                    "healthCheckNodePort \(service.healthCheckNodePort) is open on every node, and nobody asks it"))
        }
        finding.remedies = ["set externalTrafficPolicy Cluster"]
        if kind == .awsNLBIP {
            finding.remedies.append(
                """
                if pods need the client's address: annotation \(LoadBalancer.Key.awsTargetGroup): \
                preserve_client_ip.enabled=true, which is off for IP targets, or PROXY protocol
                """
            )
        } else {
            finding.remedies.append(
                "if pods need the client's address: X-Forwarded-For, which HTTP load balancers of Google set")
        }
        return [finding]
    }

    /// A load balancer that sends to node ports, and ports without one.
    ///
    /// Source: AWS Load Balancer Controller, "nlb-target-type" (it refuses); cloud-provider-azure, whose health probes ask node
    /// ports under Cluster. The API field: `spec.allocateLoadBalancerNodePorts` (KEP-1864).
    var loadBalancerWithoutNodePort: [AdviceFinding] {
        guard isBalanced, service.externalIPs.isEmpty else { return [] }
        let bare = service.ports.filter { $0.nodePort == 0 }
        let severity: Finding.Severity
        let why: String
        switch balancer.kind {
        case .awsNLBInstance?:
            (severity, why) = (.error, "it sends to node ports")
        case .external?:
            (severity, why) = (.warning, "most of these send to node ports")
        case .azure? where service.externalTrafficPolicy == .cluster:
            (severity, why) = (.warning, "its health probes ask node ports")
        default: return []
        }
        // A manifest that was not applied yet has none: the API server allocates them.
        guard !bare.isEmpty, !details.allocatesNodePorts else { return [] }
        var finding = finding(
            .loadBalancerWithoutNodePort, severity: severity,
            "\(Words.list(bare.map { "port \($0.label)" })) has no node port, and the load balancer needs one: \(why)")
        finding.evidence = [
            Evidence(
                "portsWithoutNodePort", Double(bare.count),
                "\(bare.count) of \(Words.count(service.ports.count, "port")) without nodePort"),
            Evidence("allocateLoadBalancerNodePorts", 0, "allocateLoadBalancerNodePorts is false"), balancer.evidence,
        ]
        finding.remedies = ["set allocateLoadBalancerNodePorts true"]
        if balancer.kind == .awsNLBInstance {
            finding.remedies.append("or have pods as targets: annotation \(LoadBalancer.Key.awsTarget): ip")
        }
        return [finding]
    }

    /// Source ranges behind an AWS NLB that does not pass clients' addresses on.
    ///
    /// Source: AWS Load Balancer Controller, "lb-source-ranges": ignored unless client IP preservation is on, which it is not by
    /// default for IP targets (of UDP it always is).
    var sourceRangesIgnored: [AdviceFinding] {
        guard hasSourceRanges, balancer.kind == .awsNLBIP, service.ports.contains(where: { $0.transport == .tcp }),
            Self.pairs(details.annotations[LoadBalancer.Key.awsTargetGroup] ?? "")["preserve_client_ip.enabled"]
                != "true"
        else { return [] }
        var finding = finding(
            .sourceRangesIgnored,
            """
            loadBalancerSourceRanges have no effect: an NLB with IP targets does not pass clients' addresses on \
            unless asked to
            """
        )
        finding.evidence = [rangesEvidence, balancer.evidence]
        finding.remedies = [
            "add the annotation \(LoadBalancer.Key.awsTargetGroup): preserve_client_ip.enabled=true",
            "or restrict who may come by security groups",
        ]
        return [finding]
    }

    var rangesEvidence: Evidence {
        let ranges = service.loadBalancerSourceRanges
        return Evidence(
            "sourceRanges", Double(ranges.count), "loadBalancerSourceRanges: \(Words.list(ranges.map(\.description)))")
    }
}
