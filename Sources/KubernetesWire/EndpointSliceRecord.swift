import KubernetesModel
import NetworkTypes

/// The fields of `discovery/v1.EndpointSlice`.
struct EndpointSliceRecord: ObjectRecord {
    var metadata = MetadataRecord()
    private var addressType = ""
    private var ports: [EndpointSlice.PortFields] = []
    /// Endpoints with their first address, or the unspecified one if it could not be parsed.
    private var endpoints: [Endpoint] = []
    /// The first addresses that say more than what they were parsed to, by the position of their endpoint: those that could not be
    /// parsed (nil: there is none), and those of a legacy spelling. A slice of names (`FQDN`) may have any.
    private var texts: [Int: Bytes?] = [:]

    private static let noAddress = IPAddress.v4(IPv4Address(rawValue: 0))

    init() {}

    mutating func read(_ object: Bytes, _ pool: inout TextPool) throws(WireError) {
        endpoints.reserveCapacity(try Self.endpointCount(object))
        var reader = WireReader(object)
        while try reader.advance() {
            switch reader.field {
            case 1: try metadata.read(reader.bytes())
            case 2: try readEndpoint(reader.bytes(), &pool)
            case 3: ports.append(try Self.port(reader.bytes(), &pool))
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
        var fields = EndpointFields(family: .ipv4)
        var text: Bytes?
        var reader = WireReader(message)
        while try reader.advance() {
            switch reader.field {
            case 1:
                // The API says that consumers take the first address only.
                let bytes = try reader.bytes()
                if text == nil { text = bytes }
            case 2: try Self.readConditions(reader.bytes(), of: &fields)
            case 6: fields.nodeName = pool.text(try reader.bytes())
            case 7: fields.zone = pool.text(try reader.bytes())
            case 8:
                let hints = try pool.hints(reader.bytes())
                if let earlier = fields.hints {
                    fields.hints = Endpoint.Hints(
                        zones: earlier.zones + hints.zones, nodes: earlier.nodes + hints.nodes)
                } else {
                    fields.hints = hints
                }
            default: break
            }
        }
        var address = Self.noAddress
        if let text, let parsed = IPAddress(utf8: text) {
            address = parsed
            if IPAddress.isLegacySpelling(utf8: text) { texts[endpoints.count] = text }
        } else {
            texts[endpoints.count] = .some(text)
        }
        endpoints.append(pool.endpoints.endpoint(address, fields))
    }

    private static func readConditions(_ message: Bytes, of fields: inout EndpointFields) throws(WireError) {
        var reader = WireReader(message)
        while try reader.advance() {
            switch reader.field {
            case 1: fields.isReady = try reader.boolean()
            case 2: fields.isServing = try reader.boolean()
            case 3: fields.isTerminating = try reader.boolean()
            default: break
            }
        }
    }

    func object(_ key: ObjectKey) throws(FieldProblem) -> (ClusterObject, [FieldNote]) {
        var slice = EndpointSlice(key: key)
        var notes = FieldNotes()
        slice.isHeadless = metadata.isHeadless
        slice.isOfOtherProxy = metadata.serviceProxyName != nil
        slice.lastChangeTriggerTime = metadata.lastChangeTrigger.flatMap(Timestamp.nanoseconds)
        if let weight = metadata.weight { slice.setWeight(weight.text, &notes) }
        if let name = metadata.serviceName, !name.isEmpty { slice.serviceName = name.text }
        try slice.setAddressType(addressType, &notes)
        slice.setPorts(ports, &notes)
        if slice.addressFamily != nil { setEndpoints(of: &slice, &notes) }
        notes.add(slice.notes)
        return (.endpointSlice(slice), notes.all)
    }

    private func setEndpoints(of slice: inout EndpointSlice, _ notes: inout FieldNotes) {
        guard texts.isEmpty, endpoints.allSatisfy({ slice.canHave($0.address) }) else {
            slice.endpoints.reserveCapacity(endpoints.count)
            for (index, endpoint) in endpoints.enumerated() {
                let text = texts[index].map { $0?.text } ?? "\(endpoint.address)"
                if slice.accepts(endpoint.address, spelled: text, index, &notes) { slice.endpoints.append(endpoint) }
            }
            return
        }
        slice.endpoints = endpoints
    }

    /// Reads a `discovery/v1.EndpointPort`.
    private static func port(_ message: Bytes, _ pool: inout TextPool) throws(WireError) -> EndpointSlice.PortFields {
        var port: EndpointSlice.PortFields = ("", "", nil)
        var reader = WireReader(message)
        while try reader.advance() {
            switch reader.field {
            case 1: port.name = pool.text(try reader.bytes())
            case 2: port.transport = try reader.text()
            case 3: port.port = try reader.int32()
            default: break
            }
        }
        return port
    }
}
