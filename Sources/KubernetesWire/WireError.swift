/// Bytes that are not what the Kubernetes API sends: cut short, of another encoding, or nonsense.
public struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, one sentence, no trailing period.
    public var description: String

    /// Makes an error.
    public init(_ description: String) { self.description = description }
}
