import KubernetesModel
import NetworkTypes

/// The fields of `core/v1.Node`.
struct NodeRecord: ObjectRecord {
    var metadata = MetadataRecord()
    private var podCIDR = ""
    private var podCIDRs: [String] = []
    private var taints: [String] = []
    private var addresses: [(type: String, address: String)] = []
    /// The fields that only advice reads.
    private var details = NodeDetails()

    init() {}

    mutating func read(_ object: Bytes, _ pool: inout TextPool) throws(WireError) {
        var reader = WireReader(object)
        while try reader.advance() {
            switch reader.field {
            case 1: try metadata.read(reader.bytes())
            case 2: try readSpec(reader.bytes(), &pool)
            case 3: try readStatus(reader.bytes(), &pool)
            default: break
            }
        }
    }

    private mutating func readSpec(_ message: Bytes, _ pool: inout TextPool) throws(WireError) {
        var reader = WireReader(message)
        while try reader.advance() {
            switch reader.field {
            case 1: podCIDR = try reader.text()
            case 3: details.providerID = try reader.text()
            case 4: details.isUnschedulable = try reader.boolean()
            case 5:
                // A Taint begins as a map's entry does, with two texts.
                taints.append(pool.text(try reader.entry().key))
            case 7: podCIDRs.append(try reader.text())
            default: break
            }
        }
    }

    /// Reads `status.addresses`.
    private mutating func readStatus(_ message: Bytes, _ pool: inout TextPool) throws(WireError) {
        var reader = WireReader(message)
        while try reader.advance(to: 5) {
            // So does a NodeAddress.
            let entry = try reader.entry()
            addresses.append((pool.text(entry.key), entry.value.text))
        }
    }

    func object(_ key: ObjectKey) throws(FieldProblem) -> (ClusterObject, [FieldNote]) {
        var node = Node(name: key.name)
        node.isBeingDeleted = metadata.isBeingDeleted
        node.zone = metadata.zone?.text
        node.isExcludedFromLoadBalancers = metadata.isExcludedFromLoadBalancers
        var notes = FieldNotes()
        node.setPodCIDRs(podCIDRs, single: podCIDR, &notes)
        node.taints = taints
        for (index, entry) in addresses.enumerated() {
            node.addAddress(type: entry.type, entry.address, index, &notes)
        }
        if let read = metadata.details {
            var details = details
            details.labels = read.labels
            if details.providerID?.isEmpty == true { details.providerID = nil }
            node.details = .read(details)
        }
        return (.node(node), notes.all)
    }
}

/// The fields of `networking/v1.ServiceCIDR`.
struct ServiceCIDRRecord: ObjectRecord {
    var metadata = MetadataRecord()
    private var cidrs: [String] = []

    init() {}

    mutating func read(_ object: Bytes, _: inout TextPool) throws(WireError) {
        var reader = WireReader(object)
        while try reader.advance() {
            switch reader.field {
            case 1: try metadata.read(reader.bytes())
            case 2:
                var spec = WireReader(try reader.bytes())
                while try spec.advance(to: 1) { cidrs.append(try spec.text()) }
            default: break
            }
        }
    }

    func object(_ key: ObjectKey) throws(FieldProblem) -> (ClusterObject, [FieldNote]) {
        var notes = FieldNotes()
        let object = ClusterObject.serviceCIDR(try ServiceCIDR(name: key.name, texts: cidrs, &notes))
        return (object, notes.all)
    }
}
