import KubernetesModel
import NetworkTypes

/// The fields of `core/v1.ServiceSpec`.
struct ServiceSpecRecord {
    private(set) var externalTrafficPolicy = ""
    private var ports: [ServicePortRecord] = []
    private var clusterIP = ""
    private var clusterIPs: [String] = []
    private var type = ""
    private var externalIPs: [String] = []
    private var sessionAffinity = ""
    private var affinityTimeout: Int?
    private var sourceRanges: [String] = []
    private var internalTrafficPolicy = ""
    private var healthCheckNodePort = 0
    private var publishNotReadyAddresses = false
    private var trafficDistribution: String?
    /// The fields that only advice reads.
    private(set) var details = ServiceDetails()

    mutating func read(_ message: Bytes, _ pool: inout TextPool) throws(WireError) {
        var reader = WireReader(message)
        while try reader.advance() {
            switch reader.field {
            case 1: ports.append(try ServicePortRecord(reader.bytes(), &pool))
            case 3: clusterIP = try reader.text()
            case 4: type = try reader.text()
            case 5: externalIPs.append(try reader.text())
            case 7: sessionAffinity = try reader.text()
            case 9: sourceRanges.append(try reader.text())
            case 11: externalTrafficPolicy = try reader.text()
            case 12: healthCheckNodePort = try reader.int32()
            case 13: publishNotReadyAddresses = try reader.boolean()
            case 14: try readAffinity(reader.bytes())
            case 18: clusterIPs.append(try reader.text())
            case 20: details.allocatesNodePorts = try reader.boolean()
            case 21: details.loadBalancerClass = try reader.text()
            case 22: internalTrafficPolicy = try reader.text()
            case 23: trafficDistribution = pool.text(try reader.bytes())
            default: break
            }
        }
    }

    /// Reads `sessionAffinityConfig.clientIP.timeoutSeconds`.
    private mutating func readAffinity(_ message: Bytes) throws(WireError) {
        var config = WireReader(message)
        while try config.advance(to: 1) {
            var clientIP = WireReader(try config.bytes())
            while try clientIP.advance(to: 1) { affinityTimeout = try clientIP.int32() }
        }
    }

    /// Applies the rules in the order in which `ManifestSource` does, so that both report the same problem.
    func apply(to service: inout Service) throws(FieldProblem) {
        service.type = try FieldRule.choice(type, at: FieldPath("spec", "type")) ?? .clusterIP
        try service.setClusterIPs(clusterIPs, single: clusterIP)
        for (index, text) in externalIPs.enumerated() {
            service.externalIPs.append(
                try FieldRule.serviceAddress(text, at: FieldPath("spec", "externalIPs").entry(index)))
        }
        for (index, port) in ports.enumerated() {
            service.ports.append(try port.port(at: FieldPath("spec", "ports").entry(index)))
        }
        service.externalTrafficPolicy =
            try FieldRule.choice(externalTrafficPolicy, at: FieldPath("spec", "externalTrafficPolicy")) ?? .cluster
        service.internalTrafficPolicy =
            try FieldRule.choice(internalTrafficPolicy, at: FieldPath("spec", "internalTrafficPolicy")) ?? .cluster
        service.sessionAffinity = try affinity()
        service.healthCheckNodePort = try FieldRule.port(
            healthCheckNodePort, from: 0, at: FieldPath("spec", "healthCheckNodePort"))
        try service.checkPorts()
        for (index, text) in sourceRanges.enumerated() {
            service.loadBalancerSourceRanges.append(
                try FieldRule.block(text, at: FieldPath("spec", "loadBalancerSourceRanges").entry(index)))
        }
        service.publishNotReadyAddresses = publishNotReadyAddresses
        service.trafficDistribution = trafficDistribution
    }

    private func affinity() throws(FieldProblem) -> Service.SessionAffinity {
        var timeout: Int?
        if let affinityTimeout {
            timeout = try FieldRule.number(
                affinityTimeout, in: Service.affinityTimeouts,
                at: FieldPath("spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds"))
        }
        let type = try FieldRule.choice(
            sessionAffinity, Service.AffinityType.self, at: FieldPath("spec", "sessionAffinity"))
        return (type ?? .none).affinity(timeoutSeconds: timeout)
    }
}

/// The fields of `core/v1.ServicePort`. Its `targetPort` is for who makes EndpointSlices.
private struct ServicePortRecord {
    var name = ""
    var transport = ""
    var port = 0
    var nodePort = 0

    init(_ message: Bytes, _ pool: inout TextPool) throws(WireError) {
        var reader = WireReader(message)
        while try reader.advance() {
            switch reader.field {
            case 1: name = pool.text(try reader.bytes())
            case 2: transport = try reader.text()
            case 3: port = try reader.int32()
            case 5: nodePort = try reader.int32()
            default: break
            }
        }
    }

    func port(at path: @autoclosure () -> FieldPath) throws(FieldProblem) -> ServicePort {
        let transport = try FieldRule.transport(transport, at: path().field("protocol"))
        let port = try FieldRule.port(port, at: path().field("port"))
        let nodePort = try FieldRule.port(nodePort, from: 0, at: path().field("nodePort"))
        if !name.isEmpty { try NameRule.label.check(name, at: path().field("name")) }
        return ServicePort(name: name, transport: transport, port: port, nodePort: nodePort)
    }
}
