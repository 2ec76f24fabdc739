import KubernetesModel
import NetworkTypes

extension ObjectReader {
    /// Reads a Service, with the rules of the API server's validation that matter to a dataplane.
    mutating func service(_ key: ObjectKey, _ metadata: ManifestNode) throws(FieldError) -> Service {
        var service = Service(key: key)
        var notes = FieldNotes()
        if let time = metadata["creationTimestamp"], !time.equals("") {
            let path = FieldPath("metadata", "creationTimestamp")
            service.creationTimestamp = notes.moment(time.kind == .scalar ? time.text : time.noun, at: path)
        }
        service.serviceProxyName = try metadata.map("labels")?.string(MetadataKey.serviceProxyName)
        service.annotations = try ownAnnotations(metadata)
        let spec = try root.required("spec").asMap()
        var fields = try serviceFields(spec)
        fields.isLabelledHeadless = try metadata.map("labels")?[MetadataKey.headless] != nil
        fields.sourceRangesAnnotation = try metadata.map("annotations")?.string(MetadataKey.sourceRanges)
        try taken(&notes) { notes throws(FieldProblem) in try service.take(fields, &notes) }
        service.publishNotReadyAddresses = try spec.boolean("publishNotReadyAddresses") ?? false
        service.trafficDistribution = try spec.string("trafficDistribution")
        if context.readsDetails { service.details = .read(serviceDetails(metadata, spec)) }
        note(notes.all)
        return service
    }

    /// The fields that rules apply to. What is of a wrong type is no Service to any reader, and costs the object.
    private func serviceFields(_ spec: ManifestNode) throws(FieldError) -> ServiceFields {
        var fields = ServiceFields()
        fields.type = try spec.string("type") ?? ""
        fields.clusterIPs = try spec.strings("clusterIPs")
        fields.clusterIP = try spec.string("clusterIP") ?? ""
        fields.externalIPs = try spec.strings("externalIPs")
        for node in try spec.list("ports") { fields.ports.append(try servicePort(node)) }
        fields.externalTrafficPolicy = try spec.string("externalTrafficPolicy") ?? ""
        fields.internalTrafficPolicy = try spec.string("internalTrafficPolicy") ?? ""
        fields.sessionAffinity = try spec.string("sessionAffinity") ?? ""
        fields.affinityTimeout = try spec.map("sessionAffinityConfig")?.map("clientIP")?.number("timeoutSeconds")
        fields.healthCheckNodePort = try spec.number("healthCheckNodePort") ?? 0
        fields.sourceRanges = try spec.strings("loadBalancerSourceRanges")
        for entry in try root.map("status")?.map("loadBalancer")?.list("ingress") ?? root.noElements {
            let map = try entry.asMap()
            fields.ingress.append((try map.string("ip") ?? "", try map.string("ipMode") ?? ""))
        }
        return fields
    }

    private func ownAnnotations(_ metadata: ManifestNode) throws(FieldError) -> [String: String] {
        var result: [String: String] = [:]
        guard let annotations = try metadata.map("annotations") else { return result }
        for key in annotations.keys where key.hasPrefix(MetadataKey.ownPrefix) {
            result[key.text] = try key.following.asString()
        }
        return result
    }
}
