import KubernetesModel
import NetworkTypes

extension ObjectReader {
    /// Reads a Node.
    func node(_ name: String, _ metadata: ManifestNode) throws(FieldError) -> Node {
        var node = Node(name: name)
        node.isBeingDeleted = metadata["deletionTimestamp"] != nil
        node.zone = try metadata.map("labels")?.string(MetadataKey.zone)
        if let spec = try root.map("spec") {
            for block in try spec.list("podCIDRs") { node.podCIDRs.append(try block.asCIDR()) }
            if node.podCIDRs.isEmpty, let single = spec["podCIDR"], !single.equals("") {
                node.podCIDRs = [try single.asCIDR()]
            }
            for taint in try spec.list("taints") { node.taints.append(try taint.asMap().required("key").asString()) }
        }
        for entry in try root.map("status")?.list("addresses") ?? root.noElements {
            let type = try entry.asMap().required("type")
            if type.equals("InternalIP") {
                node.internalIPs.append(try entry.required("address").asAddress())
            } else if type.equals("ExternalIP") {
                node.externalIPs.append(try entry.required("address").asAddress())
            }
        }
        if context.readsDetails { node.details = .read(nodeDetails(metadata)) }
        return node
    }

    /// Reads a ServiceCIDR.
    func serviceCIDR(_ name: String) throws(FieldError) -> ServiceCIDR {
        let list = try root.required("spec").asMap().required("cidrs")
        guard list.kind == .sequence else { throw list.wrongType("a list") }
        var texts: [String] = []
        for node in list.elements { texts.append(try node.asString()) }
        return try checked(ServiceCIDR(name: name, texts: texts))
    }
}
