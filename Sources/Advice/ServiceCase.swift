import KubernetesModel
import NetworkTypes
import ServicePolicy

/// A Service with all that the rules look at. Each rule is a property that gives its findings, none if all is well.
struct ServiceCase: Sendable {
    let service: Service
    let slices: [EndpointSlice]
    /// The Service as a node would serve it, without endpoints.
    let resolved: ResolvedService
    /// What policy itself finds doubtful.
    let policyFindings: [Finding]
    let facts: ClusterFacts
    let balancer: LoadBalancer
    let placements: [Placement]
    let details: ServiceDetails

    /// Nil if the dataplane ignores the Service.
    init?(_ service: Service, slices: [EndpointSlice], facts: ClusterFacts, options: AdviceOptions) {
        let resolution = resolve(service, slices: [], node: NodeContext(nodeName: ""))
        guard let resolved = resolution.service else { return nil }
        self.service = service
        self.slices = slices
        self.resolved = resolved
        policyFindings = resolution.findings
        self.facts = facts
        details = service.details.value ?? ServiceDetails()
        balancer = LoadBalancer(of: service, said: options.loadBalancer, provider: facts.provider)
        let families = IPFamily.allCases.filter { family in resolved.ports.contains { $0.family == family } }
        placements = Placement.all(of: service, families: families, slices: slices, nodes: facts.nodesByName)
    }

    /// Everything that there is to say.
    var findings: [AdviceFinding] {
        [
            contestedFrontend, sharedAddressSplit, contestedHealthCheckPort, nodePortTaken, noEndpoint,
            externalLocalUnreachable, externalLocalGap, externalLocalUneven, externalLocalAutoscaled,
            nodeAddressWithoutEndpoint, nodePortWithoutHealthCheck, podTargetsWithLocal, loadBalancerWithoutNodePort,
            internalLocalGap,
            clusterHidesSource, sourceRangesUnderCluster, sourceRangesOpenNodePort, sourceRangesOtherFamily,
            sourceRangesIgnored, affinityUnderCluster, directReturnAsymmetric,
            hintsIgnored, zoneWithoutEndpoint, zoneUneven,
            singlePoints,
        ].flatMap { $0 }
    }

    /// The codes that the Service's annotation silences.
    var ignored: Set<AdviceCode> {
        Set(AdviceCode.list(service.annotations[Service.ignoreAnnotation] ?? "").known)
    }
}

/// What rules have in common.
extension ServiceCase {
    var id: ObjectID { ObjectID(kind: .service, key: service.key) }

    func finding(_ code: AdviceCode, severity: Finding.Severity? = nil, _ summary: String) -> AdviceFinding {
        AdviceFinding(code, id, severity: severity, summary: summary)
    }

    /// Whether anything outside the cluster reaches the Service.
    var isExternal: Bool { resolved.ports.contains { $0.frontends.contains(where: \.isExternal) } || isBalanced }
    /// Whether a load balancer is to be in front of it. It may have no address yet, or one that nodes do not serve.
    var isBalanced: Bool { service.type == .loadBalancer }
    /// Whether externalTrafficPolicy is Local and means something.
    var isExternalLocal: Bool { isExternal && service.externalTrafficPolicy == .local }
    /// Whether externalTrafficPolicy is Cluster and means something.
    var isExternalCluster: Bool { isExternal && service.externalTrafficPolicy == .cluster }
    /// Whether connections come to addresses with direct return, as far as is known: then any node serves them, and shows the client.
    var returnsDirectly: Bool {
        service.wantsDirectReturn && resolved.ports.contains { $0.frontends.contains(where: \.servesDirectReturn) }
            && balancer.kind != .external && balancer.kind != .awsNLBInstance
    }
    /// Whether clients outside come through nodes, rather than from a load balancer straight to pods.
    var comesThroughNodes: Bool { balancer.kind?.targetsPods != true || !service.externalIPs.isEmpty }
    var hasNodePorts: Bool { service.ports.contains { $0.nodePort != 0 } }
    /// The source ranges of the field, if they keep anybody out.
    var hasSourceRanges: Bool {
        isBalanced && service.loadBalancerSourceRanges.contains { $0.prefixLength > 0 }
            && !service.loadBalancerSourceRanges.contains { $0.prefixLength == 0 }
    }

