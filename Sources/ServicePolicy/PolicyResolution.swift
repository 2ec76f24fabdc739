import KubernetesModel
import NetworkTypes

/// What policy makes of one Service on one node.
public struct PolicyResolution: Hashable, Sendable {
    /// Why a Service is none of the dataplane's business.
    public enum Exclusion: Hashable, Sendable {
        /// `spec.type` is ExternalName: a DNS alias.
        case externalName
        /// `spec.clusterIP` is None: clients reach the endpoints without a proxy.
        case headless
        /// The label `service.kubernetes.io/headless` is present, whatever its value: API lists for proxies leave it out.
        case labelledHeadless
        /// The label `service.kubernetes.io/service-proxy-name` gives the Service to another proxy, whatever its value
        /// (KEP-2447).
        case otherProxy(String)
        /// The annotation `fairlead.dev/skip` is `true`.
        case skipped
        /// `spec.clusterIPs` has no address that could be served.
        case noClusterIP
    }

    /// The Service as the node has to serve it; nil if the dataplane ignores it.
    public var service: ResolvedService?
    /// Why the Service is ignored; nil if it is served.
    public var exclusion: Exclusion?
    /// What the user should know; empty unless findings were wanted.
    public var findings: [Finding]

    /// Makes a resolution from its parts.
    public init(service: ResolvedService?, exclusion: Exclusion? = nil, findings: [Finding] = []) {
        self.service = service
        self.exclusion = exclusion
        self.findings = findings
    }
}

/// Says how a node has to serve a Service: its frontends, their policies and the endpoints behind them.
///
/// The result depends on the arguments alone, and not on the order of slices, endpoints or addresses. A part of the
/// Service that is invalid is left out and gives a finding; it never costs another part.
///
/// - Parameters:
///   - service: The Service.
///   - slices: The EndpointSlices of the Service, and of no other.
///   - node: The node that has to serve it.
///   - wantsFindings: Whether findings are to be made; their messages cost more than the resolution itself.
public func resolve(
    _ service: Service, slices: [EndpointSlice], node: NodeContext, wantsFindings: Bool = true
) -> PolicyResolution {
    var findings = FindingCollector(service: service.key, isEnabled: wantsFindings)
    if let exclusion = service.exclusion {
        if exclusion == .skipped { findings.reportSkipped() }
        return PolicyResolution(service: nil, exclusion: exclusion, findings: findings.findings)
    }
    if let value = service.annotations[Service.skipAnnotation], value != "false" { findings.reportSkipValue(value) }
    findings.reportFlowValues(service)
    findings.reportNoEndpointsValue(service.annotations[Service.noEndpointsAnnotation])
    if let value = service.annotations[Service.externalTrafficAnnotation],
        value != Service.preferLocal && value != Service.directReturn
    {
        findings.reportExternalTraffic(value)
    }
    let addresses = FamilyAddresses.all(
        of: service, servesExternalIPs: node.servesExternalIPs, findings: &findings)
    guard !addresses.isEmpty else {
        findings.reportNoClusterIP()
        return PolicyResolution(service: nil, exclusion: .noClusterIP, findings: findings.findings)
    }
    let ports = service.soundPorts(findings: &findings)
    let affinityTimeout = service.affinityTimeout(findings: &findings)

    var resolved = ResolvedService(key: service.key, creationTime: service.creationTime)
    resolved.ports.reserveCapacity(addresses.count * ports.count)
    for family in addresses {
        for (index, port) in ports {
            var result = ResolvedServicePort(service: service, port: port, addresses: family)
            result.affinityTimeout = affinityTimeout
            result.allow(node.addresses)
            let movesDatagrams = port.transport == .udp && service.movesDatagrams
            let selection = EndpointSelection(
                port: port, family: family.family, slices: slices, node: node,
                wantsReady: movesDatagrams,
                wantsNamed: port.transport == .tcp && (service.resetsGoneEndpoints ?? node.resetsGoneEndpoints),
                wantsSpread: service.wantsDirectReturn)
            result.take(selection)
            result.flowTargets = selection.named ?? (movesDatagrams ? selection.ready : nil)
            if service.wantsDirectReturn, let obstacle = result.returnDirectly(selection, ports: ports.count, node) {
                findings.reportDirectReturn(obstacle, of: result, index: index)
            }
            findings.reportEndpoints(of: result, index: index, node: node)
            if selection.approximatesWeights { findings.reportWeights(of: result, index: index) }
            resolved.ports.append(result)
        }
    }
    return PolicyResolution(service: resolved, findings: findings.findings)
}

extension Service {
    /// The timeout of ClientIP affinity in seconds that the packet path needs for the Service; nil if the dataplane ignores
    /// the Service, or it has no affinity. The same as every port has that `resolve` makes of it.
    public var affinityTimeoutInForce: Int? {
        guard case .clientIP(let seconds) = sessionAffinity, exclusion == nil,
            clusterIPs.contains(where: \.canBeFrontend), ports.contains(where: { $0.port != 0 })
        else { return nil }
        return Self.allowedTimeout(seconds)
    }

    /// The timeout held to the 1...86400 that the API allows.
    private static func allowedTimeout(_ seconds: Int) -> Int { min(max(seconds, 1), 86_400) }

