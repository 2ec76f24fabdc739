import KubernetesModel
import NetworkTypes

/// Collects the findings about one Service, or nothing at all.
///
/// Resolution runs for every Service at each change, findings are read rarely: messages are made only on demand.
struct FindingCollector {
    /// What was found so far.
    private(set) var findings: [Finding] = []
    private let service: ObjectKey
    private let isEnabled: Bool

    init(service: ObjectKey, isEnabled: Bool) {
        self.service = service
        self.isEnabled = isEnabled
    }

    private mutating func add(
        _ severity: Finding.Severity, _ code: String, field: @autoclosure () -> String,
        _ message: @autoclosure () -> String
    ) {
        guard isEnabled else { return }
        let subject = ObjectID(kind: .service, key: service)
        findings.append(Finding(severity, code: code, subject: subject, field: field(), message: message()))
    }
}

/// Findings about a Service as a whole.
extension FindingCollector {
    private static let skipField = "metadata.annotations[\(Service.skipAnnotation)]"

    mutating func reportSkipped() {
        add(.info, "skipped", field: Self.skipField, "is true, so nothing of the Service is served")
    }

    mutating func reportSkipValue(_ value: String) {
        add(
            .warning, "skip-without-effect", field: Self.skipField,
            "\(value.quoted) has no effect, and the Service is served; the values are true and false")
    }

    /// Annotations about flows whose values are invalid.
    mutating func reportFlowValues(_ service: Service) {
        if let value = service.annotations[Service.resetAnnotation], service.resetsGoneEndpoints == nil {
            add(
                .warning, "reset-without-effect", field: "metadata.annotations[\(Service.resetAnnotation)]",
                "\(value.quoted) has no effect; the values are true and false")
        }
        if let value = service.annotations[Service.datagramAnnotation], !["stay", "move"].contains(value) {
            add(
                .warning, "udp-on-termination-without-effect",
                field: "metadata.annotations[\(Service.datagramAnnotation)]",
                "\(value.quoted) has no effect, and flows stay; the values are stay and move")
        }
    }

    /// - Parameter value: the annotation's, if there is one.
    mutating func reportNoEndpointsValue(_ value: String?) {
        guard let value, Service.NoEndpointAction(rawValue: value) == nil else { return }
        let known = Service.NoEndpointAction.allCases.map(\.rawValue).joined(separator: ", ")
        add(
            .warning, "no-endpoints-without-effect",
            field: "metadata.annotations[\(Service.noEndpointsAnnotation)]",
            "\(value.quoted) has no effect, and connections without an endpoint are rejected; the values are \(known)")
    }
}

/// Findings about addresses.
extension FindingCollector {
    mutating func reportNoClusterIP() {
        add(
            .error, "no-cluster-ip", field: "spec.clusterIPs",
            "the Service has no cluster IP, so nothing of it is served; give it one, or let the API server do so")
    }

    mutating func reportExtraClusterIP(_ address: IPAddress, index: Int) {
        add(
            .error, "cluster-ip-without-effect", field: "spec.clusterIPs[\(index)]",
            "\(address) has no effect because the Service has another \(address.family) cluster IP before it")
    }

    mutating func reportUnusable(_ address: IPAddress, field: @autoclosure () -> String) {
        add(
            .error, "unusable-address", field: field(),
            "\(address) has no effect because a Service cannot have a loopback, multicast, broadcast or unspecified address"
        )
    }

    mutating func reportExternalIPWithoutFamily(_ address: IPAddress, index: Int) {
        add(
            .error, "external-ip-without-effect", field: "spec.externalIPs[\(index)]",
            "\(address) has no effect because the Service has no \(address.family) cluster IP")
    }

    mutating func reportUnservedExternalIPs(_ addresses: [IPAddress]) {
        add(
            .warning, "external-ips-not-served", field: "spec.externalIPs",
            "\(addresses.map(\.description).joined(separator: ", ")): external IPs are not served on this node "
                + "(\(NodeContext.withoutExternalIPs)); use a Service of type LoadBalancer")
    }

    mutating func reportExternalClusterIP(_ address: IPAddress, kind: Frontend.Kind) {
        let isLoadBalancer = kind == .loadBalancerIP
        add(
            .warning, isLoadBalancer ? "load-balancer-ip-without-effect" : "external-ip-without-effect",
            field: isLoadBalancer ? "status.loadBalancer.ingress" : "spec.externalIPs",
            "\(address) is the cluster IP of the Service and is served as that only")
    }

    mutating func reportLoadBalancerIPWithoutType(_ address: IPAddress, type: Service.ServiceType, index: Int) {
        add(
            .warning, "load-balancer-ip-without-effect", field: "status.loadBalancer.ingress[\(index)].ip",
            "\(address) has no effect because the Service is of type \(type.rawValue), not LoadBalancer")
    }

    mutating func reportLoadBalancerIPWithoutFamily(_ address: IPAddress, index: Int) {
        add(
            .warning, "load-balancer-ip-without-effect", field: "status.loadBalancer.ingress[\(index)].ip",
            "\(address) has no effect because the Service has no \(address.family) cluster IP")
    }

    mutating func reportSourceRangesOfOtherFamily(open family: IPFamily) {
        add(
            .warning, "source-ranges-other-family", field: "spec.loadBalancerSourceRanges",
            "no range is \(family), so the \(family) load balancer addresses are open to everybody; add a range")
    }
}

/// Findings about ports and their endpoints.
extension FindingCollector {
    mutating func reportPortZero(index: Int) {
        add(.error, "invalid-port", field: "spec.ports[\(index)].port", "port 0 cannot be served")
    }

