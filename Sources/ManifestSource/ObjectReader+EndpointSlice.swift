import KubernetesModel
import NetworkTypes

extension ObjectReader {
    /// Reads an EndpointSlice (`discovery.k8s.io/v1`).
    mutating func endpointSlice(_ key: ObjectKey, _ metadata: ManifestNode) throws(FieldError) -> EndpointSlice {
        var slice = EndpointSlice(key: key)
        let labels = try metadata.map("labels")
        slice.isHeadless = labels?[MetadataKey.headless] != nil
        slice.isOfOtherProxy = labels?[MetadataKey.serviceProxyName] != nil
        slice.serviceName = try labels?.string(MetadataKey.serviceName, context)
        if slice.serviceName?.isEmpty == true { slice.serviceName = nil }
        var notes = FieldNotes()
        if let annotations = metadata["annotations"], annotations.kind == .map {
            // What is no time there is as good as nothing: it is for a metric only.
            if let time = annotations[MetadataKey.lastChangeTrigger], time.kind == .scalar {
                slice.lastChangeTriggerTime = Timestamp.nanoseconds(time.bytes)
            }
            if let weight = annotations[MetadataKey.weight] { slice.setWeight(try? weight.asString(), &notes) }
        }
        let type = try root.string("addressType") ?? ""
        try taken(&notes) { notes throws(FieldProblem) in try slice.setAddressType(type, &notes) }
        slice.setPorts(try endpointPorts(), &notes)
        if slice.addressFamily != nil {
            slice.endpoints.reserveCapacity(root["endpoints"]?.count ?? 0)
            for (index, node) in try root.list("endpoints").enumerated() {
                if let endpoint = try endpoint(node, of: slice, index, &notes) { slice.endpoints.append(endpoint) }
            }
        }
        notes.add(slice.notes)
        note(notes.all)
        return slice
    }

    /// Reads an entry of `endpoints`; nil if it cannot be used and is left out.
    private func endpoint(
        _ node: ManifestNode, of slice: EndpointSlice, _ index: Int, _ notes: inout FieldNotes
    ) throws(FieldError) -> Endpoint? {
        let addresses = try node.asMap().list("addresses")
        // The API says that consumers take the first address only.
        var text: String?
        if let first = addresses.first(where: { _ in true }) { text = try first.asString() }
        let address = text.flatMap { IPAddress($0) }
        guard let address, let text, slice.canHave(address), !IPAddress.isLegacySpelling(text) else {
            guard let address, slice.accepts(address, spelled: text, index, &notes) else {
                if address == nil { _ = slice.accepts(Self.noAddress, spelled: text, index, &notes) }
                return nil
            }
            return try endpoint(node, at: address)
        }
        return try endpoint(node, at: address)
    }

    private static let noAddress = IPAddress.v4(IPv4Address(rawValue: 0))

    private func endpoint(_ node: ManifestNode, at address: IPAddress) throws(FieldError) -> Endpoint {
        var fields = EndpointFields(family: address.family)
        if let conditions = try node.map("conditions") {
            fields.isReady = try conditions.boolean("ready") ?? true
            fields.isServing = try conditions.boolean("serving") ?? true
            fields.isTerminating = try conditions.boolean("terminating") ?? false
        }
        fields.nodeName = try node.string("nodeName", context)
        fields.zone = try node.string("zone", context)
        fields.hints = try hints(node)
        return context.endpoints.endpoint(address, fields)
    }

    private func hints(_ node: ManifestNode) throws(FieldError) -> Endpoint.Hints? {
        guard let map = try node.map("hints") else { return nil }
        var hints = Endpoint.Hints()
        for entry in try map.list("forZones") {
            hints.zones.append(try entry.asMap().string("name", context) ?? "")
        }
        for entry in try map.list("forNodes") {
            hints.nodes.append(try entry.asMap().string("name", context) ?? "")
        }
        return context.shared(hints)
    }
}
