import KubernetesModel
import NetworkTypes

extension ObjectReader {
    /// Reads a Node.
    func node(_ name: String, _ metadata: ManifestNode) throws(FieldError) -> Node {
        var node = Node(name: name)
        node.isBeingDeleted = metadata["deletionTimestamp"] != nil
        node.zone = try metadata.map("labels")?.string("topology.kubernetes.io/zone")
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
        return node
    }

    /// Reads a ServiceCIDR.
    func serviceCIDR(_ name: String) throws(FieldError) -> ServiceCIDR {
        let list = try root.required("spec").asMap().required("cidrs")
        guard list.kind == .sequence else { throw list.wrongType("a list") }
        guard (1...2).contains(list.count) else { throw list.error("must have 1 or 2 blocks, has \(list.count)") }
        var blocks: [CIDR] = []
        for node in list.elements {
            let text = try node.asString()
            let block = try node.asCIDR()
            guard let address = text.split(separator: "/").first.flatMap({ IPAddress($0) }), address == block.address
            else { throw node.error("\(text.quoted) has host bits set; the block is \(block)") }
            if blocks.contains(where: { $0.family == block.family }) {
                throw node.error("is a second \(block.family) block; there may be one per family")
            }
            blocks.append(block)
        }
        return ServiceCIDR(name: name, cidrs: blocks)
    }
}
