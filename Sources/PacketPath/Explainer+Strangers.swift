import KubernetesModel
import NetworkTypes
import ServiceDataplane
import ServicePolicy

/// Packets that are sent to no frontend: what the destination looks like.
extension Explainer {
    func describeStranger(_ result: inout Explanation) {
        let packet = result.packet
        let mentions = situation.mentions(of: packet.destination)
        switch result.cause {
        case .undefinedPort: describeUndefinedPort(&result, mentions)
        case .unallocatedClusterIP:
            let range = situation.dataplane.node.serviceCIDRs.first { $0.contains(packet.destination) }
            result.add(
                .because,
                "no Service that is served has \(packet.destination), which is in the ServiceCIDR"
                    + (range.map { " \($0)" } ?? ""))
            result.add(.mend, "ask DNS again: the Service may have been deleted and made again with another ClusterIP")
            for mention in mentions { result.add(.note, mention.text) }
        case .loopbackFromElsewhere:
            result.add(.because, "only \(node) itself may send to 127.0.0.0/8 of its own (--localhost-nodeports)")
        case .invalid: result.add(.because, "conntrack calls the packet INVALID: it belongs to no connection")
        case .noEndpoint, .internalLocal, .externalLocal, .outsideSourceRanges, .uncapturedPort, .other:
            result.add(.because, "a rule of the tables says so; --rules shows it")
        case nil: describeUntouched(&result, mentions)
        }
    }

    private func describeUndefinedPort(_ result: inout Explanation, _ mentions: [Mention]) {
        let packet = result.packet
        guard let mention = mentions.first(where: { $0.field == .clusterIP && $0.exclusion == nil }) else {
            result.add(.because, "a Service has the ClusterIP, but no \(packet.transport) port \(packet.port)")
            return
        }
        let ports = situation.ports(of: mention.service, packet.family)
        result.add(
            .because,
            "\(packet.destination) is the ClusterIP of \(mention.service), which has no \(packet.transport) port "
                + "\(packet.port)")
        result.add(.mend, "connect to a port that it has (\(Self.list(ports, most: 8))), or add one to the Service")
    }

    // MARK: Left alone

    private func describeUntouched(_ result: inout Explanation, _ mentions: [Mention]) {
        let packet = result.packet
        result.add(.because, "no Service is served at \(packet.destination) port \(packet.port)/\(packet.transport)")
        for mention in mentions {
            result.add(.because, mention.text)
            if mention.exclusion == nil, mention.hasNoOther {
                let ports = situation.ports(of: mention.service, packet.family)
                result.add(.because, "only the Service's ports of it are served (\(Self.list(ports, most: 8)))")
            }
        }
        let isExternal = mentions.contains { $0.exclusion == nil && $0.field != .clusterIP }
        if isExternal, !situation.isOwn(packet.destination) {
            result.add(
                .because,
                "\(node) forwards it by its routes. If it comes back, because the router there sends the address here, it is "
                    + "refused\(packet.transport == .tcp ? " (TCP reset)" : " (ICMP port unreachable)")")
        }
        describeNodePort(&result)
        let endpoints = situation.endpoints(at: packet.destination)
        if let owner = situation.owner(of: packet.destination) {
            result.add(.because, "\(packet.destination) is an address of node \(owner)")
        } else if situation.ownAddresses.contains(packet.destination) {
            result.add(.because, "\(packet.destination) is an address of \(node)")
        } else if let first = endpoints.first {
            let place = first.node.map { ", on \($0)" } ?? ""
            result.add(
                .because,
                "\(packet.destination) is an endpoint of \(Self.list(endpoints.map(\.service.description)))\(place): what is "
                    + "sent to a pod directly passes no rule of a Service")
        } else if mentions.isEmpty {
            let range = situation.dataplane.node.clusterCIDRs.first { $0.contains(packet.destination) }
            result.add(
                .because,
                range.map { "\(packet.destination) is in the pods' range \($0), and no Service has it as an endpoint" }
                    ?? "\(packet.destination) is unknown: no Service, endpoint or node has it")
        }
    }

