import KubernetesModel
import NetworkTypes
import ServiceDataplane
import ServicePolicy

/// The reasons in words.
extension Explainer {
    func describe(_ result: inout Explanation) {
        guard let place = result.place else {
            describeSource(&result)
            describeStranger(&result)
            return
        }
        result.add(.service, "\(place.service), \(place.portLabel), by its \(place.frontendLabel)")
        describeSource(&result)
        describeRanges(&result, place)
        if result.cause != .outsideSourceRanges {
            describePolicy(&result, place)
            describeAffinity(&result, place)
        }
        if result.verdict == .reaches { describeAddress(&result, place) } else { describeRefusal(&result, place) }
        describeNotes(&result, place)
    }

    // MARK: Source

    private func describeSource(_ result: inout Explanation) {
        let source = result.packet.source
        switch result.source {
        case .node: result.add(.source, "\(source) is \(node) itself")
        case .inside: result.add(.source, "\(source) is in the cluster: \(detection(result.packet, isInside: true))")
        case .outside:
            result.add(
                .source, "\(source) counts as outside the cluster: \(detection(result.packet, isInside: false))")
        }
        guard result.source != .node else { return }
        let endpoints = situation.endpoints(at: source).filter { $0.node != nil && $0.node != node }
        if let other = endpoints.first?.node, !situation.isNodeAddress(source) {
            result.add(
                .note,
                "\(source) is a pod of \(other): what it sends to Services meets the rules of \(other) first, which "
                    + "--node \(other) explains")
        }
    }

    private func detection(_ packet: Packet, isInside: Bool) -> String {
        let interface = if case .interface(let name) = packet.origin { name } else { "" }
        let ranges = situation.dataplane.node.clusterCIDRs.filter { $0.family == packet.family }
        let list = ranges.map(\.description).joined(separator: ", ")
        switch options.localDetector {
        case _ where !options.localDetector.isActive(packet.family):
            return "without a range of the family in --cluster-cidr no source can be told to be in it"
        case .clusterCIDRs:
            if let range = ranges.first(where: { $0.contains(packet.source) }) {
                return "within --cluster-cidr \(range)"
            }
            return "not within --cluster-cidr \(list)"
        case .nodeCIDRs:
            if let range = ranges.first(where: { $0.contains(packet.source) }) {
                return "within \(range), of the podCIDRs of \(node)"
            }
            return ranges.isEmpty
                ? "\(node) has no podCIDRs of the family" : "not within the podCIDRs of \(node), \(list)"
        case .bridge(let bridge):
            return isInside ? "it comes through the bridge \(bridge)" : "it comes through \(interface), not \(bridge)"
        case .interfacePrefix(let prefix):
            return isInside
                ? "it comes through \(interface), which begins with \(prefix)"
                : "it comes through \(interface), which does not begin with \(prefix)"
        }
    }

    // MARK: Policy

    private func describeRanges(_ result: inout Explanation, _ place: FrontendPlace) {
        guard place.frontend.kind == .loadBalancerIP, let ranges = place.port.sourceRanges else { return }
        if let range = ranges.first(where: { $0.contains(result.packet.source) }) {
            result.add(.ranges, "loadBalancerSourceRanges hold \(result.packet.source): \(range)")
        } else {
            let list = ranges.prefix(8).map(\.description).joined(separator: ", ")
            result.add(
                .ranges,
                "loadBalancerSourceRanges do not hold \(result.packet.source): \(list)\(ranges.count > 8 ? " …" : "")")
        }
    }

    private func describePolicy(_ result: inout Explanation, _ place: FrontendPlace) {
        let port = place.port
        if situation.returnsDirectly(place, result.source) {
            return describeDirectReturn(&result, place)
        }
        if !place.frontend.isExternal {
            result.add(
                .policy,
                port.internalPolicy == .local
                    ? "internalTrafficPolicy Local: endpoints on \(node) only"
                    : "internalTrafficPolicy Cluster: any ready endpoint")
        } else if port.prefersLocal {
            result.add(
                .policy,
                port.externalPolicy == .local
                    ? "annotation prefer-local, and \(node) has a ready endpoint: as under externalTrafficPolicy Local"
                    : "annotation prefer-local, but \(node) has no ready endpoint: externalTrafficPolicy Cluster, any "
                        + "ready endpoint")
        }
        if place.frontend.isExternal, !(port.prefersLocal && port.externalPolicy == .cluster) {
            describeExternal(&result, place)
        }
        if result.reached.contains(where: { $0.weight != nil }) || result.leftOut.contains(where: \.isDrained) {
            let rest = result.reached.contains { $0.weight == nil } ? "; \(EndpointSlice.usualWeight) without it" : ""
            result.add(
                .policy, "shares by weight (annotation \(EndpointSlice.weightAnnotation) of EndpointSlices\(rest))")
        }
        let hinted = result.leftOut.contains { $0.code.hasPrefix("hintedTo") }
        if hinted, let zone = situation.node.zone {
            result.add(.policy, "topology hints narrow the endpoints to those for \(node) or its zone, \(zone)")
        } else if hinted {
            result.add(.policy, "topology hints narrow the endpoints to those for \(node)")
        }
    }

    /// The connection over both nodes.
    private func describeDirectReturn(_ result: inout Explanation, _ place: FrontendPlace) {
        let policy = place.port.externalPolicy == .local ? ", and \(node) has no endpoint of its own" : ""
        result.add(
            .policy,
            "annotation \(Service.directReturn)\(policy): the endpoint follows from the client's address"
                + (place.port.affinityTimeout == nil ? " and port" : "") + ", from every node the same one")
        let others = result.reached.filter(\.isHandedOn)
        if others.isEmpty { return }
        let nodes = Set(others.compactMap(\.nodeName)).sorted()
        result.add(
            .policy,
            "for an endpoint on another node \(node) hands the packet on as it is, to \(Self.list(nodes)): that node translates it "
                + "and answers the client directly, and \(node) keeps nothing of the connection")
    }

