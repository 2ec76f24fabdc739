import KubernetesModel

/// The fields of an object as they were sent: first all bytes are read, then the rules are applied.
///
/// So bytes that are no message are told from an object that is invalid. The former end the list or the watch, the
/// latter costs only itself.
protocol ObjectRecord {
    /// Makes a record without fields.
    init()

    /// `metadata`.
    var metadata: MetadataRecord { get set }

    /// Reads an object. What comes twice is joined, and of a single value the last one counts, as protobuf says.
    mutating func read(_ object: Bytes, _ pool: inout TextPool) throws(WireError)

    /// The object and what is doubtful about it.
    func object(_ key: ObjectKey) throws(FieldProblem) -> (ClusterObject, [FieldNote])
}

/// Decodes objects of a kind.
struct ObjectDecoder: Sendable {
    let kind: ObjectID.Kind
    var pool: TextPool
    /// Whether objects come with what only advice reads.
    var readsDetails = false

    /// Decodes an object without an envelope.
    mutating func decode(_ object: Bytes) throws(WireError) -> WireObject {
        switch kind {
        case .service: try decode(object, ServiceRecord.self)
        case .endpointSlice: try decode(object, EndpointSliceRecord.self)
        case .node: try decode(object, NodeRecord.self)
        case .serviceCIDR: try decode(object, ServiceCIDRRecord.self)
        }
    }

    private mutating func decode<Record: ObjectRecord>(
        _ object: Bytes, _: Record.Type
    ) throws(WireError) -> WireObject {
        var record = Record()
        if readsDetails { record.metadata.details = MetadataRecord.Details() }
        try record.read(object, &pool)
        let id = record.metadata.id(kind, &pool)
        var decoded = WireObject(id: id, resourceVersion: record.metadata.resourceVersion.text)
        do throws(FieldProblem) {
            try record.metadata.check(id)
            let (object, notes) = try record.object(id.key)
            decoded.object = pool.ports.sharing(object)
            for note in notes {
                decoded.findings.append(
                    Finding(
                        note.severity, code: note.code, subject: id, field: note.path.description,
                        message: note.message))
            }
        } catch {
            var finding = Finding(
                .error, code: "invalid-object", subject: id, field: error.path.description, message: error.message)
            finding.heldService = record.metadata.service(id)
            decoded.findings.append(finding)
        }
        return decoded
    }
}

extension MetadataRecord {
    /// The Service that an object is, or is a part of.
    fileprivate func service(_ id: ObjectID) -> ObjectKey? {
        switch id.kind {
        case .service: return id.key
        case .endpointSlice:
            guard let serviceName, !serviceName.isEmpty else { return nil }
            return ObjectKey(namespace: id.key.namespace, name: serviceName.text)
        case .node, .serviceCIDR: return nil
        }
    }
}