    /// The number of a node port, at an address or with a protocol that does not serve it; a health check port.
    private func describeNodePort(_ result: inout Explanation) {
        let packet = result.packet
        guard situation.isNodeAddress(packet.destination) || packet.destination.isLoopback else { return }
        for transport in TransportProtocol.allCases {
            guard let owner = situation.dataplane.claimants(of: nil, packet.port, transport, packet.family).first
            else { continue }
            let accepting = situation.dataplane.node.nodePortAddresses.filter { $0.family == packet.family }
            if accepting.contains(packet.destination) {
                result.add(
                    .because, "\(packet.port) is a node port of \(owner) for \(transport), not for \(packet.transport)")
            } else if situation.ownAddresses.contains(packet.destination) || packet.destination.isLoopback {
                let list = accepting.isEmpty ? "no \(packet.family) address" : Self.list(accepting.map(\.description))
                result.add(
                    .because,
                    "\(packet.port) is a node port of \(owner), but \(node) serves node ports at \(list) only "
                        + "(--nodeport-addresses)")
            } else if let other = situation.owner(of: packet.destination) {
                result.add(
                    .because,
                    "\(packet.port) is a node port of \(owner): the rules of \(other) decide, which --node \(other) explains"
                )
            }
            return
        }
        if packet.transport == .tcp, let check = situation.healthChecks[packet.port] {
            if let taint = situation.drainTaint {
                return result.add(
                    .because,
                    "it is the health check port of \(check.key): fairlead itself answers 503, as \(node) has the taint "
                        + "\(taint) (--drain-taints)")
            }
            let count = check.localEndpoints[packet.family] ?? 0
            result.add(
                .because,
                "it is the health check port of \(check.key): fairlead itself answers \(count > 0 ? 200 : 503), as \(node) has "
                    + "\(Self.count(count, "ready endpoint", "ready endpoints"))")
        }
    }
}

/// A Service that names an address in one of its fields.
struct Mention {
    enum Field: String {
        case clusterIP = "ClusterIP"
        case externalIP = "external IP"
        case loadBalancerIP = "load balancer IP"
    }

    var service: ObjectKey
    var field: Field
    var address: IPAddress
    /// Why it has no effect, whatever the port is; nil if it has.
    var exclusion: String?
    /// Whether a port is all that is missing.
    var hasNoOther: Bool { exclusion == nil }

    var text: String {
        "\(address) is \(field.rawValue == "ClusterIP" ? "the" : "a") \(field.rawValue) of \(service)"
            + (exclusion.map { ", which \($0)" } ?? "")
    }
}

extension Situation {
    /// All Services that name the address.
    func mentions(of address: IPAddress) -> [Mention] {
        var result: [Mention] = []
        cluster.forEachService { service, slices in
            var fields: [(Mention.Field, String?)] = []
            if service.clusterIPs.contains(address) { fields.append((.clusterIP, nil)) }
            if service.externalIPs.contains(address) {
                fields.append((.externalIP, node.servesExternalIPs ? nil : Self.unservedExternalIP))
            }
            if let ingress = service.loadBalancerIngress.first(where: { $0.address == address }) {
                fields.append(
                    (
                        .loadBalancerIP,
                        ingress.mode == .proxy
                            ? "has ipMode Proxy there: nodes leave the address to the load balancer" : nil
                    ))
            }
            guard !fields.isEmpty else { return }
            let reason = exclusion(service, slices, address)
            for (field, own) in fields {
                result.append(
                    Mention(service: service.key, field: field, address: address, exclusion: reason ?? own))
            }
        }
        return result.sorted { $0.service < $1.service }
    }

    private static let unservedExternalIP =
        "has no effect there: external IPs are not served (\(NodeContext.withoutExternalIPs))"

    private func exclusion(_ service: Service, _ slices: [EndpointSlice], _ address: IPAddress) -> String? {
        let resolution = resolve(service, slices: slices, node: node)
        if let exclusion = resolution.exclusion { return "has no effect there, as \(exclusion.text)" }
        let isServed = resolution.service?.ports.contains { $0.frontends.contains { $0.address == address } } ?? false
        if isServed { return nil }
        let finding = resolution.findings.first { $0.message.hasPrefix("\(address) ") }
        return finding.map { "has no effect there: \($0.message)" }
    }

    /// The ports of a Service that are served in a family: `http (80/tcp)`.
    func ports(of key: ObjectKey, _ family: IPFamily) -> [String] {
        guard let service = dataplane.resolved(key) else { return [] }
        return service.ports.filter { $0.family == family }.map(\.label).map { String($0.dropFirst("port ".count)) }
    }
}
