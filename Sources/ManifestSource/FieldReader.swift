import CManifest
import KubernetesModel
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
    let missing: String?
    /// What is wrong.
    package let message: String

    package init(node: ManifestNode, missing: String? = nil, message: String) {
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
        guard let node = self[key] else { throw FieldError(node: self, missing: "\(key)", message: "is missing") }
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
    package func asString() throws(FieldError) -> String { try asString(nil) }

    /// The same, with the text shared among equal ones.
    func asString(_ context: DecodeContext?) throws(FieldError) -> String {
        guard kind == .scalar else { throw wrongType("a string") }
        if !isQuoted {
            let value = self.value
            guard value == .string else { throw error("expected a string, found \(value.noun); put it in quotes") }
        }
        return context?.strings.string(bytes) ?? text
    }

    /// The string under a key; nil if it is absent.
    package func string(_ key: StaticString) throws(FieldError) -> String? { try self[key]?.asString() }

    /// The same, with the text shared among equal ones.
    func string(_ key: StaticString, _ context: DecodeContext?) throws(FieldError) -> String? {
        try self[key]?.asString(context)
    }

    /// The entries of a list of strings; none if the field is absent.
    func strings(_ key: StaticString) throws(FieldError) -> [String] {
        var result: [String] = []
        for node in try list(key) { result.append(try node.asString()) }
        return result
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
        case .integer: throw error(FieldRule.outOfRange(text, range))
        case .ambiguousInteger:
            throw error("\(text.excerpt) is octal to some readers; write it without the leading zero")
        case .number: throw error("expected a whole number, found \(text.excerpt)")
        case .string where isQuoted && Int(text) != nil:
            throw error("expected a number, found a string; remove the quotes")
        case .null, .boolean, .string: throw wrongType("a number")
        }
    }

    /// A whole number as the API has them (`int32`); nil if it is absent.
    func number(_ key: StaticString) throws(FieldError) -> Int? {
        try integer(key, in: Int(Int32.min)...Int(Int32.max))
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
    package func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ key: StaticString, _: Choice.Type = Choice.self
    ) throws(FieldError) -> Choice? {
        guard let node = self[key] else { return nil }
        let text = try node.asString()
        return try node.checked(FieldRule.choice(text))
    }

    /// This node, which has to be a name.
    func asName(_ rule: NameRule, _ context: DecodeContext? = nil) throws(FieldError) -> String {
        let text = try asString(context)
        try checked(rule.check(text))
        return text
    }
}
