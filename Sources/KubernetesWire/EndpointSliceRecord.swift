import KubernetesModel
import NetworkTypes

/// The fields of `discovery/v1.EndpointSlice`.
struct EndpointSliceRecord: ObjectRecord {
    var metadata = MetadataRecord()
    private var addressType = ""
    private var ports: [EndpointPortRecord] = []
    /// Endpoints with their first address, if it could be parsed.
    private var endpoints: [Endpoint] = []
    /// The first endpoint whose address could not be parsed. A slice of names (`FQDN`) may have any.
    private var problem: FieldProblem?

    /// Stands for an address that is missing or is none; whoever sees it has seen `problem`.
    private static let noAddress = IPAddress.v4(IPv4Address(rawValue: 0))

    init() {}

    mutating func read(_ object: Bytes, _ pool: inout TextPool) throws(WireError) {
        endpoints.reserveCapacity(try Self.endpointCount(object))
        var reader = WireReader(object)
        while try reader.advance() {
            switch reader.field {
            case 1: try metadata.read(reader.bytes())
            case 2: try readEndpoint(reader.bytes(), &pool)
            case 3: ports.append(try EndpointPortRecord(reader.bytes(), &pool))
            case 4: addressType = try reader.text()
            default: break
            }
        }
    }

    private static func endpointCount(_ object: Bytes) throws(WireError) -> Int {
        var count = 0
        var reader = WireReader(object)
        while try reader.advance(to: 2) { count += 1 }
        return count
    }

    private mutating func readEndpoint(_ message: Bytes, _ pool: inout TextPool) throws(WireError) {
        var endpoint = Endpoint(address: Self.noAddress)
        var address: Bytes?
        var reader = WireReader(message)
        while try reader.advance() {
            switch reader.field {
            case 1:
                // The API says that consumers take the first address only.
                let bytes = try reader.bytes()
                if address == nil { address = bytes }
            case 2: try Self.readConditions(reader.bytes(), of: &endpoint)
            case 6: endpoint.nodeName = pool.text(try reader.bytes())
            case 7: endpoint.zone = pool.text(try reader.bytes())
            case 8:
                let hints = try pool.hints(reader.bytes())
                if let earlier = endpoint.hints {
                    endpoint.hints = Endpoint.Hints(
                        zones: earlier.zones + hints.zones, nodes: earlier.nodes + hints.nodes)
                } else {
                    endpoint.hints = hints
                }
            default: break
            }
        }
        if let address, let parsed = IPAddress(utf8: address) {
            endpoint.address = parsed
        } else if problem == nil {
            problem = Self.problem(of: address, endpoints.count)
        }
        endpoints.append(endpoint)
    }

    private static func readConditions(_ message: Bytes, of endpoint: inout Endpoint) throws(WireError) {
        var reader = WireReader(message)
        while try reader.advance() {
            switch reader.field {
            case 1: endpoint.isReady = try reader.boolean()
            case 2: endpoint.isServing = try reader.boolean()
            case 3: endpoint.isTerminating = try reader.boolean()
            default: break
            }
        }
    }

    private static func problem(of address: Bytes?, _ index: Int) -> FieldProblem {
        let field = FieldPath("endpoints").entry(index, "addresses")
        guard let address else { return FieldProblem(field, "must have an address") }
        return FieldProblem(field.entry(0), FieldRule.notAnAddress(address.text))
    }

    func object(_ key: ObjectKey) throws(FieldProblem) -> (ClusterObject, [FieldNote]) {
        var slice = EndpointSlice(key: key)
        slice.isHeadless = metadata.isHeadless
        slice.lastChangeTriggerTime = metadata.lastChangeTrigger.flatMap(Timestamp.nanoseconds)
        if let name = metadata.serviceName, !name.isEmpty { slice.serviceName = name.text }
        guard
            let type = try FieldRule.choice(
                addressType, EndpointSlice.AddressType.self, at: FieldPath("addressType"))
        else { throw FieldProblem(FieldPath("addressType"), "is missing") }
        slice.addressFamily = type.family
        for (index, port) in ports.enumerated() {
            slice.ports.append(try port.port(at: FieldPath("ports").entry(index)))
        }
        try slice.checkPorts()
        if let family = type.family {
            if let problem { throw problem }
            for (index, endpoint) in endpoints.enumerated() {
                try FieldRule.checkEndpointAddress(
                    endpoint.address, of: family, at: FieldPath("endpoints").entry(index, "addresses").entry(0))
            }
            slice.endpoints = endpoints
        }
        return (.endpointSlice(slice), slice.notes)
    }
}

/// The fields of `discovery/v1.EndpointPort`.
private struct EndpointPortRecord {
    var name = ""
    var transport = ""
    var port: Int?

    init(_ message: Bytes, _ pool: inout TextPool) throws(WireError) {
        var reader = WireReader(message)
        while try reader.advance() {
            switch reader.field {
            case 1: name = pool.text(try reader.bytes())
            case 2: transport = try reader.text()
            case 3: port = try reader.int32()
            default: break
            }
        }
    }

    func port(at path: @autoclosure () -> FieldPath) throws(FieldProblem) -> EndpointPort {
        if !name.isEmpty { try NameRule.label.check(name, at: path().field("name")) }
        let transport = try FieldRule.transport(transport, at: path().field("protocol"))
        var result = EndpointPort(name: name, transport: transport, port: nil)
        if let port { result.port = try FieldRule.port(port, at: path().field("port")) }
        return result
    }
}
