import KubernetesModel
import NetworkTypes

extension ObjectReader {
    /// Reads a Node.
    mutating func node(_ name: String, _ metadata: ManifestNode) throws(FieldError) -> Node {
        var node = Node(name: name)
        node.isBeingDeleted = metadata["deletionTimestamp"] != nil
        let labels = try metadata.map("labels")
        node.zone = try labels?.string(MetadataKey.zone)
        node.isExcludedFromLoadBalancers = labels?[MetadataKey.excludedFromLoadBalancers] != nil
        var notes = FieldNotes()
        if let spec = try root.map("spec") {
            node.setPodCIDRs(try spec.strings("podCIDRs"), single: try spec.string("podCIDR") ?? "", &notes)
            for taint in try spec.list("taints") { node.taints.append(try taint.asMap().string("key") ?? "") }
        }
        for (index, entry) in (try root.map("status")?.list("addresses") ?? root.noElements).enumerated() {
            let type = try entry.asMap().string("type") ?? ""
            node.addAddress(type: type, try entry.string("address") ?? "", index, &notes)
        }
        note(notes.all)
        if context.readsDetails { node.details = .read(nodeDetails(metadata)) }
        return node
    }

    /// Reads a ServiceCIDR.
    mutating func serviceCIDR(_ name: String) throws(FieldError) -> ServiceCIDR {
        let list = try root.required("spec").asMap().required("cidrs")
        guard list.kind == .sequence else { throw list.wrongType("a list") }
        var texts: [String] = []
        for node in list.elements { texts.append(try node.asString()) }
        var notes = FieldNotes()
        let range = try taken(&notes) { notes throws(FieldProblem) in try ServiceCIDR(name: name, texts: texts, &notes)
        }
        note(notes.all)
        return range
    }
}
