import KubernetesModel
import NetworkTypes

/// When what the slice tells of happened. What is no time there is as good as nothing: it is for a metric only.
private let triggerAnnotation: StaticString = "endpoints.kubernetes.io/last-change-trigger-time"

extension ObjectReader {
    private enum AddressType: String, CaseIterable {
        case ipv4 = "IPv4"
        case ipv6 = "IPv6"
        case fqdn = "FQDN"

        var family: IPFamily? {
            switch self {
            case .ipv4: .ipv4
            case .ipv6: .ipv6
            case .fqdn: nil
            }
        }
    }

    /// Reads an EndpointSlice (`discovery.k8s.io/v1`).
    mutating func endpointSlice(_ key: ObjectKey, _ metadata: ManifestNode) throws(FieldError) -> EndpointSlice {
        var slice = EndpointSlice(key: key)
        let labels = try metadata.map("labels")
        slice.isHeadless = labels?["service.kubernetes.io/headless"] != nil
        slice.serviceName = try labels?.string("kubernetes.io/service-name")
        if let node = metadata["annotations"], node.kind == .map, let time = node[triggerAnnotation],
            time.kind == .scalar
        {
            slice.lastChangeTriggerTime = Timestamp.nanoseconds(time.bytes)
        }
        guard let type = try root.choice("addressType", AddressType.self) else {
            throw FieldError(node: root, missing: "addressType", message: "is missing")
        }
        slice.addressFamily = type.family
        slice.ports = try endpointPorts()
        if let family = type.family {
            slice.endpoints.reserveCapacity(root["endpoints"]?.count ?? 0)
            for node in try root.list("endpoints") { slice.endpoints.append(try endpoint(node, family)) }
        }
        if slice.serviceName?.isEmpty != false {
            slice.serviceName = nil
            note(
                .info, "slice-without-service", at: labels ?? metadata,
                "has no label kubernetes.io/service-name and so belongs to no Service")
        }
        return slice
    }

    private func endpoint(_ node: ManifestNode, _ family: IPFamily) throws(FieldError) -> Endpoint {
        let addresses = try node.asMap().required("addresses")
        guard addresses.kind == .sequence else { throw addresses.wrongType("a list") }
        // The API says that consumers take the first address only.
        guard let first = addresses.elements.first(where: { _ in true }) else {
            throw addresses.error("must have an address")
        }
        let address = try first.asServiceAddress()
        guard address.family == family else {
            throw first.error("\(address) is not of the slice's addressType \(family)")
        }
        var endpoint = Endpoint(address: address)
        if let conditions = try node.map("conditions") {
            endpoint.isReady = try conditions.boolean("ready") ?? true
            endpoint.isServing = try conditions.boolean("serving") ?? true
            endpoint.isTerminating = try conditions.boolean("terminating") ?? false
        }
        endpoint.nodeName = try node.string("nodeName", context.strings)
        endpoint.zone = try node.string("zone", context.strings)
        endpoint.hints = try hints(node)
        return endpoint
    }

    private func hints(_ node: ManifestNode) throws(FieldError) -> Endpoint.Hints? {
        guard let map = try node.map("hints") else { return nil }
        var hints = Endpoint.Hints()
        for entry in try map.list("forZones") {
            hints.zones.append(try entry.asMap().required("name").asString(context.strings))
        }
        for entry in try map.list("forNodes") {
            hints.nodes.append(try entry.asMap().required("name").asString(context.strings))
        }
        return context.shared(hints)
    }
}