    fileprivate var exclusion: PolicyResolution.Exclusion? {
        if let serviceProxyName { return .otherProxy(serviceProxyName) }
        if type == .externalName { return .externalName }
        if isLabelledHeadless { return .labelledHeadless }
        if isHeadless { return .headless }
        return isSkipped ? .skipped : nil
    }

    /// The ports that can be served, with their positions in `spec.ports`.
    ///
    /// The API demands that a port is not 0 and that name with protocol, protocol with port, and protocol with node
    /// port are unique. Objects that no API server has checked may break this; the first port then wins.
    fileprivate func soundPorts(findings: inout FindingCollector) -> [(index: Int, port: ServicePort)] {
        var names: Set<PortName> = []
        var numbers: Set<PortNumber> = []
        var nodePorts: Set<PortNumber> = []
        var result: [(index: Int, port: ServicePort)] = []
        for (index, port) in ports.enumerated() {
            var port = port
            guard port.port != 0 else {
                findings.reportPortZero(index: index)
                continue
            }
            if ports.count > 1 {
                let isNew = names.insert(PortName(transport: port.transport, name: port.name)).inserted
                guard isNew, numbers.insert(PortNumber(transport: port.transport, port: port.port)).inserted else {
                    findings.reportDuplicatePort(index: index)
                    continue
                }
                let nodePort = PortNumber(transport: port.transport, port: port.nodePort)
                if port.nodePort != 0, !nodePorts.insert(nodePort).inserted {
                    findings.reportDuplicateNodePort(port.nodePort, index: index)
                    port.nodePort = 0
                }
            }
            result.append((index, port))
        }
        return result
    }

    /// `spec.sessionAffinityConfig.clientIP.timeoutSeconds`, held to the 1...86400 that the API allows.
    fileprivate func affinityTimeout(findings: inout FindingCollector) -> Int? {
        guard case .clientIP(let seconds) = sessionAffinity else { return nil }
        let used = Self.allowedTimeout(seconds)
        if used != seconds { findings.reportAffinityTimeout(seconds, used: used) }
        return used
    }
}

private struct PortName: Hashable {
    var transport: TransportProtocol
    var name: String
}

private struct PortNumber: Hashable {
    var transport: TransportProtocol
    var port: UInt16
}

extension ResolvedServicePort {
    fileprivate init(service: Service, port: ServicePort, addresses: FamilyAddresses) {
        self.init(name: port.name, transport: port.transport, family: addresses.family)
        frontends = addresses.frontends(of: port, type: service.type)
        internalPolicy = service.internalTrafficPolicy
        // The API honours the field on every Service that is reachable from outside: of type NodePort or LoadBalancer,
        // or of type ClusterIP with external IPs. Without an external frontend there is nothing that it could govern.
        externalPolicy = frontends.contains { $0.isExternal } ? service.externalTrafficPolicy : .cluster
        sourceRanges = addresses.sourceRanges
        noEndpointAction = service.noEndpointAction
        prefersLocal =
            externalPolicy == .cluster && frontends.contains { $0.isExternal }
            && service.annotations[Service.externalTrafficAnnotation] == Service.preferLocal
    }

    /// A node that is within the source ranges may use its load balancer's addresses as its own source, as it does where
    /// they are on one of its interfaces. kube-proxy has the same rule.
    fileprivate mutating func allow(_ nodeAddresses: [IPAddress]) {
        guard let ranges = sourceRanges,
            nodeAddresses.contains(where: { address in ranges.contains { $0.contains(address) } })
        else { return }
        let own = frontends.filter { $0.kind == .loadBalancerIP }.compactMap(\.address)
        sourceRanges = CIDR.collapsed(
            ranges + own.compactMap { CIDR($0, prefixLength: $0.family.addressBits) })
    }

    /// Has the port served by direct return, if it can be: else it stays as its policy has it. Returns why it cannot.
    fileprivate mutating func returnDirectly(
        _ selection: EndpointSelection, ports: Int, _ node: NodeContext
    ) -> DirectReturn.Obstacle? {
        let addresses = frontends.count { $0.servesDirectReturn }
        guard addresses > 0 else { return .noAddress }
        guard node.canHandOn else { return .unableKernel }
        guard addresses * ports <= DirectReturn.mostFrontends else { return .tooManyFrontends(addresses * ports) }
        if usable.isEmpty { return nil }
        if let backend = selection.withoutNode { return .endpointWithoutNode(backend) }
        let spread = selection.spread ?? DirectReturn.Spread(members: usable)
        guard spread.members.count <= DirectReturn.largestPool else { return .tooManyEndpoints(spread.members.count) }
        directReturn = DirectReturn(spread, keepsLocal: externalPolicy == .local && !localPool.isEmpty)
        return nil
    }

    fileprivate mutating func take(_ selection: EndpointSelection) {
        clusterPool = selection.clusterPool
        localPool = selection.localPool
        usable = selection.usable
        localUsable = selection.localUsable
        if prefersLocal, selection.isLocalPoolReady { externalPolicy = .local }
        hairpinAddresses =
            externalPolicy == .local ? Backend.addresses(of: selection.usable) : selection.hairpinAddresses
    }
}