    /// The nodes that a load balancer may send to, sorted by name.
    var balancedNodes: [Node] {
        guard let text = details.annotations[LoadBalancer.Key.awsNodeLabels] else { return facts.balancedNodes }
        let labels = Self.pairs(text)
        return facts.balancedNodes.filter { node in
            labels.allSatisfy { node.details.value?.labels[$0.key] == $0.value }
        }
    }

    /// Whether what is in front keeps away from nodes without an endpoint by itself.
    ///
    /// A load balancer that the Service API made asks `healthCheckNodePort`, MetalLB looks at EndpointSlices. The AWS Load
    /// Balancer Controller does so unless annotations say otherwise. Of node ports and external IPs nobody knows.
    var checksEndpoints: Bool {
        guard isBalanced, service.externalIPs.isEmpty else { return false }
        switch balancer.kind {
        case .metalLB?: return true
        case .external?: return false
        case .awsNLBInstance?: return service.healthCheckNodePort != 0 && foreignAWSCheck == nil
        default: return service.healthCheckNodePort != 0
        }
    }

    /// The annotation that takes an AWS load balancer's health check away from `healthCheckNodePort`.
    var foreignAWSCheck: String? {
        guard balancer.kind == .awsNLBInstance else { return nil }
        if let port = details.annotations[LoadBalancer.Key.awsCheckPort], port != "\(service.healthCheckNodePort)" {
            return "\(LoadBalancer.Key.awsCheckPort): \(port)"
        }
        let check = details.annotations[LoadBalancer.Key.awsCheckProtocol]
        return check?.lowercased() == "tcp" ? "\(LoadBalancer.Key.awsCheckProtocol): tcp" : nil
    }

    /// `a=b, c=d` as AWS annotations have it.
    static func pairs(_ text: String) -> [String: String] {
        text.split(separator: ",").reduce(into: [:]) { pairs, part in
            let sides = part.split(separator: "=", maxSplits: 1).map { $0.filter { $0 != " " } }
            if sides.count == 2 { pairs[sides[0]] = sides[1] }
        }
    }

    /// ` (port http (80/tcp))` where ports differ.
    func scope(_ placement: Placement) -> String { placement.label.isEmpty ? "" : " (\(placement.label))" }

    /// What says that pods want the client's own address, as far as objects can say it.
    var signsOfNeed: [Evidence] {
        var signs: [Evidence] = []
        let name = details.labels["app.kubernetes.io/name"] ?? details.labels["app"] ?? ""
        if Self.proxies.contains(name) {
            signs.append(
                Evidence(
                    "ingressController",
                    "\(name), by its label, is a proxy that passes clients' addresses on (X-Forwarded-For)"))
        }
        for port in service.ports {
            if let why = Self.needs[port.port] {
                signs.append(Evidence("wellKnownPort", Double(port.port), "\(port.label): \(why)"))
            }
        }
        return signs
    }

    private static let proxies: Set<String> = [
        "ingress-nginx", "nginx-ingress", "traefik", "haproxy-ingress", "kubernetes-ingress", "contour", "envoy",
        "envoy-gateway", "emissary-ingress", "kong", "istio-ingressgateway", "istio-ingress", "apisix",
    ]

    private static let needs: [UInt16: String] = [
        25: "mail servers judge senders by their address", 162: "SNMP traps tell the device by its address",
        514: "syslog tells the sender by its address", 1812: "RADIUS knows its clients by their address (RFC 2865)",
        1813: "RADIUS knows its clients by their address (RFC 2866)", 5060: "SIP answers to the address that it sees",
    ]
}
