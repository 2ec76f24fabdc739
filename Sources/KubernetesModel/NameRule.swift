/// Rules for names, RFC 1123 as Kubernetes applies it. Names end up in comments of nftables objects and in log lines,
/// so that nothing but these characters may pass.
package enum NameRule {
    /// A DNS label, at most 63 characters.
    case label
    /// DNS labels with dots between them, at most 253 characters.
    case subdomain

    /// Whether the text is such a name.
    package func accepts(_ text: String) -> Bool {
        let bytes = text.utf8
        guard !bytes.isEmpty, bytes.count <= limit else { return false }
        var previous = UInt8(ascii: ".")
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): break
            case UInt8(ascii: "-") where previous != UInt8(ascii: "."): break
            case UInt8(ascii: ".")
            where self == .subdomain && previous != UInt8(ascii: ".") && previous != UInt8(ascii: "-"):
                break
            default: return false
            }
            previous = byte
        }
        return previous != UInt8(ascii: "-") && previous != UInt8(ascii: ".")
    }

    /// Throws if the text is no such name.
    package func check(
        _ text: String, at path: @autoclosure () -> FieldPath = FieldPath()
    ) throws(FieldProblem) {
        guard accepts(text) else { throw FieldProblem(path(), "must be \(description), is \(text.quoted)") }
    }

    private var limit: Int { self == .label ? 63 : 253 }

    /// What an error message says is allowed.
    private var description: String {
        switch self {
        case .label: "a DNS label (at most 63 of a-z, 0-9 and -)"
        case .subdomain: "a DNS name (at most 253 of a-z, 0-9, - and .)"
        }
    }
}

extension ObjectID.Kind {
    /// The rule for `metadata.name`.
    package var nameRule: NameRule { self == .service ? .label : .subdomain }

    /// Whether objects of the kind are in a namespace.
    package var isNamespaced: Bool { self == .service || self == .endpointSlice }
}
