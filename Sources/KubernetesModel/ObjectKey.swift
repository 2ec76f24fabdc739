/// The namespace and name of a Kubernetes object; the namespace is empty for cluster-scoped kinds.
public struct ObjectKey: Hashable, Sendable, Comparable {
    /// The namespace; empty for cluster-scoped kinds (Node, ServiceCIDR).
    public var namespace: String
    /// The name.
    public var name: String

    /// Makes a key.
    public init(namespace: String = "", name: String) {
        self.namespace = namespace
        self.name = name
    }

    /// Keys sort by namespace, then name.
    public static func < (lhs: ObjectKey, rhs: ObjectKey) -> Bool {
        (lhs.namespace, lhs.name) < (rhs.namespace, rhs.name)
    }
}

extension ObjectKey: CustomStringConvertible {
    /// `namespace/name`, or the bare name of a cluster-scoped object.
    public var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }
}
