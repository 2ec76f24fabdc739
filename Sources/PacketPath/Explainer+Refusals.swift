import KubernetesModel
import NetworkTypes
import ServiceDataplane
import ServicePolicy

/// Why a packet to a frontend gets no endpoint, and what would mend it.
extension Explainer {
    func describeRefusal(_ result: inout Explanation, _ place: FrontendPlace) {
        switch result.cause {
        case .noEndpoint:
            describeEmptiness(&result, place)
            if result.verdict == .dropped {
                result.add(
                    .because, "the annotation \(Service.noEndpointsAnnotation): drop keeps the sender without an answer"
                )
            } else if place.port.noEndpointAction == .pass, !place.frontend.isExternal {
                result.add(
                    .because,
                    "the annotation \(Service.noEndpointsAnnotation): pass is for external frontends, not for a ClusterIP"
                )
            }
        case .externalLocal:
            describeGap(&result, place, field: "externalTrafficPolicy")
            result.add(
                .mend,
                "or set externalTrafficPolicy Cluster: the endpoint then sees an address of the node (with the annotation "
                    + "\(Service.externalTrafficAnnotation): \(Service.preferLocal) only from nodes without a ready one)"
            )
        case .internalLocal:
            describeGap(&result, place, field: "internalTrafficPolicy")
            result.add(.mend, "or set internalTrafficPolicy Cluster")
        case .outsideSourceRanges:
            result.add(
                .because, "a load balancer IP is open to loadBalancerSourceRanges only, whatever endpoints there are")
            result.add(
                .mend, "add a range with \(result.packet.source) to spec.loadBalancerSourceRanges, if it may come in")
        case .invalid: result.add(.because, "conntrack calls the packet INVALID: it belongs to no connection")
        case .undefinedPort, .unallocatedClusterIP, .uncapturedPort, .loopbackFromElsewhere, .other:
            result.add(.because, "a rule of the tables says so; --rules shows it")
        case nil where place.port.passesWithoutEndpoint(place.frontend):
            describePassing(&result, place)
        case nil:
            result.add(.because, "nothing in the tables stands for the frontend")
            result.add(.mend, "see what 'fairlead diff' says")
        }
    }

    /// A frontend without an endpoint that is left to routes.
    private func describePassing(_ result: inout Explanation, _ place: FrontendPlace) {
        if place.port.clusterPool.isEmpty {
            describeEmptiness(&result, place)
        } else {
            describeGap(&result, place, field: "externalTrafficPolicy")
        }
        let destination = result.packet.destination
        result.add(
            .because,
            situation.isOwn(destination)
                ? "the annotation \(Service.noEndpointsAnnotation): pass leaves it to \(node) itself: whatever listens there answers"
                : "the annotation \(Service.noEndpointsAnnotation): pass leaves it to the routes of \(node). If it comes back, because "
                    + "the router there sends the address here, it is refused")
    }

    /// No usable endpoint on any node.
    private func describeEmptiness(_ result: inout Explanation, _ place: FrontendPlace) {
        let slices = situation.cluster.slices(of: place.service)
        let waiting = result.leftOut.filter { $0.code == EndpointDecision.notReady.rawValue }
        let unmatched = result.leftOut.filter {
            $0.code == EndpointDecision.noPort.rawValue || $0.code == EndpointDecision.openPort.rawValue
        }
        if place.port.isDrained {
            result.add(
                .because,
                """
                all usable endpoints have weight 0 (annotation \(EndpointSlice.weightAnnotation)): the connections that they have go on, \
                new ones get none
                """)
            result.add(.mend, "give an EndpointSlice of the Service a weight above 0, or none")
        } else if !waiting.isEmpty {
            result.add(
                .because, "no endpoint is ready on any node; \(Self.count(waiting.count, "is", "are")) not ready")
            result.add(.mend, "see why the pods are not ready: their readiness probe, or events of the pods")
        } else if !unmatched.isEmpty {
            result.add(.because, "the endpoints have no \(place.port.label): \(unmatched[0].reason)")
            result.add(
                .mend, "give the port in Service and pods the same name; a named targetPort has to exist in the pods")
        } else if slices.isEmpty {
            result.add(.because, "the Service has no EndpointSlice")
            result.add(.mend, "give the Service a selector that pods match, or make an EndpointSlice for it")
        } else {
            result.add(.because, "the Service has no \(place.port.family) endpoint on any node")
            result.add(.mend, "see whether the Service's selector matches pods, and whether those are running")
        }
    }

    /// A Local policy without an endpoint here.
    private func describeGap(_ result: inout Explanation, _ place: FrontendPlace, field: String) {
        let entries = situation.entries(place).filter { $0.isUsable && $0.weight != 0 }
        let drained = result.leftOut.count { $0.nodeName == node && $0.isDrained }
        var counts: [String: Int] = [:]
        for entry in entries { counts[entry.nodeName ?? "no node", default: 0] += 1 }
        let others = counts.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        let waiting = result.leftOut.filter { $0.nodeName == node && $0.code == EndpointDecision.notReady.rawValue }
        let here =
            drained > 0
            ? "no endpoint for new connections (\(drained) with weight 0)"
            : waiting.isEmpty ? "no endpoint" : "no ready endpoint (\(waiting.count) not ready)"
        result.add(
            .because,
            "\(field) is Local and \(node) has \(here); others have some (\(Self.list(others, most: 6)))")
        result.add(
            .mend,
            "run a pod of the Service on \(node)"
                + (field.hasPrefix("ext")
                    ? ", or send to a node that has one, as a load balancer with health checks does" : ""))
    }

    // MARK: Notes

    func describeNotes(_ result: inout Explanation, _ place: FrontendPlace) {
        if !place.rivals.isEmpty {
            result.add(
                .note,
                "\(Self.list(place.rivals.map(\.description))) \(place.rivals.count == 1 ? "claims" : "claim") the same "
                    + "address and port without effect: the older Service has it")
        }
        if let check = situation.healthChecks.values.first(where: { $0.key == place.service }),
            place.frontend.isExternal
        {
            if let taint = situation.drainTaint {
                result.add(
                    .note,
                    "health check port \(check.port) answers 503 here, as \(node) has the taint \(taint) (--drain-taints): "
                        + "load balancers should not send to \(node)")
                return describeHeld(&result, place)
            }
            let count = check.localEndpoints[place.port.family] ?? 0
            result.add(
                .note,
                "health check port \(check.port) answers \(count > 0 ? "200" : "503") here: "
                    + (count > 0 ? "load balancers may send to \(node)" : "load balancers should not send to \(node)"))
        }
        describeHeld(&result, place)
    }

    private func describeHeld(_ result: inout Explanation, _ place: FrontendPlace) {
        if situation.held.contains(place.service) {
            result.add(
                .note,
                "an object of \(place.service) is invalid: the kernel keeps what it had of the Service, which is not "
                    + "explained here; use --live")
        }
        guard let service = situation.cluster.service(place.service) else { return }
        let slices = situation.cluster.slices(of: place.service)
        let findings = resolve(service, slices: slices, node: situation.node).findings
        for finding in findings where finding.severity > .info {
            result.add(.note, "\(finding.field): \(finding.message)")
        }
    }

    static func count(_ number: Int, _ one: String, _ many: String) -> String {
        number == 1 ? "1 \(one)" : "\(number) \(many)"
    }
}
