import CManifest
import NetworkTypes

/// A field whose value cannot be used.
///
/// It names the node only: the path is found by walking down to it, so that reading good objects costs nothing for it.
package struct FieldError: Error {
    /// The index of the node at fault, or of the map that lacks a field.
    let index: UInt32
    /// The line of that node in the parsed text.
    package let line: Int
    /// The field that the node lacks.
    let missing: StaticString?
    /// What is wrong.
    package let message: String

    package init(node: ManifestNode, missing: StaticString? = nil, message: String) {
        index = node.index
        line = node.line
        self.missing = missing
        self.message = message
    }

    /// The path from the object down, such as `spec.ports[0].port`.
    package func path(from root: ManifestNode) -> String {
        var path = root.path(to: index)
        if let missing { path += path.isEmpty ? "\(missing)" : ".\(missing)" }
        return path
    }
}

extension ManifestNode {
    /// The path down to a node that is below this one.
    package func path(to target: UInt32) -> String {
        var path = ""
        var node = self
        while node.index < target {
            switch node.kind {
            case .scalar: return path
            case .sequence:
                guard let (position, child) = node.elements.enumerated().first(where: { $1.end > target }) else {
                    return path
                }
                path += "[\(position)]"
                node = child
            case .map:
                guard let key = node.keys.first(where: { $0.following.end > target }) else { return path }
                let name = key.text
                if name.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "/") }) {
                    path += "[\(name.printable)]"
                } else {
                    path += path.isEmpty ? name.printable : ".\(name.printable)"
                }
                node = key.following
            }
        }
        return path
    }
}

extension ManifestNode {
    /// What a scalar means.
    package var value: ScalarValue { isQuoted ? .string : ScalarValue(plain: bytes) }

    package var isNull: Bool { kind == .scalar && !isQuoted && value == .null }

    /// How an error message names what is here.
    var noun: String {
        switch kind {
        case .map: "a map"
        case .sequence: "a list"
        case .scalar: value.noun
        }
    }

    package func error(_ message: String) -> FieldError { FieldError(node: self, message: message) }

    package func wrongType(_ expected: String) -> FieldError { error("expected \(expected), found \(noun)") }

    /// The value of a field that must be there.
    package func required(_ key: StaticString) throws(FieldError) -> ManifestNode {
        guard let node = self[key] else { throw FieldError(node: self, missing: key, message: "is missing") }
        return node
    }

    /// This node, which has to be a map.
    package func asMap() throws(FieldError) -> ManifestNode {
        guard kind == .map else { throw wrongType("a map") }
        return self
    }

    package func map(_ key: StaticString) throws(FieldError) -> ManifestNode? { try self[key]?.asMap() }

    /// The entries of a list; none if the field is absent.
    package func list(_ key: StaticString) throws(FieldError) -> Elements {
        guard let node = self[key] else { return noElements }
        guard node.kind == .sequence else { throw node.wrongType("a list") }
        return node.elements
    }

    /// This node, which has to be a string.
    package func asString(_ strings: StringPool? = nil) throws(FieldError) -> String {
        guard kind == .scalar else { throw wrongType("a string") }
        if !isQuoted {
            let value = self.value
            guard value == .string else { throw error("expected a string, found \(value.noun); put it in quotes") }
        }
        return strings?.string(bytes) ?? text
    }

    package func string(_ key: StaticString, _ strings: StringPool? = nil) throws(FieldError) -> String? {
        try self[key]?.asString(strings)
    }

    package func boolean(_ key: StaticString) throws(FieldError) -> Bool? {
        try self[key]?.asBoolean()
    }

    /// This node, which has to be a boolean.
    package func asBoolean() throws(FieldError) -> Bool {
        guard kind == .scalar, case .boolean(let value) = self.value else { throw wrongType("a boolean") }
        return value
    }

    func integer(_ key: StaticString, in range: ClosedRange<Int>) throws(FieldError) -> Int? {
        try self[key]?.asInteger(in: range)
    }

    /// This node, which has to be a whole number of the range.
    package func asInteger(in range: ClosedRange<Int>) throws(FieldError) -> Int {
        guard kind == .scalar else { throw wrongType("a number") }
        switch self.value {
        case .integer(let value?) where range.contains(value): return value
        case .integer: throw error("must be \(range.lowerBound) to \(range.upperBound), is \(text.excerpt)")
        case .ambiguousInteger:
            throw error("\(text.excerpt) is octal to some readers; write it without the leading zero")
        case .number: throw error("expected a whole number, found \(text.excerpt)")
        case .string where isQuoted && Int(text) != nil:
            throw error("expected a number, found a string; remove the quotes")
        case .null, .boolean, .string: throw wrongType("a number")
        }
    }

    func port(_ key: StaticString, from lowest: Int = 1) throws(FieldError) -> UInt16? {
        try integer(key, in: lowest...65535).map { UInt16($0) }
    }

    /// A string that has to be one of an enumeration's; nil if absent or empty.
    package func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: StaticString, _: Choice.Type = Choice.self
    ) throws(FieldError) -> Choice? {
        guard let node = self[key] else { return nil }
        let text = try node.asString()
        if text.isEmpty { return nil }
        guard let choice = Choice(rawValue: text) else {
            let names = Choice.allCases.map(\.rawValue)
            let list = names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
            throw node.error("must be \(list), is \(text.quoted)")
        }
        return choice
    }

    /// This node, which has to be the text of an IP address.
    func asAddress() throws(FieldError) -> IPAddress {
        let text = try asString()
        guard let address = IPAddress(text) else { throw error("\(text.quoted) is not an IP address") }
        return address
    }

    /// This node, which has to be a block of addresses. Host bits may be set, as the API allows in most places.
    func asCIDR() throws(FieldError) -> CIDR {
        let text = try asString().trimmingBlanks
        guard let block = CIDR(text) else { throw error("\(text.quoted) is not a CIDR such as 10.0.0.0/8") }
        return block
    }
}
