import NetworkTypes

/// Fields that problems name.
private enum Field {
    static let type = FieldPath("spec", "type")
    static let clusterIP = FieldPath("spec", "clusterIP")
    static let clusterIPs = FieldPath("spec", "clusterIPs")
    static let externalTrafficPolicy = FieldPath("spec", "externalTrafficPolicy")
    static let internalTrafficPolicy = FieldPath("spec", "internalTrafficPolicy")
    static let sessionAffinity = FieldPath("spec", "sessionAffinity")
    static let affinityTimeout = FieldPath("spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds")
    static let healthCheckNodePort = FieldPath("spec", "healthCheckNodePort")
    static let externalIPs = FieldPath("spec", "externalIPs")
    static let sourceRanges = FieldPath("spec", "loadBalancerSourceRanges")
    static let sourceRangesAnnotation = FieldPath("metadata", "annotations", "\(MetadataKey.sourceRanges)")
    static let ingress = FieldPath("status", "loadBalancer", "ingress")
    static let ports = FieldPath("spec", "ports")
}

/// The fields of a Service that rules apply to, as texts and numbers, whoever read them. What is absent is empty, 0 or nil.
package struct ServiceFields: Sendable {
    /// `spec.type`.
    package var type = ""
    /// `spec.clusterIP`.
    package var clusterIP = ""
    /// `spec.clusterIPs`.
    package var clusterIPs: [String] = []
    /// `spec.externalIPs`.
    package var externalIPs: [String] = []
    /// `spec.ports`.
    package var ports: [Port] = []
    /// `spec.externalTrafficPolicy`.
    package var externalTrafficPolicy = ""
    /// `spec.internalTrafficPolicy`.
    package var internalTrafficPolicy = ""
    /// `spec.sessionAffinity`.
    package var sessionAffinity = ""
    /// `spec.sessionAffinityConfig.clientIP.timeoutSeconds`.
    package var affinityTimeout: Int?
    /// `spec.healthCheckNodePort`.
    package var healthCheckNodePort = 0
    /// `spec.loadBalancerSourceRanges`.
    package var sourceRanges: [String] = []
    /// The annotation that came before it.
    package var sourceRangesAnnotation: String?
    /// `status.loadBalancer.ingress`: `ip` and `ipMode`.
    package var ingress: [(address: String, mode: String)] = []
    /// Whether the label `service.kubernetes.io/headless` is there, whatever its value: lists of the API leave such a Service out.
    package var isLabelledHeadless = false

    /// An entry of `spec.ports`.
    package struct Port: Sendable {
        /// `name`.
        package var name = ""
        /// `protocol`.
        package var transport = ""
        /// `port`.
        package var port = 0
        /// `nodePort`.
        package var nodePort = 0

        /// An empty entry.
        package init() {}
    }

    /// No fields.
    package init() {}

    /// The least type that the fields have a meaning for, which stands for one that is not known. Like kube-proxy, which looks at node
    /// ports and the load balancer's addresses whatever the type is.
    var leastType: Service.ServiceType {
        if healthCheckNodePort != 0 || ingress.contains(where: { !$0.address.isEmpty }) { return .loadBalancer }
        return ports.contains { $0.nodePort != 0 } ? .nodePort : .clusterIP
    }
}

/// What becomes of a Service's fields, by the rules of the API server's validation that matter to a dataplane.
extension Service {
    /// The values of `spec.sessionAffinity`.
    package enum AffinityType: String, CaseIterable {
        /// Each connection picks again.
        case none = "None"
        /// By the client's address.
        case clientIP = "ClientIP"

        /// The affinity with its timeout; three hours, the API's default, without one.
        package func affinity(timeoutSeconds: Int?) -> SessionAffinity {
            self == .none ? .none : .clientIP(timeoutSeconds: timeoutSeconds ?? 10800)
        }
    }

    /// The values that `spec.sessionAffinityConfig.clientIP.timeoutSeconds` may have: up to a day.
    package static let affinityTimeouts = 1...86400

