import KubernetesModel
import ManifestSource
import WireTestKit

/// Turns manifests into what an API server sends of them: texts and numbers as they stand, without a look at what they say.
enum WireForm {
    /// The items of a text, by kind, in their order.
    static func items(_ text: String) throws -> [ObjectID.Kind: [ProtobufMessage]] {
        guard let arena = ManifestArena() else { return [:] }
        var text = text
        var items: [ObjectID.Kind: [ProtobufMessage]] = [:]
        try text.withUTF8 { bytes in
            try arena.parse(UnsafeRawBufferPointer(bytes)) { roots in
                for root in roots where root.kind == .map {
                    guard let kind = root["kind"].flatMap({ ObjectID.Kind(rawValue: $0.text) }) else { continue }
                    items[kind, default: []].append(object(root, kind))
                }
            }
        }
        return items
    }

    private static func object(_ root: ManifestNode, _ kind: ObjectID.Kind) -> ProtobufMessage {
        var message = ProtobufMessage()
        message.message(1, metadata(root["metadata"], isNamespaced: kind == .service || kind == .endpointSlice))
        switch kind {
        case .service: service(root, &message)
        case .endpointSlice: slice(root, &message)
        case .node: node(root, &message)
        case .serviceCIDR: if let spec = root["spec"] { message.message(2) { $0.list(1, spec, "cidrs") } }
        }
        return message
    }

    private static func metadata(_ node: ManifestNode?, isNamespaced: Bool) -> ProtobufMessage {
        ProtobufMessage {
            guard let node else { return }
            $0.scalar(1, node, "name")
            if isNamespaced { $0.text(3, node["namespace"]?.text ?? "default") }
            $0.text(6, "1")
            // API servers keep times in UTC.
            if let created = node["creationTimestamp"].flatMap({ Timestamp.canonical($0.text) }) {
                $0.time(8, EncodedMetadata.seconds(created))
            }
            if node["deletionTimestamp"] != nil { $0.time(9, 1_700_000_000) }
            $0.map(11, entries(node["labels"]))
            $0.map(12, entries(node["annotations"]))
        }
    }

    private static func entries(_ node: ManifestNode?) -> [String: String] {
        var result: [String: String] = [:]
        guard let node else { return result }
        for key in node.keys { result[key.text] = key.following.text }
        return result
    }

    private static func service(_ root: ManifestNode, _ message: inout ProtobufMessage) {
        if let spec = root["spec"] {
            message.message(2) {
                for port in spec.entries("ports") {
                    $0.message(1) {
                        $0.scalar(1, port, "name")
                        $0.scalar(2, port, "protocol")
                        $0.number(3, port, "port")
                        $0.number(5, port, "nodePort")
                    }
                }
                $0.scalar(3, spec, "clusterIP")
                $0.scalar(4, spec, "type")
                $0.list(5, spec, "externalIPs")
                $0.scalar(7, spec, "sessionAffinity")
                $0.list(9, spec, "loadBalancerSourceRanges")
                $0.scalar(11, spec, "externalTrafficPolicy")
                $0.number(12, spec, "healthCheckNodePort")
                $0.boolean(13, spec, "publishNotReadyAddresses")
                if let client = spec["sessionAffinityConfig"]?["clientIP"] {
                    $0.message(14) { $0.message(1) { $0.number(1, client, "timeoutSeconds") } }
                }
                $0.list(18, spec, "clusterIPs")
                $0.boolean(20, spec, "allocateLoadBalancerNodePorts")
                $0.scalar(21, spec, "loadBalancerClass")
                $0.scalar(22, spec, "internalTrafficPolicy")
                $0.scalar(23, spec, "trafficDistribution")
            }
        }
        guard let balancer = root["status"]?["loadBalancer"] else { return }
        message.message(3) {
            $0.message(1) {
                for entry in balancer.entries("ingress") {
                    $0.message(1) {
                        $0.scalar(1, entry, "ip")
                        $0.scalar(2, entry, "hostname")
                        $0.scalar(3, entry, "ipMode")
                    }
                }
            }
        }
    }

    private static func slice(_ root: ManifestNode, _ message: inout ProtobufMessage) {
        for endpoint in root.entries("endpoints") {
            message.message(2) {
                $0.list(1, endpoint, "addresses")
                if let conditions = endpoint["conditions"] {
                    $0.message(2) {
                        $0.boolean(1, conditions, "ready")
                        $0.boolean(2, conditions, "serving")
                        $0.boolean(3, conditions, "terminating")
                    }
                }
                $0.scalar(6, endpoint, "nodeName")
                $0.scalar(7, endpoint, "zone")
                guard let hints = endpoint["hints"] else { return }
                $0.message(8) {
                    for zone in hints.entries("forZones") { $0.message(1) { $0.scalar(1, zone, "name") } }
                    for node in hints.entries("forNodes") { $0.message(2) { $0.scalar(1, node, "name") } }
                }
            }
        }
        for port in root.entries("ports") {
            message.message(3) {
                $0.scalar(1, port, "name")
                $0.scalar(2, port, "protocol")
                $0.number(3, port, "port")
            }
        }
        message.scalar(4, root, "addressType")
    }

    private static func node(_ root: ManifestNode, _ message: inout ProtobufMessage) {
        if let spec = root["spec"] {
            message.message(2) {
                $0.scalar(1, spec, "podCIDR")
                $0.scalar(3, spec, "providerID")
                $0.boolean(4, spec, "unschedulable")
                for taint in spec.entries("taints") {
                    $0.message(5) {
                        $0.scalar(1, taint, "key")
                        $0.text(2, taint["value"]?.text ?? "")
                    }
                }
                $0.list(7, spec, "podCIDRs")
            }
        }
        guard let status = root["status"] else { return }
        message.message(3) {
            for address in status.entries("addresses") {
                $0.message(5) {
                    $0.scalar(1, address, "type")
                    $0.scalar(2, address, "address")
                }
            }
        }
    }
}

extension ManifestNode {
    /// The entries of a list; none if it is absent.
    fileprivate func entries(_ key: StaticString) -> [ManifestNode] { self[key].map { Array($0.elements) } ?? [] }
}

extension ProtobufMessage {
    /// Adds the scalar under a key as a `string`, if it is there and not null.
    fileprivate mutating func scalar(_ field: Int, _ node: ManifestNode, _ key: StaticString) {
        if let value = node[key], !value.isNull { text(field, value.text) }
    }

    /// Adds the scalar under a key as an `int32`, if it is there and a number.
    fileprivate mutating func number(_ field: Int, _ node: ManifestNode, _ key: StaticString) {
        if let value = node[key].flatMap({ Int($0.text) }) { integer(field, value) }
    }

    /// Adds the scalar under a key as a `bool`, if it is there.
    fileprivate mutating func boolean(_ field: Int, _ node: ManifestNode, _ key: StaticString) {
        if let value = node[key], !value.isNull { boolean(field, value.text == "true") }
    }

    /// Adds the list under a key as `repeated string`.
    fileprivate mutating func list(_ field: Int, _ node: ManifestNode, _ key: StaticString) {
        texts(field, node.entries(key).map(\.text))
    }
}
