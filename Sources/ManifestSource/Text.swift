/// Equal strings of one load share their storage: 100,000 endpoints name the same few hundred nodes and zones.
///
/// A direct-mapped cache rather than a set: bounded, and a miss costs one allocation, as without it.
package final class StringPool {
    private var slots = [String](repeating: "", count: 4096)

    /// The string with these bytes. Swift keeps up to 15 bytes inline, so only longer ones are pooled.
    func string(_ bytes: UnsafeRawBufferPointer) -> String {
        if bytes.count <= 15 { return String(decoding: bytes, as: UTF8.self) }
        var hash: UInt32 = 2_166_136_261
        for byte in bytes { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        let slot = Int((hash ^ hash >> 16) % 4096)
        if slots[slot].utf8.elementsEqual(bytes) { return slots[slot] }
        let string = String(decoding: bytes, as: UTF8.self)
        slots[slot] = string
        return string
    }
}

extension String {
    /// The text on one line: control characters as `\u{…}`, so that a manifest cannot forge log lines.
    package var printable: String {
        var result = ""
        for scalar in unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator:
                result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// The printable text, cut to 60 characters.
    package var excerpt: String { count <= 60 ? printable : prefix(60).description.printable + "…" }

    /// The excerpt in quotes.
    package var quoted: String { "\"\(excerpt)\"" }

    /// The text without blanks and tabs at its ends.
    package var trimmingBlanks: String {
        var rest = self[...]
        while let first = rest.first, first.isWhitespace { rest = rest.dropFirst() }
        while let last = rest.last, last.isWhitespace { rest = rest.dropLast() }
        return String(rest)
    }
}

/// Rules for names, RFC 1123 as Kubernetes applies it. Names end up in comments of nftables objects and in log lines,
/// so that nothing but these characters may pass.
enum NameRule {
    /// A DNS label, at most 63 characters.
    case label
    /// DNS labels with dots between them, at most 253 characters.
    case subdomain

    func accepts(_ text: String) -> Bool {
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

    private var limit: Int { self == .label ? 63 : 253 }

    /// What an error message says is allowed.
    var description: String {
        switch self {
        case .label: "a DNS label (at most 63 of a-z, 0-9 and -)"
        case .subdomain: "a DNS name (at most 253 of a-z, 0-9, - and .)"
        }
    }
}

extension ManifestNode {
    /// This node, which has to be a name.
    func asName(_ rule: NameRule, _ strings: StringPool? = nil) throws(FieldError) -> String {
        let text = try asString(strings)
        guard rule.accepts(text) else { throw error("must be \(rule.description), is \(text.quoted)") }
        return text
    }
}