    private func describeExternal(_ result: inout Explanation, _ place: FrontendPlace) {
        if place.port.externalPolicy == .cluster {
            result.add(.policy, "externalTrafficPolicy Cluster: any ready endpoint")
        } else if situation.wantsLocal(place, result.source) {
            let strict = result.source != .outside ? ", also for pods and the node itself (--strict-local)" : ""
            result.add(.policy, "externalTrafficPolicy Local: endpoints on \(node) only\(strict)")
        } else {
            result.add(
                .policy,
                "externalTrafficPolicy Local does not bind \(result.source == .node ? "the node itself" : "pods"): the "
                    + "connection is short-circuited to any ready endpoint, as under Cluster (--strict-local changes that)"
            )
        }
    }

    private func describeAffinity(_ result: inout Explanation, _ place: FrontendPlace) {
        guard let timeout = place.port.affinityTimeout, result.verdict == .reaches else { return }
        if situation.returnsDirectly(place, result.source) {
            result.add(.affinity, "sessionAffinity ClientIP: the client's address alone decides, without a memory")
            return
        }
        let isRemembered = result.leftOut.contains { $0.code == "remembersOther" }
        result.add(
            .affinity,
            isRemembered
                ? "sessionAffinity ClientIP: the client is remembered, until it is quiet for \(timeout) s"
                : "sessionAffinity ClientIP: whichever endpoint the client gets first, until it is quiet for \(timeout) s"
        )
    }

    // MARK: Source address

    private func describeAddress(_ result: inout Explanation, _ place: FrontendPlace) {
        let source = result.packet.source
        let masked = result.reached.filter { $0.masquerade != nil }
        let kept = result.reached.filter { $0.masquerade == nil }
        if masked.isEmpty {
            result.add(.address, "kept: the endpoint sees \(source)\(whyKept(result, place))")
            return
        }
        for cause in MasqueradeCause.allCases {
            let some = masked.filter { $0.masquerade == cause }
            guard let first = some.first else { continue }
            let whom = some.count == result.reached.count ? "" : " at \(Self.list(some.map(\.backend.description)))"
            result.add(.address, "the endpoint sees an address of \(node)\(whom): \(why(cause, first))")
        }
        if !kept.isEmpty {
            let whom =
                masked.allSatisfy { $0.masquerade == .hairpin }
                ? "the others" : Self.list(kept.map(\.backend.description))
            result.add(.address, "kept at \(whom)\(whyKept(result, place))")
        }
    }

    private func why(_ cause: MasqueradeCause, _ reached: Explanation.Reached) -> String {
        switch cause {
        case .hairpin: "a pod that reaches itself would else answer itself, past the translation"
        case .clusterIPFromOutside: "a connection from outside the cluster to a ClusterIP has to come back through it"
        case .masqueradeAll: "--masquerade-all"
        case .externalCluster: "under externalTrafficPolicy Cluster the answer has to come back through it"
        case .nodeItself: "the node's own connections have the address of the interface that they leave by"
        case .loopback: "nobody else can answer 127.0.0.1"
        case .other: "a rule says so"
        }
    }

    private func whyKept(_ result: Explanation, _ place: FrontendPlace) -> String {
        if result.source == .node { return "" }
        let isHere = result.reached.allSatisfy {
            $0.masquerade != nil || situation.ownAddresses.contains($0.backend.address)
        }
        if isHere { return ", which is on the host network of \(node)" }
        guard place.frontend.isExternal else { return "" }
        if situation.returnsDirectly(place, result.source) { return " (\(Service.directReturn))" }
        if options.preservesLocalSource, place.port.externalPolicy == .cluster {
            return ", an endpoint on \(node) (--preserve-local-source)"
        }
        return ""
    }

    /// A few of the items, and how many more there are.
    static func list(_ items: [String], most: Int = 4) -> String {
        let shown = items.prefix(most).joined(separator: ", ")
        return items.count > most ? "\(shown) and \(items.count - most) more" : shown
    }
}

extension Situation {
    /// Whether a Node of the cluster has the address, or this node.
    func isNodeAddress(_ address: IPAddress) -> Bool {
        ownAddresses.contains(address) || owner(of: address) != nil
    }

    /// The name of the Node that has the address.
    func owner(of address: IPAddress) -> String? {
        cluster.nodes.first { ($0.internalIPs + $0.externalIPs).contains(address) }?.name
    }
}

extension FrontendPlace {
    /// `port http (80/tcp)`, or `port 80/tcp` for an unnamed one.
    public var portLabel: String { port.label }

    /// `ClusterIP 10.96.0.10`, `node port 30080`.
    public var frontendLabel: String {
        let address = frontend.address.map { " \($0)" } ?? " \(frontend.port)"
        return switch frontend.kind {
        case .clusterIP: "ClusterIP" + address
        case .externalIP: "external IP" + address
        case .loadBalancerIP: "load balancer IP" + address
        case .nodePort: "node port" + address
        }
    }
}

extension ResolvedServicePort {
    /// `port http (80/tcp)`, or `port 80/tcp` for an unnamed one. The number is that of the ClusterIP.
    var label: String {
        let number = frontends.first { $0.kind == .clusterIP }?.port ?? frontends.first?.port ?? 0
        return name.isEmpty ? "port \(number)/\(transport)" : "port \(name) (\(number)/\(transport))"
    }
}
