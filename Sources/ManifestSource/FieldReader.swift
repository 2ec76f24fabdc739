import CManifest
import KubernetesModel
import NetworkTypes

/// A field whose value cannot be used.
///
/// It names the node only: the path is found by walking down to it, so that reading good objects costs nothing for it.
struct FieldError: Error {
    /// The index of the node at fault, or of the map that lacks a field.
    let index: UInt32
    /// The line of that node in the parsed text.
    let line: Int
    /// The field that the node lacks.
    let missing: String?
    /// What is wrong.
    let message: String

    init(node: ManifestNode, missing: String? = nil, message: String) {
        index = node.index
        line = node.line
        self.missing = missing
        self.message = message
    }

    /// The path from the object down, such as `spec.ports[0].port`.
    func path(from root: ManifestNode) -> String {
        var path = root.path(to: index)
        if let missing { path += path.isEmpty ? "\(missing)" : ".\(missing)" }
        return path
    }
}

extension ManifestNode {
    /// The path down to a node that is below this one.
    func path(to target: UInt32) -> String {
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
    var value: ScalarValue { isQuoted ? .string : ScalarValue(plain: bytes) }

    var isNull: Bool { kind == .scalar && !isQuoted && value == .null }

    /// How an error message names what is here.
    var noun: String {
        switch kind {
        case .map: "a map"
        case .sequence: "a list"
        case .scalar: value.noun
        }
    }

    func error(_ message: String) -> FieldError { FieldError(node: self, message: message) }

    func wrongType(_ expected: String) -> FieldError { error("expected \(expected), found \(noun)") }

    /// The value of a field that must be there.
    func required(_ key: StaticString) throws(FieldError) -> ManifestNode {
        guard let node = self[key] else { throw FieldError(node: self, missing: "\(key)", message: "is missing") }
        return node
    }

    /// This node, which has to be a map.
    func asMap() throws(FieldError) -> ManifestNode {
        guard kind == .map else { throw wrongType("a map") }
        return self
    }

    func map(_ key: StaticString) throws(FieldError) -> ManifestNode? { try self[key]?.asMap() }

    /// The entries of a list; none if the field is absent.
    func list(_ key: StaticString) throws(FieldError) -> Elements {
        guard let node = self[key] else { return noElements }
        guard node.kind == .sequence else { throw node.wrongType("a list") }
        return node.elements
    }

    /// This node, which has to be a string.
    func asString(_ context: DecodeContext? = nil) throws(FieldError) -> String {
        guard kind == .scalar else { throw wrongType("a string") }
        if !isQuoted {
            let value = self.value
            guard value == .string else { throw error("expected a string, found \(value.noun); put it in quotes") }
        }
        return context?.strings.string(bytes) ?? text
    }

    func string(_ key: StaticString, _ context: DecodeContext? = nil) throws(FieldError) -> String? {
        try self[key]?.asString(context)
    }

    /// The entries of a list of strings; none if the field is absent.
    func strings(_ key: StaticString) throws(FieldError) -> [String] {
        var result: [String] = []
        for node in try list(key) { result.append(try node.asString()) }
        return result
    }

    func boolean(_ key: StaticString) throws(FieldError) -> Bool? {
        guard let node = self[key] else { return nil }
        guard node.kind == .scalar, case .boolean(let value) = node.value else { throw node.wrongType("a boolean") }
        return value
    }

    func integer(_ key: StaticString, in range: ClosedRange<Int>) throws(FieldError) -> Int? {
        guard let node = self[key] else { return nil }
        guard node.kind == .scalar else { throw node.wrongType("a number") }
        switch node.value {
        case .integer(let value?) where range.contains(value): return value
        case .integer: throw node.error(FieldRule.outOfRange(node.text, range))
        case .ambiguousInteger:
            throw node.error("\(node.text.excerpt) is octal to some readers; write it without the leading zero")
        case .number: throw node.error("expected a whole number, found \(node.text.excerpt)")
        case .string where node.isQuoted && Int(node.text) != nil:
            throw node.error("expected a number, found a string; remove the quotes")
        case .null, .boolean, .string: throw node.wrongType("a number")
        }
    }

    func port(_ key: StaticString, from lowest: Int = 1) throws(FieldError) -> UInt16? {
        try integer(key, in: lowest...65535).map { UInt16($0) }
    }

    /// The value that a rule makes of this node, or the rule's complaint about this node.
    func checked<Value>(_ rule: @autoclosure () throws(FieldProblem) -> Value) throws(FieldError) -> Value {
        do throws(FieldProblem) {
            return try rule()
        } catch {
            throw self.error(error.message)
        }
    }

    /// A string that has to be one of an enumeration's; nil if absent or empty.
    func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: StaticString, _: Choice.Type = Choice.self
    ) throws(FieldError) -> Choice? {
        guard let node = self[key] else { return nil }
        let text = try node.asString()
        return try node.checked(FieldRule.choice(text))
    }

    /// This node, which has to be the text of an IP address.
    func asAddress() throws(FieldError) -> IPAddress {
        let text = try asString()
        return try checked(FieldRule.address(text))
    }

    /// This node, which has to be an address that a Service or an endpoint can have.
    func asServiceAddress(allowingLinkLocal: Bool = false) throws(FieldError) -> IPAddress {
        let text = try asString()
        return try checked(FieldRule.serviceAddress(text, allowingLinkLocal: allowingLinkLocal))
    }

    /// This node, which has to be a block of addresses. Host bits may be set, as the API allows in most places.
    func asCIDR() throws(FieldError) -> CIDR {
        let text = try asString()
        return try checked(FieldRule.block(text))
    }

    /// This node, which has to be a name.
    func asName(_ rule: NameRule, _ context: DecodeContext? = nil) throws(FieldError) -> String {
        let text = try asString(context)
        try checked(rule.check(text))
        return text
    }
}
