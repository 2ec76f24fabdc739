import KubernetesModel
import ManifestSource

/// A type that a configuration's field can have.
protocol ConfigurationValue: Equatable, Sendable {
    /// Reads a node that is not null.
    static func read(_ node: ManifestNode) throws(FieldError) -> Self
    /// Reads what a flag was given; nil if it is invalid.
    static func read(flag text: String) -> Self?
    /// What a flag with this type expects, for the error.
    static var noun: String { get }
    /// Whether it is what Go has for a field that nobody set.
    var isZero: Bool { get }
    /// As YAML on one line.
    var yaml: String { get }
    /// As the value of a flag.
    var flagText: String { get }
}

extension ConfigurationValue {
    var flagText: String { yaml }
}

extension String: ConfigurationValue {
    static func read(_ node: ManifestNode) throws(FieldError) -> String { try node.asString() }
    static func read(flag text: String) -> String? { text }
    static var noun: String { "a text" }
    var isZero: Bool { isEmpty }
    var yaml: String { JSONText.string(self) }
    var flagText: String { self }
}

extension Bool: ConfigurationValue {
    static func read(_ node: ManifestNode) throws(FieldError) -> Bool { try node.asBoolean() }

    /// What Go's flags take for a boolean.
    static func read(flag text: String) -> Bool? {
        switch text {
        case "1", "t", "T", "true", "TRUE", "True": true
        case "0", "f", "F", "false", "FALSE", "False": false
        default: nil
        }
    }

    static var noun: String { "true or false" }
    var isZero: Bool { !self }
    var yaml: String { self ? "true" : "false" }
}

extension Int: ConfigurationValue {
    static func read(_ node: ManifestNode) throws(FieldError) -> Int {
        try node.asInteger(in: Int(Int32.min)...Int(Int32.max))
    }

    static func read(flag text: String) -> Int? { Int32(text).map { Int($0) } }
    static var noun: String { "a whole number" }
    var isZero: Bool { self == 0 }
    var yaml: String { String(self) }
}

extension Double: ConfigurationValue {
    static func read(_ node: ManifestNode) throws(FieldError) -> Double {
        switch node.kind == .scalar ? node.value : .null {
        case .integer, .number:
            guard let value = Double(node.text), value.isFinite else { throw node.wrongType("a plain number") }
            return value
        default: throw node.wrongType("a number")
        }
    }

    static func read(flag text: String) -> Double? { Double(text).flatMap { $0.isFinite ? $0 : nil } }
    static var noun: String { "a number" }
    var isZero: Bool { self == 0 }
    var yaml: String { Int(exactly: self).map(String.init) ?? String(self) }
}

extension GoDuration: ConfigurationValue {
    static func read(_ node: ManifestNode) throws(FieldError) -> GoDuration {
        let text = try node.asString()
        guard let value = GoDuration(text) else { throw node.error("\(text.quoted) is not \(noun)") }
        return value
    }

    static func read(flag text: String) -> GoDuration? { GoDuration(text) }
    static var noun: String { "a duration such as 30s or 1h30m" }
    var yaml: String { description }
}

extension Optional: ConfigurationValue where Wrapped: ConfigurationValue {
    static func read(_ node: ManifestNode) throws(FieldError) -> Wrapped? { try Wrapped.read(node) }
    static func read(flag text: String) -> Wrapped?? { Wrapped.read(flag: text).map { .some($0) } }
    static var noun: String { Wrapped.noun }
    var isZero: Bool { self?.isZero ?? true }
    var yaml: String { self?.yaml ?? "null" }
    var flagText: String { self?.flagText ?? "" }
}

extension [String]: ConfigurationValue {
    static func read(_ node: ManifestNode) throws(FieldError) -> [String] {
        guard node.kind == .sequence else { throw node.wrongType("a list") }
        var list: [String] = []
        for element in node.elements { list.append(try element.asString()) }
        return list
    }

    static func read(flag text: String) -> [String]? { text.split(separator: ",").map(String.init) }
    static var noun: String { "a list separated by commas" }
    var isZero: Bool { isEmpty }
    var yaml: String { "[" + map(\.yaml).joined(separator: ", ") + "]" }
    var flagText: String { "[" + joined(separator: ",") + "]" }
}

extension [String: Bool]: ConfigurationValue {
    static func read(_ node: ManifestNode) throws(FieldError) -> [String: Bool] {
        var map: [String: Bool] = [:]
        for key in try node.asMap().keys { map[key.text] = try key.following.asBoolean() }
        return map
    }

