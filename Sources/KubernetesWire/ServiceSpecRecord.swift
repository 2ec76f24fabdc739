import KubernetesModel
import NetworkTypes

/// The fields of `core/v1.ServiceSpec`.
struct ServiceSpecRecord {
    /// The fields that rules apply to.
    private(set) var fields = ServiceFields()
    private(set) var publishNotReadyAddresses = false
    private(set) var trafficDistribution: String?
    /// The fields that only advice reads.
    private(set) var details = ServiceDetails()

    mutating func read(_ message: Bytes, _ pool: inout TextPool) throws(WireError) {
        var reader = WireReader(message)
        while try reader.advance() {
            switch reader.field {
            case 1: fields.ports.append(try Self.port(reader.bytes(), &pool))
            case 3: fields.clusterIP = try reader.text()
            case 4: fields.type = try reader.text()
            case 5: fields.externalIPs.append(try reader.text())
            case 7: fields.sessionAffinity = try reader.text()
            case 9: fields.sourceRanges.append(try reader.text())
            case 11: fields.externalTrafficPolicy = try reader.text()
            case 12: fields.healthCheckNodePort = try reader.int32()
            case 13: publishNotReadyAddresses = try reader.boolean()
            case 14: try readAffinity(reader.bytes())
            case 18: fields.clusterIPs.append(try reader.text())
            case 20: details.allocatesNodePorts = try reader.boolean()
            case 21: details.loadBalancerClass = try reader.text()
            case 22: fields.internalTrafficPolicy = try reader.text()
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
            while try clientIP.advance(to: 1) { fields.affinityTimeout = try clientIP.int32() }
        }
    }

    /// Reads a `core/v1.ServicePort`. Its `targetPort` is for who makes EndpointSlices.
    private static func port(_ message: Bytes, _ pool: inout TextPool) throws(WireError) -> ServiceFields.Port {
        var port = ServiceFields.Port()
        var reader = WireReader(message)
        while try reader.advance() {
            switch reader.field {
            case 1: port.name = pool.text(try reader.bytes())
            case 2: port.transport = try reader.text()
            case 3: port.port = try reader.int32()
            case 5: port.nodePort = try reader.int32()
            default: break
            }
        }
        return port
    }
}
