import KubernetesModel

import ManifestSource

/// What is wrong with a configuration file, a flag or the environment.
public struct ConfigurationError: Error, Hashable, Sendable {
    /// The file as it was named, or the flag (`--master`) or variable at fault.
    public var place: String
    /// The line, from 1; nil if it is not about a line.
    public var line: Int?
    /// The path of the field, such as `users[0].user.exec.command`; empty if it is not about a field.
    public var field: String
    /// What is wrong. Never holds the text of a credential.
    public var message: String

    /// Makes an error.
    public init(_ place: String, line: Int? = nil, field: String = "", _ message: String) {
        self.place = place
        self.line = line
        self.field = field
        self.message = message
    }
}

extension ConfigurationError: CustomStringConvertible {
    /// `FILE:LINE: FIELD: what is wrong`, without what is not known.
    public var description: String {
        let line = self.line.map { ":\($0)" } ?? ""
        return "\(place)\(line): " + (field.isEmpty ? message : "\(field): \(message)")
    }
}

/// Reads configuration files.
enum ConfigurationFile {
    /// The bytes of a file.
    static func read(_ path: String) throws(ConfigurationError) -> [UInt8] {
        do throws(FileSystem.Failure) {
            let file = try FileSystem.read(path)
            return withExtendedLifetime(file) { Array(file.bytes) }
        } catch {
            throw ConfigurationError(path, error.problem)
        }
    }

    /// Hands the only document of a YAML or JSON text to `body`.
    ///
    /// - Parameter keepsDuplicates: whether a key may stand twice in one map.
    static func parse<Value>(
        _ bytes: [UInt8], path: String, keepsDuplicates: Bool = false,
        _ body: (ManifestNode) throws(FieldError) -> Value
    ) throws(ConfigurationError) -> Value {
        guard let arena = ManifestArena(keepsDuplicates: keepsDuplicates) else {
            throw ConfigurationError(path, "out of memory")
        }
        var result: Result<Value, ConfigurationError> = .failure(ConfigurationError(path, "is empty"))
        let syntaxError = bytes.withUnsafeBytes { text -> SyntaxError? in
            do throws(SyntaxError) {
                try arena.parse(text) { roots in result = Self.document(roots, path, body) }
                return nil
            } catch {
                return error
            }
        }
        if let syntaxError { throw ConfigurationError(path, line: syntaxError.line, syntaxError.problem) }
        return try result.get()
    }

    private static func document<Value>(
        _ roots: [ManifestNode], _ path: String, _ body: (ManifestNode) throws(FieldError) -> Value
    ) -> Result<Value, ConfigurationError> {
        let documents = roots.filter { !$0.isNull }
        guard let root = documents.first else { return .failure(ConfigurationError(path, "is empty")) }
        if documents.count > 1 {
            return .failure(
                ConfigurationError(path, line: documents[1].line, "has a second document; one is expected"))
        }
        do throws(FieldError) {
            return .success(try body(root))
        } catch {
            return .failure(ConfigurationError(path, line: error.line, field: error.path(from: root), error.message))
        }
    }
}
