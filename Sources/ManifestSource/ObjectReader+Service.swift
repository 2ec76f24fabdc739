import KubernetesModel
import NetworkTypes

extension ObjectReader {
    /// Reads a Service, with the rules of the API server's validation that matter to a dataplane.
    mutating func service(_ key: ObjectKey, _ metadata: ManifestNode) throws(FieldError) -> Service {
        var service = Service(key: key)
        service.creationTimestamp = try metadata.string("creationTimestamp") ?? ""
        service.serviceProxyName = try metadata.map("labels")?.string(MetadataKey.serviceProxyName)
        service.annotations = try ownAnnotations(metadata)
        let spec = try root.required("spec").asMap()
        service.type = try spec.choice("type") ?? .clusterIP
        let clusterIPs = try spec.strings("clusterIPs")
        let single = try spec.string("clusterIP") ?? ""
        try checked(service.setClusterIPs(clusterIPs, single: single))
        for node in try spec.list("externalIPs") { service.externalIPs.append(try node.asServiceAddress()) }
        service.ports = try servicePorts(spec)
        let externalPolicy = try spec.choice("externalTrafficPolicy", Service.TrafficPolicy.self)
        service.externalTrafficPolicy = externalPolicy ?? .cluster
        service.internalTrafficPolicy = try spec.choice("internalTrafficPolicy") ?? .cluster
        service.sessionAffinity = try affinity(spec)
        service.healthCheckNodePort = try spec.port("healthCheckNodePort", from: 0) ?? 0
        try checked(service.checkPorts())
        service.loadBalancerSourceRanges = try sourceRanges(spec, metadata)
        service.loadBalancerIngress = try ingress()
        service.publishNotReadyAddresses = try spec.boolean("publishNotReadyAddresses") ?? false
        service.trafficDistribution = try spec.string("trafficDistribution")
        if context.readsDetails { service.details = .read(serviceDetails(metadata, spec)) }
        note(service.notes(setsExternalPolicy: externalPolicy != nil))
        return service
    }

    private func ownAnnotations(_ metadata: ManifestNode) throws(FieldError) -> [String: String] {
        var result: [String: String] = [:]
        guard let annotations = try metadata.map("annotations") else { return result }
        for key in annotations.keys where key.hasPrefix(MetadataKey.ownPrefix) {
            result[key.text] = try key.following.asString()
        }
        return result
    }

    private func affinity(_ spec: ManifestNode) throws(FieldError) -> Service.SessionAffinity {
        let timeout = try spec.map("sessionAffinityConfig")?.map("clientIP")?
            .integer("timeoutSeconds", in: Service.affinityTimeouts)
        return (try spec.choice("sessionAffinity", Service.AffinityType.self) ?? .none)
            .affinity(timeoutSeconds: timeout)
    }

    private func sourceRanges(_ spec: ManifestNode, _ metadata: ManifestNode) throws(FieldError) -> [CIDR] {
        var ranges: [CIDR] = []
        for node in try spec.list("loadBalancerSourceRanges") { ranges.append(try node.asCIDR()) }
        guard ranges.isEmpty, let annotation = try metadata.map("annotations")?[MetadataKey.sourceRanges] else {
            return ranges
        }
        let text = try annotation.asString()
        return try annotation.checked(Service.sourceRanges(annotation: text))
    }

    private func ingress() throws(FieldError) -> [Service.LoadBalancerIngress] {
        var result: [Service.LoadBalancerIngress] = []
        guard let balancer = try root.map("status")?.map("loadBalancer") else { return result }
        for entry in try balancer.list("ingress") {
            let mode = try entry.asMap().choice("ipMode", Service.LoadBalancerIngress.Mode.self)
            guard let node = entry["ip"], !node.equals("") else { continue }
            // Some load balancers announce link-local addresses, and the API server lets them.
            let address = try node.asServiceAddress(allowingLinkLocal: true)
            result.append(Service.LoadBalancerIngress(address: address, mode: mode ?? .vip))
        }
        return result
    }
}
