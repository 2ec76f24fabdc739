import KubernetesModel
import NetworkTypes

/// The fields of `core/v1.Service`.
struct ServiceRecord: ObjectRecord {
    var metadata = MetadataRecord()
    private var hasSpec = false
    private var spec = ServiceSpecRecord()
    private var ingress: [IngressRecord] = []

    init() {}

    mutating func read(_ object: Bytes, _ pool: inout TextPool) throws(WireError) {
        var reader = WireReader(object)
        while try reader.advance() {
            switch reader.field {
            case 1: try metadata.read(reader.bytes())
            case 2:
                try spec.read(reader.bytes(), &pool)
                hasSpec = true
            case 3: try readStatus(reader.bytes())
            default: break
            }
        }
    }

    /// Reads `status.loadBalancer.ingress`.
    private mutating func readStatus(_ message: Bytes) throws(WireError) {
        var status = WireReader(message)
        while try status.advance(to: 1) {
            var balancer = WireReader(try status.bytes())
            while try balancer.advance(to: 1) {
                ingress.append(try IngressRecord(balancer.bytes()))
            }
        }
    }

    func object(_ key: ObjectKey) throws(FieldProblem) -> (ClusterObject, [FieldNote]) {
        var service = Service(key: key)
        service.creationTimestamp = metadata.created.flatMap(WireTime.text(seconds:)) ?? ""
        service.serviceProxyName = metadata.serviceProxyName?.text
        service.annotations = metadata.own
        guard hasSpec else { throw FieldProblem(FieldPath("spec"), "is missing") }
        try spec.apply(to: &service)
        if service.loadBalancerSourceRanges.isEmpty, let ranges = metadata.sourceRanges {
            service.loadBalancerSourceRanges = try Service.sourceRanges(
                annotation: ranges.text, at: FieldPath("metadata", "annotations", "\(MetadataKey.sourceRanges)"))
        }
        for (index, entry) in ingress.enumerated() {
            if let entry = try entry.ingress(at: FieldPath("status", "loadBalancer", "ingress").entry(index)) {
                service.loadBalancerIngress.append(entry)
            }
        }
        if let details = metadata.details {
            var read = spec.details
            (read.labels, read.annotations) = (details.labels, details.annotations)
            read.ingressHostnames = ingress.map(\.hostname).filter { !$0.isEmpty }
            service.details = .read(read)
        }
        return (.service(service), service.notes(setsExternalPolicy: !spec.externalTrafficPolicy.isEmpty))
    }
}

/// The fields of `core/v1.LoadBalancerIngress`.
private struct IngressRecord {
    var address = ""
    var hostname = ""
    var mode = ""

    init(_ message: Bytes) throws(WireError) {
        var reader = WireReader(message)
        while try reader.advance() {
            switch reader.field {
            case 1: address = try reader.text()
            case 2: hostname = try reader.text()
            case 3: mode = try reader.text()
            default: break
            }
        }
    }

    /// The entry; nil if it has no address.
    func ingress(at path: @autoclosure () -> FieldPath) throws(FieldProblem) -> Service.LoadBalancerIngress? {
        let mode = try FieldRule.choice(
            mode, Service.LoadBalancerIngress.Mode.self, at: path().field("ipMode"))
        if address.isEmpty { return nil }
        // Some load balancers announce link-local addresses, and the API server lets them.
        let address = try FieldRule.serviceAddress(address, allowingLinkLocal: true, at: path().field("ip"))
        return Service.LoadBalancerIngress(address: address, mode: mode ?? .vip)
    }
}
