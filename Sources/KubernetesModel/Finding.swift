/// Something about the user's objects that the user should know: the only channel for objects that are invalid.
///
/// A pure stage never throws on a bad object and never drops one silently; it returns a finding.
public struct Finding: Hashable, Sendable {
    /// How much it matters.
    public enum Severity: Int, Hashable, Sendable, Comparable {
        /// Good to know.
        case info
        /// Works, but not as it seems to be meant.
        case warning
        /// The object, or a part of it, has no effect.
        case error

        /// Info sorts before warning before error.
        public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    /// How much it matters.
    public var severity: Severity
    /// A stable code in kebab case, such as `contested-frontend`.
    public var code: String
    /// The object, if the input could be understood so far.
    public var subject: ObjectID?
    /// Where the object, or the field at fault, stands: `services.yaml:12`, if it came from a file.
    public var location: String?
    /// The field at fault as a path, such as `spec.ports[0].port`; empty if the whole object is.
    public var field: String
    /// The Service that cannot be known whole because of this; nil if it concerns none or only a part that is left out.
    public var heldService: ObjectKey?
    /// What is wrong and what to do about it, one sentence, no trailing period.
    public var message: String

    /// Makes a finding.
    public init(
        _ severity: Severity, code: String, subject: ObjectID?, location: String? = nil, field: String = "",
        message: String
    ) {
        self.severity = severity
        self.code = code
        self.subject = subject
        self.location = location
        self.field = field
        self.message = message
    }
}

extension Finding: CustomStringConvertible {
    /// One line: `services.yaml:12: Service default/web: spec.ports[0].port: message`.
    public var description: String {
        [location, subject?.description, field.isEmpty ? nil : field, message]
            .compactMap { $0 }.joined(separator: ": ")
    }
}
