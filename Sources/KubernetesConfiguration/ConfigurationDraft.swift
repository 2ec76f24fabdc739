import KubernetesModel
import ManifestSource

/// A `KubeProxyConfiguration` on its way: what a file says, and over it what flags say. It remembers where each value
/// is from, so that messages can name file and line, or flag.
public struct ConfigurationDraft: Sendable {
    /// The values so far.
    public private(set) var configuration = KubeProxyConfiguration()
    /// Keys of the file that are not known, or that stand twice. kube-proxy reads such files with a warning.
    public private(set) var warnings: [ConfigurationError] = []
    private var origins: [String: Origin] = [:]
    private let path: String
    /// What is said of flags that the configuration has no key for and that have no effect.
    var inertFlags: [ConfigurationError] = []

    private enum Origin {
        case file(line: Int)
        case flag(String)
    }

    /// Begins with the defaults.
    public init() { path = "" }

    /// Begins with a file's values over the defaults.
    ///
    /// - Parameters:
    ///   - bytes: the text of the file, YAML or JSON.
    ///   - path: the file's name, for messages.
    /// - Throws: if the file is no KubeProxyConfiguration, or a value is not of its key's type.
    public init(_ bytes: [UInt8], path: String) throws(ConfigurationError) {
        self.path = path
        var reader = DraftReader()
        try ConfigurationFile.parse(bytes, path: path, keepsDuplicates: true) { root throws(FieldError) in
            try reader.read(root)
        }
        configuration = reader.configuration
        origins = reader.lines.mapValues { .file(line: $0) }
        for gate in configuration.featureGates.keys { origins["\(Self.gates).\(gate)"] = origins[Self.gates] }
        warnings = reader.warnings.map { ConfigurationError(path, line: $0.line, field: $0.field, $0.message) }
    }

    /// Begins with the values of the file of that name.
    public init(file path: String) throws(ConfigurationError) {
        try self.init(try ConfigurationFile.read(path), path: path)
    }

    /// Takes a flag's value in place of what the file says; of feature gates only those that the flag names.
    ///
    /// - Parameters:
    ///   - key: the path of the key.
    ///   - flag: the flag's name, with its dashes.
    ///   - text: what the flag was given.
    /// - Throws: if the text is invalid for the key.
    public mutating func set(_ key: String, flag: String, to text: String) throws(ConfigurationError) {
        guard let known = KubeProxyConfiguration.key(key) else {
            preconditionFailure("\(key) is no key of a KubeProxyConfiguration")
        }
        let former = configuration.featureGates
        guard known.readFlag(text, &configuration) else {
            throw ConfigurationError(flag, "\(text.quoted) is not \(known.noun)")
        }
        if key == Self.gates {
            for gate in configuration.featureGates.keys { origins["\(key).\(gate)"] = .flag(flag) }
            configuration.featureGates.merge(former) { given, _ in given }
        }
        origins[key] = .flag(flag)
    }

    /// What is said of a key, with the place that its value is from.
    public func message(_ key: String, _ message: String) -> ConfigurationError {
        switch origins[key] {
        case .file(let line): ConfigurationError(path, line: line, field: key, message)
        case .flag(let name): ConfigurationError(name, message)
        case nil where path.isEmpty: ConfigurationError(KubeProxyFlag.forKey(key), message)
        case nil: ConfigurationError(path, field: key, message)
        }
    }

    /// Whether a file or a flag says something of a key.
    public func says(_ key: String) -> Bool { origins[key] != nil }

    /// One message for each key or flag that was set and has no effect. A file's key that says what is the default anyway asks
    /// for nothing, and there is no message for it.
    public var ineffective: [ConfigurationError] {
        let keys = KubeProxyConfiguration.keys.compactMap { key -> ConfigurationError? in
            guard let origin = origins[key.path], key.path != Self.gates else { return nil }
            if case .file = origin, key.isDefault(configuration) { return nil }
            switch key.effect {
            case .none(let reason): return message(key.path, "has no effect: \(reason)")
            case .takes:
                return key.objection(configuration).map { message(key.path, "has no effect: \($0)") }
            }
        }
        return ineffectiveGates + keys + inertFlags
    }

    private static let gates = "featureGates"

    /// One message for each feature gate that Fairlead does not heed, by name.
    private var ineffectiveGates: [ConfigurationError] {
        configuration.featureGates.keys.sorted().compactMap { name in
            guard let reason = FeatureGate.objection(to: name) else { return nil }
            // A flag has no lines and no keys, so that the gate's name belongs to the message.
            if case .flag = origins["\(Self.gates).\(name)"] {
                return message("\(Self.gates).\(name)", "\(name.excerpt) has no effect: \(reason)")
            }
            return message("\(Self.gates).\(name)", "has no effect: \(reason)")
        }
    }
}

extension ManifestNode {
    /// The value of a key of this map that may stand twice: the last one counts. Nil if there is none.
    fileprivate func last(_ key: StaticString) -> ManifestNode? {
        keys.reduce(nil) { $1.equals(key) ? $1.following : $0 }
    }
}

/// Reads the text of a file.
private struct DraftReader {
    var configuration = KubeProxyConfiguration()
    /// The line of each key's value.
    var lines: [String: Int] = [:]
    var warnings: [(line: Int, field: String, message: String)] = []

    private static let apiVersion = "kubeproxy.config.k8s.io/v1alpha1"
    private static let kind = "KubeProxyConfiguration"

    mutating func read(_ root: ManifestNode) throws(FieldError) {
        let map = try root.asMap()
        for (key, expected) in [("apiVersion" as StaticString, Self.apiVersion), ("kind", Self.kind)] {
            guard let value = map.last(key) else { throw map.error(at: key, "is missing") }
            let text = try value.asString()
            if text != expected { throw value.error("must be \(expected), is \(text.quoted)") }
        }
        try readSection(map, path: "")
    }

    private mutating func readSection(_ map: ManifestNode, path section: String) throws(FieldError) {
        var last: [String: UInt32] = [:]
        for key in map.keys {
            if last.updateValue(key.index, forKey: key.text) != nil {
                warn(key, section + key.text, "stands twice; the last one counts")
            }
        }
        for key in map.keys where last[key.text] == key.index {
            try readKey(key, path: section + key.text, isTop: section.isEmpty)
        }
    }

    private mutating func readKey(_ key: ManifestNode, path: String, isTop: Bool) throws(FieldError) {
        let value = key.following
        if let known = KubeProxyConfiguration.key(path) {
            if value.isNull { return }
            try known.read(value, &configuration)
            lines[path] = value.line
        } else if KubeProxyConfiguration.sections.contains(path) {
            if value.isNull { return }
            try readSection(try value.asMap(), path: path + ".")
        } else if key.text == "<<", !key.isQuoted {
            throw key.error("YAML's merge key is not supported here; write the keys out")
        } else if !isTop || !["apiVersion", "kind"].contains(path) {
            warn(key, path, "is not known, and has no effect")
        }
    }

    private mutating func warn(_ node: ManifestNode, _ field: String, _ message: String) {
        warnings.append((node.line, field.excerpt, message))
    }
}
