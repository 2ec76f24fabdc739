import KubernetesModel

/// What the readers of one worker share.
final class DecodeContext {
    var strings: StringPool
    /// Endpoints, each with what others of its node have as well.
    var endpoints: EndpointPool
    /// Lists of ports that are equal.
    var ports = PortPool()
    /// Whether objects come with what only advice reads.
    let readsDetails: Bool
    private var hints: Set<Endpoint.Hints> = []

    /// - Parameter bytes: The length of the text: a pool for a large cluster costs more than a small file does.
    init(readsDetails: Bool, bytes: Int) {
        self.readsDetails = readsDetails
        strings = StringPool(capacity: min(max(16, bytes / 256), StringPool.usualCapacity))
        endpoints = EndpointPool(capacity: min(max(16, bytes / 256), EndpointPool.usualCapacity))
    }

    /// The hints, sharing storage with equal ones seen before: a cluster has as many as it has zones, or a few more.
    func shared(_ new: Endpoint.Hints) -> Endpoint.Hints {
        if hints.count >= 1024 { hints.removeAll() }
        return hints.insert(new).memberAfterInsert
    }
}

/// A finding with a line of the parsed text rather than of the file, so that it can be kept while the file changes.
struct LocalFinding: Sendable {
    var finding: Finding
    var line: Int
}

/// Reads one object.
struct ObjectReader {
    let root: ManifestNode
    let context: DecodeContext
    var subject: ObjectID?
    var findings: [LocalFinding] = []

    init(root: ManifestNode, context: DecodeContext) {
        self.root = root
        self.context = context
    }

    /// Takes up what is doubtful about the object.
    mutating func note(_ notes: [FieldNote]) {
        for note in notes {
            let finding = Finding(
                note.severity, code: note.code, subject: subject, field: note.path.description, message: note.message)
            findings.append(LocalFinding(finding: finding, line: locate(note.path).node.line))
        }
    }

    /// Has rules take over fields; what they cannot do without names the field, of which this finds the node.
    func taken<Value>(
        _ notes: inout FieldNotes, _ rules: (inout FieldNotes) throws(FieldProblem) -> Value
    ) throws(FieldError) -> Value {
        do throws(FieldProblem) {
            return try rules(&notes)
        } catch {
            let (node, missing) = locate(error.path)
            throw FieldError(node: node, missing: missing, message: error.message)
        }
    }

    /// The node that a path leads to, or the last one on the way with the field that it lacks.
    private func locate(_ path: FieldPath) -> (node: ManifestNode, missing: String?) {
        var node = root
        for step in path.steps {
            switch step {
            case .key(let key):
                guard let next = node[key] else { return (node, key) }
                node = next
            case .index(let index):
                guard let next = node.elements.enumerated().first(where: { $0.offset == index })?.element else {
                    return (node, nil)
                }
                node = next
            }
        }
        return (node, nil)
    }

    /// Reads `metadata` up to the identity.
    mutating func identity(_ kind: ObjectID.Kind) throws(FieldError) -> ManifestNode {
        let metadata = try root.required("metadata").asMap()
        let name = try metadata.required("name").asName(
            kind.nameRule, kind == .service ? context : nil)
        var namespace = ""
        if kind.isNamespaced {
            namespace = "default"
            if let node = metadata["namespace"], !node.equals("") {
                namespace = try node.asName(.label, context)
            }
        }
        subject = ObjectID(kind: kind, key: ObjectKey(namespace: namespace, name: name))
        return metadata
    }

    /// Reads an object of a kind that is known.
    mutating func object(_ kind: ObjectID.Kind) throws(FieldError) -> ClusterObject {
        let metadata = try identity(kind)
        let key = subject?.key ?? ObjectKey(name: "")
        switch kind {
        case .service: return .service(try service(key, metadata))
        case .endpointSlice: return .endpointSlice(try endpointSlice(key, metadata))
        case .node: return .node(try node(key.name, metadata))
        case .serviceCIDR: return .serviceCIDR(try serviceCIDR(key.name))
        }
    }
}
