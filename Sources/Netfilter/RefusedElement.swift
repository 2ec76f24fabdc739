import NetworkTypes

/// An element that a kernel does not take, while it had nothing against the rest of a transaction as far as it looked.
public struct RefusedElement: Hashable, Sendable {
    /// The family of the table.
    public var family: IPFamily
    /// The name of the set.
    public var set: String
    /// The key, or the first key of an interval.
    public var key: ElementKey
    /// Element and reason in words: `table ip fairlead, set services-4, element 10.96.0.1 . tcp . 80: File exists`.
    public var reason: String

    /// Makes a refusal.
    public init(family: IPFamily, set: String, key: ElementKey, reason: String) {
        self.family = family
        self.set = set
        self.key = key
        self.reason = reason
    }
}
