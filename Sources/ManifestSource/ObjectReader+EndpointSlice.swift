import KubernetesModel
import NetworkTypes

extension ObjectReader {
    /// Reads an EndpointSlice (`discovery.k8s.io/v1`).
    mutating func endpointSlice(_ key: ObjectKey, _ metadata: ManifestNode) throws(FieldError) -> EndpointSlice {
        var slice = EndpointSlice(key: key)
        let labels = try metadata.map("labels")
        slice.isHeadless = labels?[MetadataKey.headless] != nil
        slice.serviceName = try labels?.string(MetadataKey.serviceName)
        if slice.serviceName?.isEmpty == true { slice.serviceName = nil }
        if let node = metadata["annotations"], node.kind == .map, let time = node[MetadataKey.lastChangeTrigger],
            time.kind == .scalar
        {
            // What is no time there is as good as nothing: it is for a metric only.
            slice.lastChangeTriggerTime = Timestamp.nanoseconds(time.bytes)
        }
        guard let type = try root.choice("addressType", EndpointSlice.AddressType.self) else {
            throw FieldError(node: root, missing: "addressType", message: "is missing")
        }
        slice.addressFamily = type.family
        slice.ports = try endpointPorts()
        try checked(slice.checkPorts())
        if let family = type.family {
            slice.endpoints.reserveCapacity(root["endpoints"]?.count ?? 0)
            for node in try root.list("endpoints") { slice.endpoints.append(try endpoint(node, family)) }
        }
        note(slice.notes)
        return slice
    }

    private func endpoint(_ node: ManifestNode, _ family: IPFamily) throws(FieldError) -> Endpoint {
        let addresses = try node.asMap().required("addresses")
        guard addresses.kind == .sequence else { throw addresses.wrongType("a list") }
        // The API says that consumers take the first address only.
        guard let first = addresses.elements.first(where: { _ in true }) else {
            throw addresses.error("must have an address")
        }
        let address = try first.asAddress()
        try first.checked(FieldRule.checkEndpointAddress(address, of: family))
        var endpoint = Endpoint(address: address)
        if let conditions = try node.map("conditions") {
            endpoint.isReady = try conditions.boolean("ready") ?? true
            endpoint.isServing = try conditions.boolean("serving") ?? true
            endpoint.isTerminating = try conditions.boolean("terminating") ?? false
        }
        endpoint.nodeName = try node.string("nodeName", context)
        endpoint.zone = try node.string("zone", context)
        endpoint.hints = try hints(node)
        return endpoint
    }

    private func hints(_ node: ManifestNode) throws(FieldError) -> Endpoint.Hints? {
        guard let map = try node.map("hints") else { return nil }
        var hints = Endpoint.Hints()
        for entry in try map.list("forZones") {
            hints.zones.append(try entry.asMap().required("name").asString(context))
        }
        for entry in try map.list("forNodes") {
            hints.nodes.append(try entry.asMap().required("name").asString(context))
        }
        return context.shared(hints)
    }
}