    static func read(flag text: String) -> [String: Bool]? {
        var map: [String: Bool] = [:]
        for pair in text.split(separator: ",") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, let value = Bool.read(flag: String(parts[1])) else { return nil }
            map[String(parts[0])] = value
        }
        return map
    }

    static var noun: String { "a list such as A=true,B=false" }
    var isZero: Bool { isEmpty }
    var yaml: String {
        "{" + sorted { $0.key < $1.key }.map { "\($0.key.yaml): \($0.value)" }.joined(separator: ", ") + "}"
    }
    var flagText: String { sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",") }
}

/// `logging.vmodule`: the verbosity of log lines from kube-proxy's source files.
public struct ModuleVerbosities: Hashable, Sendable {
    /// The files, and how much of them is logged.
    public struct Item: Hashable, Sendable {
        /// `filePattern`.
        public var filePattern: String
        /// `verbosity`.
        public var verbosity: Int
    }

    /// The list.
    public var items: [Item] = []
}

extension ModuleVerbosities: ConfigurationValue {
    static func read(_ node: ManifestNode) throws(FieldError) -> ModuleVerbosities {
        guard node.kind == .sequence else { throw node.wrongType("a list") }
        var list = ModuleVerbosities()
        for element in node.elements {
            let pattern = try element.asMap().required("filePattern")
            let text = try pattern.asString()
            if text.isEmpty || text.contains("=") || text.contains(",") {
                throw pattern.error("must be a pattern without = and commas, is \(text.quoted)")
            }
            let verbosity = try element["verbosity"]?.asInteger(in: 0...Int(Int32.max)) ?? 0
            list.items.append(Item(filePattern: text, verbosity: verbosity))
        }
        return list
    }

    static func read(flag text: String) -> ModuleVerbosities? {
        var list = ModuleVerbosities()
        for pair in text.split(separator: ",") {
            let parts = pair.split(separator: "=", omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, let verbosity = UInt32(parts[1]) else { return nil }
            list.items.append(Item(filePattern: String(parts[0]), verbosity: Int(verbosity)))
        }
        return list
    }

    static var noun: String { "a list such as proxier=4" }
    var isZero: Bool { items.isEmpty }
    var yaml: String {
        let texts = items.map { "{filePattern: \($0.filePattern.yaml), verbosity: \($0.verbosity)}" }
        return "[" + texts.joined(separator: ", ") + "]"
    }
    var flagText: String { items.map { "\($0.filePattern)=\($0.verbosity)" }.joined(separator: ",") }
}

/// `logging.flushFrequency`: a duration, or a number of nanoseconds.
public struct FlushFrequency: Hashable, Sendable {
    /// The duration.
    public var value: GoDuration

    init(_ value: GoDuration) { self.value = value }
}

extension FlushFrequency: ConfigurationValue {
    static func read(_ node: ManifestNode) throws(FieldError) -> FlushFrequency {
        if node.kind == .scalar, case .integer(let nanoseconds?) = node.value {
            return FlushFrequency(GoDuration(nanoseconds: Int64(nanoseconds)))
        }
        return FlushFrequency(try GoDuration.read(node))
    }

    static func read(flag text: String) -> FlushFrequency? { GoDuration(text).map { FlushFrequency($0) } }
    static var noun: String { GoDuration.noun }
    var isZero: Bool { value.isZero }
    var yaml: String { value.yaml }
}

/// A size such as `512`, `1K` or `2Ki`.
public struct Quantity: Hashable, Sendable {
    /// As it was written.
    public var text: String

    init(_ text: String) { self.text = text }
}

extension Quantity: ConfigurationValue {
    static func read(_ node: ManifestNode) throws(FieldError) -> Quantity {
        guard node.kind == .scalar, let quantity = read(flag: node.text) else {
            throw node.kind == .scalar ? node.error("\(node.text.quoted) is not \(noun)") : node.wrongType(noun)
        }
        return quantity
    }

    static func read(flag text: String) -> Quantity? {
        let number = text.prefix { $0.isNumber || $0 == "." }
        let suffixes = ["", "k", "K", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
        guard Double(number) != nil, suffixes.contains(String(text.dropFirst(number.count))) else { return nil }
        return Quantity(text)
    }

    static var noun: String { "a size such as 512 or 2Ki" }
    var isZero: Bool { text.allSatisfy { "0.".contains($0) } }
    var yaml: String { text.yaml }
    var flagText: String { text }
}
