import KubernetesModel

/// An object that an API server told of.
public struct WireObject: Hashable, Sendable {
    /// Kind, namespace and name.
    public var id: ObjectID
    /// `metadata.resourceVersion`.
    public var resourceVersion: String
    /// The object; nil if it is of no use to a dataplane. A finding `invalid-object` then says why.
    public var object: ClusterObject?
    /// What is wrong with the object or doubtful about it.
    public var findings: [Finding] = []

    /// Makes an invalid object, until it is given what is missing.
    public init(id: ObjectID, resourceVersion: String, object: ClusterObject? = nil) {
        self.id = id
        self.resourceVersion = resourceVersion
        self.object = object
    }
}

/// A list of objects of a kind, or a page of it.
public struct ObjectListPage: Hashable, Sendable {
    /// `metadata.resourceVersion`: where a watch goes on from.
    public var resourceVersion = ""
    /// `metadata.continue`: what asks for the next page; empty on the last one.
    public var continueToken = ""
    /// `metadata.remainingItemCount`: how many items are on later pages, if the server tells.
    public var remainingItemCount: Int?
    /// The items in their order.
    public var items: [WireObject] = []

    /// Makes an empty page.
    public init() {}
}
