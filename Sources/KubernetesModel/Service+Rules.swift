import NetworkTypes

/// A port number of one protocol.
private struct ProtocolPort: Hashable, CustomStringConvertible {
    var port: UInt16
    var transport: TransportProtocol

    var description: String { "\(port)/\("\(transport)".uppercased())" }
}

/// Fields that problems name.
private enum Field {
    static let clusterIP = FieldPath("spec", "clusterIP")
    static let clusterIPs = FieldPath("spec", "clusterIPs")
    static let externalTrafficPolicy = FieldPath("spec", "externalTrafficPolicy")
    static let healthCheckNodePort = FieldPath("spec", "healthCheckNodePort")
    static let ports = FieldPath("spec", "ports")
}

/// What the API server's validation says of a Service, as far as it matters to a dataplane.
extension Service {
    /// Takes over `spec.clusterIPs` and `spec.clusterIP`; an empty `single` stands for an absent one.
    package mutating func setClusterIPs(_ list: [String], single: String) throws(FieldProblem) {
        for (index, text) in list.enumerated() {
            if text == "None" {
                isHeadless = true
                continue
            }
            let address = try FieldRule.serviceAddress(text, at: Field.clusterIPs.entry(index))
            if clusterIPs.contains(where: { $0.family == address.family }) {
                throw FieldProblem(
                    Field.clusterIPs.entry(index), "is a second \(address.family) address; a Service has one per family"
                )
            }
            clusterIPs.append(address)
        }
        if isHeadless, !clusterIPs.isEmpty { throw FieldProblem(Field.clusterIPs, "\"None\" must be the only entry") }
        if !single.isEmpty { try setClusterIP(single) }
    }

    /// Takes over `spec.clusterIP`, which has to agree with the list, if there is one.
    private mutating func setClusterIP(_ text: String) throws(FieldProblem) {
        if text == "None" {
            if let first = clusterIPs.first {
                throw FieldProblem(Field.clusterIP, "must equal clusterIPs[0], which is \(first), is \"None\"")
            }
            isHeadless = true
            return
        }
        let address = try FieldRule.serviceAddress(text, at: Field.clusterIP)
        if !isHeadless, clusterIPs.isEmpty {
            clusterIPs = [address]
        } else if clusterIPs.first != address {
            let first = clusterIPs.first?.description ?? "\"None\""
            throw FieldProblem(Field.clusterIP, "must equal clusterIPs[0], which is \(first), is \(address)")
        }
    }

    /// The ranges of the annotation that came before `spec.loadBalancerSourceRanges`.
    package static func sourceRanges(
        annotation: String, at path: @autoclosure () -> FieldPath = FieldPath()
    ) throws(FieldProblem) -> [CIDR] {
        var ranges: [CIDR] = []
        for part in annotation.split(separator: ",") {
            let text = String(part).trimmingBlanks
            if !text.isEmpty { ranges.append(try FieldRule.block(text, at: path())) }
        }
        return ranges
    }

    /// The values of `spec.sessionAffinity`.
    package enum AffinityType: String, CaseIterable {
        /// Each connection picks anew.
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

    /// Throws if ports, type and `healthCheckNodePort` do not go together. To be called when all of them are known.
    package func checkPorts() throws(FieldProblem) {
        if ports.isEmpty, !isHeadless, type != .externalName {
            throw FieldProblem(Field.ports, "must have at least one port")
        }
        if type != .nodePort, type != .loadBalancer, let index = ports.firstIndex(where: { $0.nodePort != 0 }) {
            throw FieldProblem(
                Field.ports.entry(index, "nodePort"), "needs type NodePort or LoadBalancer, which is \(type.rawValue)")
        }
        if ports.count > 1 { try checkUnique() }
        guard healthCheckNodePort != 0,
            let index = ports.firstIndex(where: { $0.nodePort == healthCheckNodePort })
        else { return }
        throw FieldProblem(
            Field.healthCheckNodePort,
            "\(healthCheckNodePort) is taken by the nodePort of spec.ports[\(index)]")
    }

    private func checkUnique() throws(FieldProblem) {
        var names: [String: Int] = [:]
        var fronts: [ProtocolPort: Int] = [:]
        var nodePorts: [ProtocolPort: Int] = [:]
        for (index, port) in ports.enumerated() {
            if port.name.isEmpty {
                throw FieldProblem(Field.ports.entry(index, "name"), "is missing; each of several ports needs a name")
            }
            if let other = names.updateValue(index, forKey: port.name) {
                throw FieldProblem(
                    Field.ports.entry(index, "name"), "\(port.name.quoted) is the name of spec.ports[\(other)]")
            }
            let front = ProtocolPort(port: port.port, transport: port.transport)
            if let other = fronts.updateValue(index, forKey: front) {
                throw FieldProblem(Field.ports.entry(index, "port"), "\(front) is taken by spec.ports[\(other)]")
            }
            let nodePort = ProtocolPort(port: port.nodePort, transport: port.transport)
            if port.nodePort != 0, let other = nodePorts.updateValue(index, forKey: nodePort) {
                throw FieldProblem(Field.ports.entry(index, "nodePort"), "\(nodePort) is taken by spec.ports[\(other)]")
            }
        }
    }

    /// What is doubtful about the Service.
    ///
    /// - Parameter setsExternalPolicy: Whether `spec.externalTrafficPolicy` is there.
    package func notes(setsExternalPolicy: Bool) -> [FieldNote] {
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
