import KubernetesModel
import NetworkTypes

/// What the readers of one worker share.
final class DecodeContext {
    let strings = StringPool()
    private var hints: Set<Endpoint.Hints> = []

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

    /// Notes something about a field of the object.
    mutating func note(
        _ severity: Finding.Severity, _ code: String, at node: ManifestNode? = nil, field: String? = nil,
        _ message: String
    ) {
        let path = field ?? node.map { root.path(to: $0.index) } ?? ""
        let finding = Finding(severity, code: code, subject: subject, field: path, message: message)
        findings.append(LocalFinding(finding: finding, line: (node ?? root).line))
    }

    /// Reads `metadata` up to the identity.
    mutating func identity(_ kind: ObjectID.Kind) throws(FieldError) -> ManifestNode {
        let metadata = try root.required("metadata").asMap()
        let rule: NameRule = kind == .service ? .label : .subdomain
        let name = try metadata.required("name").asName(rule)
        var namespace = ""
        if kind == .service || kind == .endpointSlice {
            namespace = "default"
            if let node = metadata["namespace"], !node.equals("") {
                namespace = try node.asName(.label, context.strings)
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

extension ManifestNode {
    /// This node, which has to be an address that a Service or an endpoint can have: the API server refuses the
    /// special ones, for which a packet would never arrive or would reach something else on the node.
    func asServiceAddress(allowingLinkLocal: Bool = false) throws(FieldError) -> IPAddress {
        let address = try asAddress()
        if address.isLoopback { throw error("\(address) is a loopback address") }
        if address.isUnspecified { throw error("\(address) is the unspecified address") }
        if address.isMulticast { throw error("\(address) is a multicast address") }
        if address.isLinkLocal, !allowingLinkLocal { throw error("\(address) is a link-local address") }
        if case .v6(let value) = address, value.high == 0, value.low >> 32 == 0xFFFF {
            throw error("\(address) is an IPv4 address in IPv6 notation; write it as IPv4")
        }
        return address
    }
}
