import KubernetesModel
import NetworkTypes

/// The addresses of a Service in one family: what all its ports have in common.
struct FamilyAddresses {
    /// An address from outside the ClusterIP range.
    struct External: Comparable {
        var address: IPAddress
        var kind: Frontend.Kind

        /// Sorts by address; of two entries for the same address, the load balancer's comes first.
        static func < (lhs: External, rhs: External) -> Bool {
            if lhs.address == rhs.address { return lhs.kind == .loadBalancerIP && rhs.kind != .loadBalancerIP }
            return lhs.address < rhs.address
        }
    }

    /// The ClusterIP.
    let clusterIP: IPAddress
    /// External IPs and load balancer IPs: sorted by address, each address once.
    private(set) var externals: [External] = []
    /// `spec.loadBalancerSourceRanges` of the family; nil if everybody may come.
    private(set) var sourceRanges: [CIDR]?

    /// The family.
    var family: IPFamily { clusterIP.family }

    /// The addresses of each family that the Service has a ClusterIP in, IPv4 first.
    ///
    /// A Service has a family only through `spec.clusterIPs` (KEP-563, dual stack). Addresses of another family have no
    /// port mapping that could serve them; kube-proxy leaves them out as well.
    ///
    /// - Parameters:
    ///   - service: the Service.
    ///   - servesExternalIPs: whether `spec.externalIPs` count.
    ///   - findings: takes what is wrong.
    static func all(
        of service: Service, servesExternalIPs: Bool, findings: inout FindingCollector
    ) -> [FamilyAddresses] {
        var result: [FamilyAddresses] = []
        for (index, address) in service.clusterIPs.enumerated() {
            if !address.canBeFrontend {
                findings.reportUnusable(address, field: "spec.clusterIPs[\(index)]")
            } else if result.contains(where: { $0.family == address.family }) {
                findings.reportExtraClusterIP(address, index: index)
            } else {
                result.append(FamilyAddresses(clusterIP: address))
            }
        }
        if result.count == 2, result[1].family < result[0].family { result.swapAt(0, 1) }
        guard !result.isEmpty else { return [] }
        if servesExternalIPs {
            addExternalIPs(of: service, to: &result, findings: &findings)
        } else if !service.externalIPs.isEmpty {
            findings.reportUnservedExternalIPs(service.externalIPs)
        }
        addLoadBalancerIPs(of: service, to: &result, findings: &findings)
        for position in result.indices { result[position].sortExternals() }
        addSourceRanges(of: service, to: &result, findings: &findings)
        return result
    }

    /// The frontends of a port, each address and port once.
    func frontends(of port: ServicePort, type: Service.ServiceType) -> [Frontend] {
        // `spec.ports[].nodePort` is void for other types: the API server clears it when the type changes.
        let hasNodePort = port.nodePort != 0 && (type == .nodePort || type == .loadBalancer)
        var result: [Frontend] = []
        result.reserveCapacity(1 + externals.count + (hasNodePort ? 1 : 0))
        result.append(Frontend(kind: .clusterIP, address: clusterIP, port: port.port))
        for external in externals {
            result.append(Frontend(kind: external.kind, address: external.address, port: port.port))
        }
        if hasNodePort { result.append(Frontend(kind: .nodePort, address: nil, port: port.nodePort)) }
        return result
    }

    /// Collects `spec.externalIPs`, which act on every type.
    private static func addExternalIPs(
        of service: Service, to families: inout [FamilyAddresses], findings: inout FindingCollector
    ) {
        for (index, address) in service.externalIPs.enumerated() {
            if !address.canBeFrontend {
                findings.reportUnusable(address, field: "spec.externalIPs[\(index)]")
            } else if let position = families.firstIndex(where: { $0.family == address.family }) {
                families[position].add(External(address: address, kind: .externalIP), findings: &findings)
            } else {
                findings.reportExternalIPWithoutFamily(address, index: index)
            }
        }
    }

    /// Collects `status.loadBalancer.ingress[].ip`.
    ///
    /// Only of type LoadBalancer: since Kubernetes 1.29 the API server refuses the status on any other type, and it
    /// clears it when the type changes. kube-proxy does not look at the type, which is the same for every object of
    /// such a server; in an object from elsewhere the status is a leftover, and the address may be somebody else's by
    /// now. Only with `ipMode` VIP: with Proxy the load balancer wants to see all traffic (KEP-1860).
    private static func addLoadBalancerIPs(
        of service: Service, to families: inout [FamilyAddresses], findings: inout FindingCollector
    ) {
        for (index, ingress) in service.loadBalancerIngress.enumerated() where ingress.mode == .vip {
            let address = ingress.address
            if service.type != .loadBalancer {
                findings.reportLoadBalancerIPWithoutType(address, type: service.type, index: index)
            } else if !address.canBeFrontend {
                findings.reportUnusable(address, field: "status.loadBalancer.ingress[\(index)].ip")
            } else if let position = families.firstIndex(where: { $0.family == address.family }) {
                families[position].add(External(address: address, kind: .loadBalancerIP), findings: &findings)
            } else {
                findings.reportLoadBalancerIPWithoutFamily(address, index: index)
            }
        }
    }

    /// An address that is the ClusterIP already stays internal: the same packet cannot be under two policies.
    private mutating func add(_ external: External, findings: inout FindingCollector) {
        guard external.address != clusterIP else {
            findings.reportExternalClusterIP(external.address, kind: external.kind)
            return
        }
        externals.append(external)
    }

    /// An address that is both external IP and load balancer IP counts as the latter, so that source ranges apply.
    private mutating func sortExternals() {
        guard externals.count > 1 else { return }
        var unique: [External] = []
        for external in externals.sorted() where unique.last?.address != external.address { unique.append(external) }
        externals = unique
    }

    /// `spec.loadBalancerSourceRanges`, which restrict load balancer IPs only, each family by its own ranges. As with
    /// kube-proxy, a family without ranges is open even if the other has some, and a range of length 0 opens its
    /// family.
    private static func addSourceRanges(
        of service: Service, to families: inout [FamilyAddresses], findings: inout FindingCollector
    ) {
        guard service.type == .loadBalancer, !service.loadBalancerSourceRanges.isEmpty else { return }
        for position in families.indices {
            let family = families[position].family
            let ranges = service.loadBalancerSourceRanges.filter { $0.family == family }
            if ranges.isEmpty {
                let isOpen = families[position].externals.contains { $0.kind == .loadBalancerIP }
                if isOpen { findings.reportSourceRangesOfOtherFamily(open: family) }
            } else if !ranges.contains(where: { $0.prefixLength == 0 }) {
                families[position].sourceRanges = CIDR.collapsed(ranges)
            }
        }
    }
}

extension IPAddress {
    /// Whether a Service can be reached at the address. The API refuses most of these as ClusterIP and external IP; in the
    /// status of a load balancer they would take the node's own addresses away.
    var canBeFrontend: Bool { !isUnspecified && !isLoopback && !isMulticast && !isBroadcast }
}
