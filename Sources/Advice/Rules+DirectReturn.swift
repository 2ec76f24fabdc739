import KubernetesModel
import ServicePolicy

/// Direct return: any endpoint answers, with the client's address, from its own node.
extension ServiceCase {
    /// What lets every node serve without hiding the client.
    static let directReturnRemedy = """
        or set the annotation \(Service.externalTrafficAnnotation): \(Service.directReturn), where the network lets another node \
        answer than the one that was asked: every node then serves load balancer and external IPs with any pod, which sees the client
        """

    /// Answers leave by another node than the one that was asked: what stands between has to let them.
    ///
    /// Source: docs/direct-return.md, "What the network must allow"; the clouds' documentation of source checks (AWS "source/destination
    /// check", GCP `canIpForward`, Azure "IP forwarding", OpenStack port security).
    var directReturnAsymmetric: [AdviceFinding] {
        guard returnsDirectly, comesThroughNodes else { return [] }
        let isCloud = facts.place.isCloud
        var finding = finding(
            .directReturnAsymmetric, severity: isCloud ? .warning : nil,
            "direct return: answers leave by the node of the endpoint, whichever node the connection came to")
        finding.evidence = [
            Evidence(
                "annotation",
                "\(Service.externalTrafficAnnotation) is \(Service.directReturn), with load balancer or external IPs"),
            facts.place.evidence,
        ]
        if isCloud {
            finding.remedies.append(
                "have the cloud let nodes send and take packets with the load balancer IP: it checks addresses of machines by default"
            )
        }
        finding.remedies += [
            "\(isCloud ? "and " : "")let stateful firewalls between clients and nodes see both directions, or none of them",
            "and see that every node that gets traffic or has pods runs Fairlead, which no object tells",
        ]
        return [finding]
    }
}
