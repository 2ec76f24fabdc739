import KubernetesModel
import ManifestSource

/// What a key of kube-proxy's configuration, or one of its flags, does in Fairlead.
public enum ConfigurationEffect: Hashable, Sendable {
    /// It takes effect; says how.
    case takes(String)
    /// It has none; says why.
    case none(String)
}

extension KubeProxyConfiguration {
    /// A key of the configuration.
    public struct Key: Sendable {
        /// The path down to it, such as `conntrack.maxPerCore`.
        public let path: String
        /// What it does in Fairlead.
        public let effect: ConfigurationEffect
        /// Why a key that takes effect has none in this configuration; nil if it has.
        let objection: @Sendable (KubeProxyConfiguration) -> String?

        let read: @Sendable (ManifestNode, inout KubeProxyConfiguration) throws(FieldError) -> Void
        /// Takes what a flag was given; false if that is invalid.
        let readFlag: @Sendable (String, inout KubeProxyConfiguration) -> Bool
        let noun: String
        /// Whether it is a text, or a list or map of texts.
        let isOfTexts: Bool
        let isDefault: @Sendable (KubeProxyConfiguration) -> Bool
        let yaml: @Sendable (KubeProxyConfiguration) -> String
        /// The value as a flag's, as Go prints it.
        let flagText: @Sendable (KubeProxyConfiguration) -> String

        /// - Parameter zeroIsValue: whether zero is a value of its own rather than the default.
        init<Value: ConfigurationValue>(
            _ path: String, _ field: any WritableKeyPath<KubeProxyConfiguration, Value> & Sendable,
            _ effect: ConfigurationEffect, zeroIsValue: Bool = false,
            unless objection: @escaping @Sendable (KubeProxyConfiguration) -> String? = { _ in nil }
        ) {
            self.path = path
            self.effect = effect
            self.objection = objection
            noun = Value.noun
            isOfTexts =
                Value.self == String.self || Value.self == [String].self || Value.self == [String: Bool].self
                || Value.self == ModuleVerbosities.self
            read = { node, configuration throws(FieldError) in
                let value = try Value.read(node)
                if zeroIsValue || !value.isZero { configuration[keyPath: field] = value }
            }
            readFlag = { text, configuration in
                guard let value = Value.read(flag: text) else { return false }
                configuration[keyPath: field] = value
                return true
            }
            isDefault = { $0[keyPath: field] == KubeProxyConfiguration()[keyPath: field] }
            yaml = { $0[keyPath: field].yaml }
            flagText = { $0[keyPath: field].flagText }
        }
    }

    /// The key at a path.
    public static func key(_ path: String) -> Key? { keysByPath[path] }

    static let keysByPath = Dictionary(uniqueKeysWithValues: keys.map { ($0.path, $0) })

    /// The paths of the maps that hold keys, such as `logging` and `logging.options`.
    static let sections: Set<String> = {
        var sections: Set<String> = []
        for key in keys {
            var path = key.path[...]
            while let dot = path.lastIndex(of: ".") {
                path = path[..<dot]
                sections.insert(String(path))
            }
        }
        return sections
    }()
}
