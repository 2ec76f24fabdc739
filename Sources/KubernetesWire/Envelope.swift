import KubernetesModel

/// `runtime.Unknown`, which the API server puts around everything, behind four bytes of magic.
struct Envelope {
    /// The field of the object itself, which is encoded by itself.
    static let objectField: UInt64 = 2

    let type: TypeMeta
    let object: Bytes

    /// Opens an envelope that is there as a whole.
    init(_ bytes: Bytes) throws(WireError) {
        try Self.checkMagic(bytes)
        var type = TypeMeta()
        var object: Bytes?
        var reader = WireReader(Bytes(rebasing: bytes[4...]))
        while try reader.advance() {
            if reader.field == Self.objectField {
                object = try reader.bytes()
            } else {
                try type.read(reader)
            }
        }
        guard let object else { throw WireError("there is no object in the envelope") }
        self.type = type
        self.object = object
    }

    /// Throws if the first four bytes are not those of Kubernetes' protobuf.
    static func checkMagic(_ bytes: Bytes) throws(WireError) {
        guard bytes.hasPrefix("k8s\0") else {
            throw WireError("the bytes do not begin as Kubernetes' protobuf does, with \"k8s\" and a zero")
        }
    }
}

/// What an envelope says of the object in it.
struct TypeMeta: Sendable {
    private var apiVersion = ""
    private var kind = ""

    /// Takes the current field of an envelope, if it is one that says something of the object.
    mutating func read(_ envelope: WireReader) throws(WireError) {
        switch envelope.field {
        case 1:
            var reader = WireReader(try envelope.bytes())
            while try reader.advance() {
                switch reader.field {
                case 1: apiVersion = try reader.text()
                case 2: kind = try reader.text()
                default: break
                }
            }
        case 3:
            let encoding = try envelope.text()
            if !encoding.isEmpty { throw WireError("the object has the content encoding \(encoding.quoted)") }
        default: break
        }
    }

    /// Throws if the type is named and is not this kind, in a version whose fields are known.
    ///
    /// - Parameter suffix: `List` for lists.
    func check(_ expected: ObjectID.Kind, suffix: String = "") throws(WireError) {
        try check(kind: expected.rawValue + suffix, versions: expected.versions)
    }

    /// Throws if the type is named and is not this one.
    func check(kind expected: String, versions: [String]) throws(WireError) {
        // A server may leave the type out; then the object is what was asked for.
        if kind.isEmpty, apiVersion.isEmpty { return }
        guard kind == expected, versions.contains(apiVersion) else {
            throw WireError("expected \(versions.joined(separator: " or ")) \(expected), found \(description)")
        }
    }

    private var description: String { "\(apiVersion) \(kind)".excerpt }
}
