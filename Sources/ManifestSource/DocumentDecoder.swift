import KubernetesModel

/// What one document holds, with lines counted from its own beginning: it stays valid while the file around it changes.
final class DecodedDocument: Sendable {
    // Nearly all documents have one object, and an array for it would take as much as all of this.
    private let first: ClusterObject?
    private let firstLine: Int32
    /// Line feeds in the document.
    let lineCount: Int32
    private let others: [(object: ClusterObject, line: Int)]
    let findings: [LocalFinding]
    let skipped: [(kind: String, line: Int)]

    init(_ decoder: DocumentDecoder, lineCount: Int) {
        first = decoder.objects.first?.object
        firstLine = Int32(clamping: decoder.objects.first?.line ?? 0)
        others = Array(decoder.objects.dropFirst())
        findings = decoder.findings
        skipped = decoder.skipped
        self.lineCount = Int32(clamping: lineCount)
    }

    /// The objects in their order.
    var objects: [(object: ClusterObject, line: Int)] {
        first.map { [(object: $0, line: Int(firstLine))] + others } ?? []
    }
}

/// Turns the nodes of a document into objects.
struct DocumentDecoder {
    let context: DecodeContext
    var objects: [(object: ClusterObject, line: Int)] = []
    var findings: [LocalFinding] = []
    var skipped: [(kind: String, line: Int)] = []

    /// Lists in lists are refused beyond this.
    private static let maximumListDepth = 8

    init(context: DecodeContext) { self.context = context }

    /// Decodes a root or an item of a list.
    ///
    /// - Parameter listed: What the list around it says of its items: those of a typed list, as the API server returns
    ///   them, carry no `apiVersion` and `kind` of their own.
    mutating func decode(_ node: ManifestNode, listed: (version: String, kind: String)? = nil, depth: Int = 0) {
        if node.isNull { return }
        if node.kind == .sequence, listed == nil, depth < Self.maximumListDepth {
            for item in node.elements { decode(item, depth: depth + 1) }
            return
        }
        do throws(FieldError) {
            guard node.kind == .map else { throw node.wrongType("an object") }
            let version = try header(node, "apiVersion", listed?.version)
            let kind = try header(node, "kind", listed?.kind)
            try decode(node, version, kind, depth)
        } catch {
            add(error, root: node, code: "not-an-object", subject: nil)
        }
    }

    private func header(_ node: ManifestNode, _ key: StaticString, _ inherited: String?) throws(FieldError) -> String {
        if node[key] == nil, let inherited { return inherited }
        return try node.required(key).asString()
    }

    private mutating func decode(
        _ node: ManifestNode, _ version: String, _ kind: String, _ depth: Int
    ) throws(FieldError) {
        if let items = Self.listItems(version, kind) {
            guard depth < Self.maximumListDepth else { throw node.error("lists are nested deeper than 8 levels") }
            // An empty list of the API server has null or no items.
            for entry in try node.list("items") { decode(entry, listed: items.header, depth: depth + 1) }
            return
        }
        guard let known = ObjectID.Kind(rawValue: kind), Self.group(version) == known.group else {
            skipped.append((kind: "\(version) \(kind)".excerpt, line: node.line))
            return
        }
        read(node, known, version)
    }

    /// What a list says of its items; nil if the node is no list.
    static func listItems(_ node: ManifestNode) -> ListItems? {
        guard node.kind == .map, let version = try? node["apiVersion"]?.asString(),
            let kind = try? node["kind"]?.asString()
        else { return nil }
        return listItems(version, kind)
    }

    private static func listItems(_ version: String, _ kind: String) -> ListItems? {
        if kind == "List" && version == "v1" { return ListItems(type: []) }
        guard listKinds.contains(kind), group(version) != nil else { return nil }
        // The kind of the items; "List" itself is none of these.
        return ListItems(type: [version, String(kind.dropLast("List".count))])
    }

    private mutating func read(_ node: ManifestNode, _ kind: ObjectID.Kind, _ version: String) {
        var reader = ObjectReader(root: node, context: context)
        do throws(FieldError) {
            guard kind.versions.contains(version) else {
                _ = try? reader.identity(kind)
                let list = kind.versions.joined(separator: " or ")
                throw FieldError(
                    node: try node.required("apiVersion"),
                    message: "\(version.quoted) is a version of \(kind.rawValue) that is not supported; use \(list)")
            }
            let object = try reader.object(kind)
            objects.append((context.ports.sharing(object), node.line))
        } catch {
            add(
                error, root: node, code: "invalid-object", subject: reader.subject,
                heldService: Self.service(of: node, reader.subject))
        }
        findings += reader.findings
    }

    /// The Service that an invalid object is, or is a part of.
    private static func service(of node: ManifestNode, _ subject: ObjectID?) -> ObjectKey? {
        switch subject?.kind {
        case .service: return subject?.key
        case .endpointSlice:
            let label = node["metadata"]?["labels"]?[MetadataKey.serviceName]
            guard let namespace = subject?.key.namespace, let name = try? label?.asString() else { return nil }
            return ObjectKey(namespace: namespace, name: name)
        default: return nil
        }
    }

    private mutating func add(
        _ error: FieldError, root: ManifestNode, code: String, subject: ObjectID?, heldService: ObjectKey? = nil
    ) {
        var finding = Finding(
            .error, code: code, subject: subject, field: error.path(from: root), message: error.message)
        finding.heldService = heldService
        findings.append(LocalFinding(finding: finding, line: error.line))
    }

    private static let listKinds = Set(ObjectID.Kind.allCases.map { $0.rawValue + "List" })

    /// The API group of a version string, if it is one of the groups that are read.
    private static func group(_ version: String) -> String? {
        guard let slash = version.firstIndex(of: "/") else { return version.hasPrefix("v") ? "" : nil }
        let group = String(version[..<slash])
        return ObjectID.Kind.allCases.contains { $0.group == group } ? group : nil
    }
}