    /// Takes over the fields. A value that cannot be used is left out with a note; absent and unusable ones have the API's default.
    ///
    /// Throws if nothing sensible is left: no port, or no cluster IP although some were named.
    package mutating func take(_ fields: ServiceFields, _ notes: inout FieldNotes) throws(FieldProblem) {
        do throws(FieldProblem) { type = try FieldRule.choice(fields.type, at: Field.type) ?? .clusterIP } catch {
            type = fields.leastType
            notes.leaveOut(
                FieldProblem(error.path, "\(error.message); is served as \(type.rawValue), by its other fields"))
        }
        try setClusterIPs(fields.clusterIPs, single: fields.clusterIP, &notes)
        for (index, text) in fields.externalIPs.enumerated() {
            if let address = notes.serviceAddress(text, at: Field.externalIPs.entry(index)) {
                externalIPs.append(address)
            }
        }
        try setPorts(fields.ports, &notes)
        externalTrafficPolicy =
            notes.keep(try FieldRule.choice(fields.externalTrafficPolicy, at: Field.externalTrafficPolicy)) ?? .cluster
        internalTrafficPolicy =
            notes.keep(try FieldRule.choice(fields.internalTrafficPolicy, at: Field.internalTrafficPolicy)) ?? .cluster
        var timeout = fields.affinityTimeout
        if let seconds = timeout {
            timeout = notes.keep(try FieldRule.number(seconds, in: Self.affinityTimeouts, at: Field.affinityTimeout))
        }
        let affinity = notes.keep(
            try FieldRule.choice(fields.sessionAffinity, AffinityType.self, at: Field.sessionAffinity))
        sessionAffinity = (affinity ?? .none).affinity(timeoutSeconds: timeout)
        setHealthCheckPort(fields.healthCheckNodePort, &notes)
        setSourceRanges(fields, &notes)
        for (index, entry) in fields.ingress.enumerated() { addIngress(entry, index, &notes) }
        isLabelledHeadless = fields.isLabelledHeadless
        notes.add(doubts(setsExternalPolicy: !fields.externalTrafficPolicy.isEmpty))
    }

    /// Takes over `spec.clusterIPs` and `spec.clusterIP`; an empty `single` stands for an absent one.
    private mutating func setClusterIPs(
        _ list: [String], single: String, _ notes: inout FieldNotes
    ) throws(FieldProblem) {
        for (index, text) in list.enumerated() where !text.isEmpty {
            let path = Field.clusterIPs.entry(index)
            if text == "None" || isHeadless {
                if index == 0 {
                    isHeadless = true
                } else {
                    notes.leaveOut(FieldProblem(path, "\"None\" must be the only entry"))
                }
            } else if let address = notes.serviceAddress(text, at: path) {
                if clusterIPs.contains(where: { $0.family == address.family }) {
                    notes.leaveOut(
                        FieldProblem(path, "is a second \(address.family) address; a Service has one per family"))
                } else {
                    clusterIPs.append(address)
                }
            }
        }
        if !single.isEmpty { setClusterIP(single, &notes) }
        if clusterIPs.isEmpty, !isHeadless, type != .externalName, let problem = notes.firstProblem(below: "clusterIP")
        {
            throw problem
        }
    }

    /// Takes over `spec.clusterIP`, which has to agree with the list, if there is one.
    private mutating func setClusterIP(_ text: String, _ notes: inout FieldNotes) {
        if text == "None" {
            if let first = clusterIPs.first {
                notes.leaveOut(
                    FieldProblem(Field.clusterIP, "must equal clusterIPs[0], which is \(first), is \"None\""))
            } else {
                isHeadless = true
            }
        } else if let address = notes.serviceAddress(text, at: Field.clusterIP) {
            if !isHeadless, clusterIPs.isEmpty {
                clusterIPs = [address]
            } else if clusterIPs.first != address {
                let first = clusterIPs.first?.description ?? "\"None\""
                notes.leaveOut(
                    FieldProblem(Field.clusterIP, "must equal clusterIPs[0], which is \(first), is \(address)"))
            }
        }
    }

