import KubernetesModel
import NetworkTypes

/// The annotation that came before `spec.loadBalancerSourceRanges`; still read where the field is empty.
private let sourceRangesAnnotation: StaticString = "service.beta.kubernetes.io/load-balancer-source-ranges"

extension ObjectReader {
    /// Reads a Service, with the rules of the API server's validation that matter to a dataplane.
    mutating func service(_ key: ObjectKey, _ metadata: ManifestNode) throws(FieldError) -> Service {
        var service = Service(key: key)
        service.creationTimestamp = try metadata.string("creationTimestamp") ?? ""
        service.serviceProxyName = try metadata.map("labels")?.string("service.kubernetes.io/service-proxy-name")
        service.annotations = try ownAnnotations(metadata)
        let spec = try root.required("spec").asMap()
        service.type = try spec.choice("type") ?? .clusterIP
        try readClusterIPs(spec, into: &service)
        for node in try spec.list("externalIPs") { service.externalIPs.append(try node.asServiceAddress()) }
        try readPorts(spec, into: &service)
        try readPolicies(spec, into: &service)
        service.loadBalancerSourceRanges = try sourceRanges(spec, metadata)
        service.loadBalancerIngress = try ingress()
        service.publishNotReadyAddresses = try spec.boolean("publishNotReadyAddresses") ?? false
        service.trafficDistribution = try spec.string("trafficDistribution")
        if service.clusterIPs.isEmpty, !service.isHeadless, service.type != .externalName {
            note(
                .info, "no-cluster-ip", at: spec,
                "has no clusterIP and so no effect; the API server allocates one, a manifest has to name it")
        }
        return service
    }

    private func ownAnnotations(_ metadata: ManifestNode) throws(FieldError) -> [String: String] {
        var result: [String: String] = [:]
        guard let annotations = try metadata.map("annotations") else { return result }
        for key in annotations.keys where key.bytes.starts(with: "fairlead.dev/".utf8) {
            result[key.text] = try key.following.asString()
        }
        return result
    }

    private func readClusterIPs(_ spec: ManifestNode, into service: inout Service) throws(FieldError) {
        for node in try spec.list("clusterIPs") {
            if node.equals("None") {
                service.isHeadless = true
                continue
            }
            let address = try node.asServiceAddress()
            if service.clusterIPs.contains(where: { $0.family == address.family }) {
                throw node.error("is a second \(address.family) address; a Service has one per family")
            }
            service.clusterIPs.append(address)
        }
        if service.isHeadless, !service.clusterIPs.isEmpty {
            throw FieldError(node: spec, missing: "clusterIPs", message: "\"None\" must be the only entry")
        }
        guard let single = spec["clusterIP"], !single.equals("") else { return }
        let isListed = service.isHeadless || !service.clusterIPs.isEmpty
        if single.equals("None") {
            guard service.clusterIPs.isEmpty else {
                throw single.error("must equal clusterIPs[0], which is \(service.clusterIPs[0]), is \"None\"")
            }
            service.isHeadless = true
            return
        }
        let address = try single.asServiceAddress()
        if !isListed {
            service.clusterIPs = [address]
        } else if service.clusterIPs.first != address {
            let first = service.clusterIPs.first?.description ?? "\"None\""
            throw single.error("must equal clusterIPs[0], which is \(first), is \(address)")
        }
    }

    private mutating func readPolicies(_ spec: ManifestNode, into service: inout Service) throws(FieldError) {
        service.internalTrafficPolicy = try spec.choice("internalTrafficPolicy") ?? .cluster
        if let policy = try spec.choice("externalTrafficPolicy", Service.TrafficPolicy.self) {
            service.externalTrafficPolicy = policy
            let isExternal = service.type == .nodePort || service.type == .loadBalancer
            if !isExternal, service.externalIPs.isEmpty {
                note(
                    .warning, "policy-without-external-frontend", at: spec["externalTrafficPolicy"],
                    "has no effect: type \(service.type.rawValue) without externalIPs has no external frontend")
            }
        }
        service.sessionAffinity = try affinity(spec)
        guard let node = spec["healthCheckNodePort"],
            let port = try spec.port("healthCheckNodePort", from: 0), port != 0
        else { return }
        service.healthCheckNodePort = port
        if service.type != .loadBalancer || service.externalTrafficPolicy != .local {
            note(
                .warning, "health-check-port-unused", at: node,
                "has no effect: only type LoadBalancer with externalTrafficPolicy Local has a health check port")
        }
        if let index = service.ports.firstIndex(where: { $0.nodePort == port }) {
            throw node.error("\(port) is taken by the nodePort of spec.ports[\(index)]")
        }
    }

    private enum Affinity: String, CaseIterable {
        case none = "None"
        case clientIP = "ClientIP"
    }

    private func affinity(_ spec: ManifestNode) throws(FieldError) -> Service.SessionAffinity {
        let timeout = try spec.map("sessionAffinityConfig")?.map("clientIP")?.integer("timeoutSeconds", in: 1...86400)
        switch try spec.choice("sessionAffinity", Affinity.self) ?? .none {
        case .none: return .none
        case .clientIP: return .clientIP(timeoutSeconds: timeout ?? 10800)
        }
    }

    private func sourceRanges(_ spec: ManifestNode, _ metadata: ManifestNode) throws(FieldError) -> [CIDR] {
        var ranges: [CIDR] = []
        for node in try spec.list("loadBalancerSourceRanges") { ranges.append(try node.asCIDR()) }
        guard ranges.isEmpty, let annotation = try metadata.map("annotations")?[sourceRangesAnnotation] else {
            return ranges
        }
        for part in try annotation.asString().split(separator: ",") {
            let text = String(part).trimmingBlanks
            if text.isEmpty { continue }
            guard let range = CIDR(text) else {
                throw annotation.error("\(text.quoted) is not a CIDR such as 10.0.0.0/8")
            }
            ranges.append(range)
        }
        return ranges
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
