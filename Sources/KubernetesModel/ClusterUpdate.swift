/// News from where the objects come from: manifests, or the Kubernetes API.
public struct ClusterUpdate: Sendable, Equatable {
    /// How much of the cluster the source has told by now.
    public enum Readiness: Hashable, Sendable {
        /// The first complete list is still under way: nothing may be written yet.
        case loading
        /// Something could not be read yet: what is known may be written, but nothing removed that no object asks for.
        case partial
        /// Every object is known.
        case complete
    }

    /// What changed; at most one change for each object.
    public var changes: [ClusterChange] = []
    /// All findings of the source that hold now, not only new ones.
    public var findings: [Finding] = []
    /// The Services of which an object is invalid: what the kernel has of them stays as it is.
    public var heldServices: Set<ObjectKey> = []
    /// How much is known.
    public var readiness = Readiness.complete

    /// Makes an update without news.
    public init() {}
}