    /// Takes over `spec.ports`: of two that contradict each other the first stays.
    private mutating func setPorts(_ list: [ServiceFields.Port], _ notes: inout FieldNotes) throws(FieldProblem) {
        var taken = TakenPorts()
        ports.reserveCapacity(list.count)
        for (index, entry) in list.enumerated() {
            let path = Field.ports.entry(index)
            guard
                let transport = notes.keep(try FieldRule.transport(entry.transport, at: path.field("protocol"))),
                let number = notes.port(entry.port, at: path.field("port")),
                notes.keep(try FieldRule.portName(entry.name, at: path.field("name"))) != nil
            else { continue }
            var port = ServicePort(name: entry.name, transport: transport, port: number)
            if entry.nodePort != 0, let nodePort = notes.port(entry.nodePort, from: 0, at: path.field("nodePort")) {
                if type == .nodePort || type == .loadBalancer {
                    port.nodePort = nodePort
                } else {
                    notes.leaveOut(
                        FieldProblem(
                            path.field("nodePort"), "needs type NodePort or LoadBalancer, which is \(type.rawValue)"))
                }
            }
            if list.count > 1 {
                if let problem = taken.claim(port, index) {
                    notes.leaveOut(FieldProblem(path.field(problem.field), problem.message))
                    continue
                }
                if let message = taken.claimNodePort(of: port, index) {
                    notes.leaveOut(FieldProblem(path.field("nodePort"), message))
                    port.nodePort = 0
                }
                if port.name.isEmpty {
                    notes.leaveOut(
                        FieldProblem(path.field("name"), "is missing; each of several ports needs a name"))
                }
            }
            ports.append(port)
        }
        if ports.isEmpty, !isHeadless, type != .externalName {
            throw notes.firstProblem(below: "ports") ?? FieldProblem(Field.ports, "must have at least one port")
        }
    }

    /// Takes over `spec.healthCheckNodePort`. Whether it is somebody's node port, too, is for those who know all Services.
    private mutating func setHealthCheckPort(_ number: Int, _ notes: inout FieldNotes) {
        healthCheckNodePort = notes.port(number, from: 0, at: Field.healthCheckNodePort) ?? 0
    }

    /// Takes over the ranges of the field, else of the annotation. Where ranges are left out the addresses do not become open for
    /// it: a family that has no other range lets nobody in.
    private mutating func setSourceRanges(_ fields: ServiceFields, _ notes: inout FieldNotes) {
        var texts = fields.sourceRanges.enumerated().map { (Field.sourceRanges.entry($0.offset), $0.element) }
        if texts.isEmpty, let annotation = fields.sourceRangesAnnotation {
            for part in annotation.split(separator: ",") where !String(part).trimmingBlanks.isEmpty {
                texts.append((Field.sourceRangesAnnotation, String(part)))
            }
        }
        let own = Set(clusterIPs.map(\.family))
        var unreadable: [(problem: FieldProblem, families: [IPFamily])] = []
        for (path, text) in texts {
            do throws(FieldProblem) {
                loadBalancerSourceRanges.append(try notes.readableBlock(text, at: path))
            } catch {
                let families = Self.families(meantBy: text)
                unreadable.append((error, clusterIPs.isEmpty ? families : families.filter(own.contains)))
            }
        }
        if unreadable.isEmpty { return }
        let left = Set(loadBalancerSourceRanges.map(\.family))
        for (problem, families) in unreadable {
            let closed = families.filter { !left.contains($0) }.map { "\($0)" }.joined(separator: " or ")
            let consequence = closed.isEmpty ? "" : "; no \(closed) range is left, so nobody is let in by \(closed)"
            notes.leaveOut(
                FieldProblem(problem.path, "\(problem.message) and is left out\(consequence)"),
                code: FieldNotes.sourceRangeCode)
        }
        for family in IPFamily.allCases
        where !left.contains(family) && unreadable.contains(where: { $0.families.contains(family) }) {
            // Nobody has the unspecified address as a source.
            let nobody: IPAddress =
                family == .ipv4 ? .v4(IPv4Address(rawValue: 0)) : .v6(IPv6Address(high: 0, low: 0))
            if let block = CIDR(nobody, prefixLength: family.addressBits) { loadBalancerSourceRanges.append(block) }
        }
    }