    mutating func reportDuplicatePort(index: Int) {
        add(
            .error, "duplicate-port", field: "spec.ports[\(index)]",
            "the port has no effect because one before it has the same protocol and the same name or number")
    }

    mutating func reportDuplicateNodePort(_ nodePort: UInt16, index: Int) {
        add(
            .error, "duplicate-node-port", field: "spec.ports[\(index)].nodePort",
            "\(nodePort) has no effect here because a port before it has the same protocol and node port")
    }

    mutating func reportAffinityTimeout(_ seconds: Int, used: Int) {
        add(
            .warning, "affinity-timeout-out-of-range", field: "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
            "\(seconds) is not between 1 and 86400, so \(used) is used")
    }

    /// Says why a port is served as its policy alone says.
    mutating func reportDirectReturn(_ obstacle: DirectReturn.Obstacle, of port: ResolvedServicePort, index: Int) {
        let field = "metadata.annotations[\(Service.externalTrafficAnnotation)]"
        let value = Service.directReturn
        switch obstacle {
        case .noAddress:
            add(
                .info, "direct-return-without-address", field: field,
                """
                \(value) has no effect on port \(port.label) in \(port.family): it is for load balancer and external IPs, and the \
                Service has none
                """)
        case .endpointWithoutNode(let backend):
            add(
                .warning, "direct-return-without-node", field: field,
                """
                \(value) has no effect on port \(port.label) in \(port.family): endpoint \(backend) has no nodeName, so no node \
                would answer for it; externalTrafficPolicy alone acts
                """)
        case .tooManyEndpoints(let count):
            add(
                .warning, "direct-return-too-many-endpoints", field: field,
                """
                \(value) has no effect on port \(port.label) in \(port.family): \(count) endpoints are more than \
                \(DirectReturn.largestPool); externalTrafficPolicy alone acts
                """)
        case .tooManyFrontends(let count):
            add(
                .warning, "direct-return-too-many-frontends", field: field,
                """
                \(value) has no effect on port \(port.label) in \(port.family): \(count) frontends of the Service (addresses times \
                ports) are more than \(DirectReturn.mostFrontends); externalTrafficPolicy alone acts
                """)
        case .unableKernel:
            add(
                .warning, "direct-return-without-kernel", field: field,
                """
                \(value) has no effect on port \(port.label) in \(port.family): the kernel of this node lacks dup or jhash \
                (CONFIG_NFT_DUP_IPV4, CONFIG_NFT_DUP_IPV6, CONFIG_NFT_HASH); externalTrafficPolicy alone acts
                """)
        }
    }

    /// Says that the value of the annotation is none that there is.
    mutating func reportExternalTraffic(_ value: String) {
        add(
            .warning, "external-traffic-without-effect",
            field: "metadata.annotations[\(Service.externalTrafficAnnotation)]",
            "\(value.quoted) has no effect; the values are \(Service.preferLocal) and \(Service.directReturn)")
    }

    /// Says that the shares of endpoints are not what their weights ask for.
    mutating func reportWeights(of port: ResolvedServicePort, index: Int) {
        add(
            .info, "weights-approximated", field: "spec.ports[\(index)]",
            """
            the weights of the \(port.family) endpoints of port \(port.label) differ by so much that the \
            \(max(port.clusterPool.count, port.localPool.count)) slots of a pool are too few for 1 %: light endpoints get more than \
            their weights ask for
            """)
    }

    /// Says what happens to new connections that find no endpoint.
    mutating func reportEndpoints(of port: ResolvedServicePort, index: Int, node: NodeContext) {
        guard isEnabled, port.localPool.isEmpty else { return }
        guard !port.usable.isEmpty else {
            add(
                .info, "no-endpoints", field: "spec.ports[\(index)]",
                "port \(port.label) has no usable \(port.family) endpoint, so new connections to it are \(port.emptiness)"
            )
            return
        }
        guard !port.isDrained else {
            add(
                .info, "all-endpoints-drained", field: "spec.ports[\(index)]",
                """
                all usable \(port.family) endpoints of port \(port.label) have weight 0 (annotation \(EndpointSlice.weightAnnotation)), \
                so new connections to it are \(port.emptiness)
                """)
            return
        }
        if port.externalPolicy == .local, port.directReturn == nil {
            add(
                .info, "local-without-endpoint", field: "spec.externalTrafficPolicy",
                """
                node \(node.nodeName) has no \(port.family) endpoint of port \(port.label), \
                so external traffic to it on this node is \(port.noEndpointAction == .pass ? "left to routes" : "dropped")
                """)
        }
        if port.internalPolicy == .local {
            add(
                .info, "local-without-endpoint", field: "spec.internalTrafficPolicy",
                """
                node \(node.nodeName) has no \(port.family) endpoint of port \(port.label), \
                so connections from this node to its cluster IP are dropped
                """)
        }
    }
}

extension ResolvedServicePort {
    /// What becomes of connections where no endpoint is usable anywhere.
    fileprivate var emptiness: String {
        switch noEndpointAction {
        case .reject: "rejected"
        case .drop: "dropped (annotation \(Service.noEndpointsAnnotation))"
        case .pass:
            "rejected at its cluster IP, and left to routes at external frontends (annotation \(Service.noEndpointsAnnotation))"
        }
    }

    /// How a finding names the port: `http (80/tcp)`, or `80/tcp` for an unnamed one. Every port has a ClusterIP
    /// frontend.
    fileprivate var label: String {
        let number = frontends.first.map { "\($0.port)/\(transport)" } ?? "\(transport)"
        return name.isEmpty ? number : "\(name) (\(number))"
    }
}
