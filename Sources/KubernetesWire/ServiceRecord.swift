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
        service.creationTimestamp = metadata.created.flatMap(Timestamp.text(seconds:)) ?? ""
        service.serviceProxyName = metadata.serviceProxyName?.text
        service.annotations = metadata.own
        guard hasSpec else { throw FieldProblem(FieldPath("spec"), "is missing") }
        var fields = spec.fields
        fields.isLabelledHeadless = metadata.isHeadless
        fields.sourceRangesAnnotation = metadata.sourceRanges?.text
        fields.ingress = ingress.map { ($0.address, $0.mode) }
        var notes = FieldNotes()
        try service.take(fields, &notes)
        service.publishNotReadyAddresses = spec.publishNotReadyAddresses
        service.trafficDistribution = spec.trafficDistribution
        if let details = metadata.details {
            var read = spec.details
            (read.labels, read.annotations) = (details.labels, details.annotations)
            read.ingressHostnames = ingress.map(\.hostname).filter { !$0.isEmpty }
            service.details = .read(read)
        }
        return (.service(service), notes.all)
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
}