    /// The families that a range which cannot be read may have been meant for.
    private static func families(meantBy text: String) -> [IPFamily] {
        if text.utf8.contains(UInt8(ascii: ":")) { return [.ipv6] }
        return text.utf8.contains(UInt8(ascii: ".")) ? [.ipv4] : IPFamily.allCases
    }

    /// Takes over an entry of `status.loadBalancer.ingress`; one without an address is for somebody else.
    private mutating func addIngress(
        _ entry: (address: String, mode: String), _ index: Int, _ notes: inout FieldNotes
    ) {
        if entry.address.isEmpty { return }
        let path = Field.ingress.entry(index)
        let mode: LoadBalancerIngress.Mode
        do throws(FieldProblem) {
            mode = try FieldRule.choice(entry.mode, at: path.field("ipMode")) ?? .vip
        } catch {
            // A mode of tomorrow may be one that nodes must not capture the address for.
            notes.leaveOut(error)
            return
        }
        // Some load balancers announce link-local addresses, and the API server lets them.
        let address = notes.serviceAddress(entry.address, allowingLinkLocal: true, at: path.field("ip"))
        if let address { loadBalancerIngress.append(LoadBalancerIngress(address: address, mode: mode)) }
    }

    /// What is doubtful about the Service as a whole.
    private func doubts(setsExternalPolicy: Bool) -> [FieldNote] {
        var notes: [FieldNote] = []
        let isExternal = type == .nodePort || type == .loadBalancer || !externalIPs.isEmpty
        if setsExternalPolicy, !isExternal {
            notes.append(
                FieldNote(
                    severity: .warning, code: "policy-without-external-frontend",
                    path: Field.externalTrafficPolicy,
                    message: "has no effect: type \(type.rawValue) without externalIPs has no external frontend"))
        }
        if healthCheckNodePort != 0, type != .loadBalancer || externalTrafficPolicy != .local {
            notes.append(
                FieldNote(
                    severity: .warning, code: "health-check-port-unused",
                    path: Field.healthCheckNodePort,
                    message: """
                        has no effect: only type LoadBalancer with externalTrafficPolicy Local has a health check port
                        """))
        }
        if clusterIPs.isEmpty, !isHeadless, type != .externalName {
            notes.append(
                FieldNote(
                    severity: .info, code: "no-cluster-ip", path: FieldPath("spec"),
                    message: """
                        has no clusterIP and so no effect; the API server allocates one, a manifest has to name it
                        """))
        }
        return notes
    }
}

/// What the ports of a Service have claimed so far, with their positions in `spec.ports`.
private struct TakenPorts {
    private struct Number: Hashable, CustomStringConvertible {
        var port: UInt16
        var transport: TransportProtocol
        var description: String { "\(port)/\("\(transport)".uppercased())" }
    }

    private var names: [String: Int] = [:]
    private var fronts: [Number: Int] = [:]
    private var nodePorts: [Number: Int] = [:]

    /// Why the port cannot be beside the ones before it; nil if it can, and then it is claimed.
    mutating func claim(_ port: ServicePort, _ index: Int) -> (field: String, message: String)? {
        let number = Number(port: port.port, transport: port.transport)
        if let other = names[port.name] {
            let message =
                port.name.isEmpty
                ? "is missing; each of several ports needs a name"
                : "\(port.name.quoted) is the name of spec.ports[\(other)]"
            return ("name", message)
        }
        if let other = fronts[number] { return ("port", "\(number) is taken by spec.ports[\(other)]") }
        names[port.name] = index
        fronts[number] = index
        return nil
    }

    /// Why the port cannot have its node port; nil if it can.
    mutating func claimNodePort(of port: ServicePort, _ index: Int) -> String? {
        guard port.nodePort != 0 else { return nil }
        let number = Number(port: port.nodePort, transport: port.transport)
        if let other = nodePorts[number] { return "\(number) is taken by spec.ports[\(other)]" }
        nodePorts[number] = index
        return nil
    }
}
