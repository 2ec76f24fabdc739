import KubernetesModel
import NetworkTypes
import ServiceDataplane
import ServicePolicy

/// A question in the words of a person: from where to where.
public struct Question: Hashable, Sendable {
    /// Who connects.
    public enum Source: Hashable, Sendable {
        /// Whoever has the address.
        case address(IPAddress)
        /// The node itself.
        case node
        /// Somebody outside the cluster, at an address that nothing in the cluster has.
        case external
        /// A pod of the node that is no endpoint.
        case pod
    }

    /// What is connected to.
    public enum Target: Hashable, Sendable {
        /// An address and a port.
        case address(IPAddress, UInt16)
        /// A port of the node's own address.
        case nodePort(UInt16)
        /// A Service's ClusterIP, and a port by its name or number.
        case service(ObjectKey, port: String?)
    }

    /// Who connects.
    public var source: Source
    /// What is connected to.
    public var target: Target
    /// With which protocol; nil for that of the Service's port, else TCP.
    public var transport: TransportProtocol?
    /// The family, where neither end tells it.
    public var family = IPFamily.ipv4
    /// The interface that the packet comes through; nil for the likely one.
    public var interface: String?

    /// Makes a question.
    public init(from source: Source, to target: Target, _ transport: TransportProtocol? = nil) {
        self.source = source
        self.target = target
        self.transport = transport
    }

    /// Reads a question.
    ///
    /// - Parameters:
    ///   - source: an IP, `node`, `external` or `pod`.
    ///   - target: `ADDRESS:PORT`, `node:PORT` or `NAMESPACE/NAME[:PORT]`, each with or without `/tcp`, `/udp` or `/sctp`.
    public init(from source: String, to target: String) throws(QuestionError) {
        switch source {
        case "node": self.source = .node
        case "external": self.source = .external
        case "pod": self.source = .pod
        default:
            guard let address = IPAddress(source) else {
                throw QuestionError("\"\(source)\" is not an IP address, node, external or pod")
            }
            self.source = .address(address)
        }
        var rest = target[...]
        if let slash = rest.lastIndex(of: "/"),
            let transport = TransportProtocol(kubernetes: rest[rest.index(after: slash)...].uppercased())
        {
            self.transport = transport
            rest = rest[..<slash]
        }
        self.target = try Self.target(rest)
    }

    private static func target(_ text: Substring) throws(QuestionError) -> Target {
        if let slash = text.firstIndex(of: "/") {
            let parts = text[text.index(after: slash)...].split(separator: ":", maxSplits: 1)
            let namespace = text[..<slash]
            guard let name = parts.first, !namespace.isEmpty else { throw wrong(text) }
            let port = parts.count > 1 ? String(parts[1]) : nil
            return .service(ObjectKey(namespace: String(namespace), name: String(name)), port: port)
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0
        else { throw wrong(text) }
        var host = text[..<colon]
        if host == "node" { return .nodePort(port) }
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        guard let address = IPAddress(host), isBracketed == (address.family == .ipv6) else { throw wrong(text) }
        return .address(address, port)
    }

    private static func wrong(_ text: Substring) -> QuestionError {
        QuestionError(
            "\"\(text)\" is not ADDRESS:PORT (IPv6 in brackets), node:PORT or NAMESPACE/NAME[:PORT], with or without "
                + "/tcp, /udp or /sctp")
    }
}

/// A question that has no answer.
public struct QuestionError: Error, Hashable, CustomStringConvertible {
    /// What is wrong with it.
    public var description: String

