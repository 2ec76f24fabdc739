import KubernetesModel

/// What only advice reads. A value of the wrong type is passed over: it must not cost the object, which others use.
extension ObjectReader {
    /// Reads the details of a Service.
    func serviceDetails(_ metadata: ManifestNode, _ spec: ManifestNode) -> ServiceDetails {
        var details = ServiceDetails()
        details.labels = texts(metadata["labels"])
        details.annotations = texts(metadata["annotations"])
        details.annotations["\(MetadataKey.lastApplied)"] = nil
        details.loadBalancerClass = try? spec.string("loadBalancerClass", context)
        details.allocatesNodePorts = (try? spec.boolean("allocateLoadBalancerNodePorts")) ?? true
        for entry in root["status"]?["loadBalancer"]?["ingress"]?.elements ?? root.noElements {
            if let name = try? entry.string("hostname"), !name.isEmpty { details.ingressHostnames.append(name) }
        }
        return details
    }

    /// Reads the details of a Node.
    func nodeDetails(_ metadata: ManifestNode) -> NodeDetails {
        var details = NodeDetails()
        details.labels = texts(metadata["labels"])
        if let id = try? root["spec"]?.string("providerID"), !id.isEmpty { details.providerID = id }
        details.isUnschedulable = (try? root["spec"]?.boolean("unschedulable")) ?? false
        return details
    }

    /// The entries of a map whose values are strings.
    private func texts(_ map: ManifestNode?) -> [String: String] {
        var result: [String: String] = [:]
        guard let map else { return result }
        for key in map.keys {
            if let value = try? key.following.asString(context) { result[key.text] = value }
        }
        return result
    }
}