    /// - Parameter description: one sentence.
    public init(_ description: String) { self.description = description }
}

extension Question {
    /// The first packet of the connection that is asked about.
    public func packet(in situation: Situation) throws(QuestionError) -> Packet {
        let family = try family(in: situation)
        let destination: IPAddress
        let port: UInt16
        var transport = transport ?? .tcp
        switch target {
        case .address(let address, let number): (destination, port) = (address, number)
        case .nodePort(let number):
            let accepting = situation.dataplane.node.nodePortAddresses.first { $0.family == family && !$0.isLoopback }
            guard let address = accepting ?? situation.ownAddress(family) else {
                throw QuestionError("no \(family) address of \(situation.node.nodeName) is known")
            }
            (destination, port) = (address, number)
        case .service(let key, let name):
            let found = try servicePort(key, name, family, situation)
            guard let frontend = found.frontends.first(where: { $0.kind == .clusterIP }), let address = frontend.address
            else { throw QuestionError("\(key) has no ClusterIP") }
            (destination, port, transport) = (address, frontend.port, found.transport)
        }
        let source = try sourceAddress(destination, situation)
        guard source.family == destination.family else {
            throw QuestionError("\(source) and \(destination) are not of the same family")
        }
        var packet = Packet(
            from: source, to: destination, port, transport, origin: situation.origin(of: source, interface: interface))
        packet.hasUnknownSourcePort = true
        return packet
    }

    private func family(in situation: Situation) throws(QuestionError) -> IPFamily {
        if case .address(let address, _) = target { return address.family }
        if case .address(let address) = source { return address.family }
        guard case .service(let key, _) = target else { return family }
        let families = situation.dataplane.resolved(key)?.ports.map(\.family) ?? []
        return families.contains(family) ? family : families.first ?? family
    }

    private func servicePort(
        _ key: ObjectKey, _ name: String?, _ family: IPFamily, _ situation: Situation
    ) throws(QuestionError) -> ResolvedServicePort {
        guard let object = situation.cluster.service(key) else { throw QuestionError("there is no Service \(key)") }
        guard let service = situation.dataplane.resolved(key) else {
            let why = resolve(object, slices: [], node: situation.node).exclusion.map { ": \($0.text)" } ?? ""
            throw QuestionError("Service \(key) is not served\(why)")
        }
        let ports = service.ports.filter { $0.family == family }
        if ports.isEmpty { throw QuestionError("Service \(key) has no \(family) ClusterIP") }
        let matching = ports.filter { port in
            let number = port.frontends.first { $0.kind == .clusterIP }?.port
            let isNamed = name.map { $0 == port.name || UInt16($0) == number } ?? true
            return isNamed && (transport ?? port.transport) == port.transport
        }
        guard let first = matching.first else {
            throw QuestionError("Service \(key) has no such port; it has \(situation.portList(key, family))")
        }
        // A number with several protocols means TCP, as in an address.
        if matching.count == 1 { return first }
        if name != nil, let tcp = matching.first(where: { $0.transport == .tcp }) { return tcp }
        throw QuestionError("Service \(key) has several ports, say which: \(situation.portList(key, family))")
    }

    private func sourceAddress(_ destination: IPAddress, _ situation: Situation) throws(QuestionError) -> IPAddress {
        switch source {
        case .address(let address): return address
        case .node:
            // To an address of its own the node goes from that address.
            if situation.isOwn(destination) { return destination }
            guard let address = situation.ownAddress(destination.family) else {
                throw QuestionError(
                    "no \(destination.family) address of \(situation.node.nodeName) is known; give --from an IP")
            }
            return address
        case .external:
            guard let address = situation.unknownAddress(destination.family) else {
                throw QuestionError(
                    "every address that could stand for one outside is in a known range; give --from an IP")
            }
            return address
        case .pod:
            guard let address = situation.podAddress(destination.family) else {
                throw QuestionError(
                    "no \(destination.family) range of pods is known (podCIDRs of \(situation.node.nodeName), "
                        + "--cluster-cidr); give --from an IP")
            }
            return address
        }
    }
}

extension PolicyResolution.Exclusion {
    /// Why a Service is none of the dataplane's business.
    var text: String {
        switch self {
        case .externalName: "it is of type ExternalName, a DNS alias"
        case .headless: "it is headless, clients reach its pods by their own addresses"
        case .labelledHeadless: "it has the label service.kubernetes.io/headless, which keeps proxies away"
        case .otherProxy(let name):
            "it is left to the proxy \"\(name)\" (label service.kubernetes.io/service-proxy-name)"
        case .skipped: "it has the annotation \(Service.skipAnnotation): true"
        case .noClusterIP: "it has no ClusterIP"
        }
    }
}
