/// What has to be computed again after changes of the cluster.
public struct AffectedState: Hashable, Sendable {
    /// The Services that came, changed or went, or whose EndpointSlices did.
    public var services: Set<ObjectKey> = []
    /// Those of which nothing but EndpointSlices changed, with all changes of these, in their order.
    public private(set) var slicesAlone: [ObjectKey: [SliceChange]] = [:]
    /// The Services that came, changed or went themselves.
    private var objects: Set<ObjectKey> = []
    /// The names of the nodes that came, changed or went.
    public var nodes: Set<String> = []
    /// Whether a ServiceCIDR came, changed or went.
    public var serviceCIDRsChanged = false

    private let keepsSlices: Bool

    /// Makes the state after no change.
    ///
    /// - Parameter keepsSlices: whether `slicesAlone` is wanted.
    public init(keepingSlices keepsSlices: Bool = true) { self.keepsSlices = keepsSlices }

    /// Whether any node came, changed or went.
    public var nodeChanged: Bool { !nodes.isEmpty }

    /// Whether nothing has to be computed again.
    public var isEmpty: Bool { services.isEmpty && nodes.isEmpty && !serviceCIDRsChanged }

    /// Notes that a Service came, changed or went.
    mutating func note(service key: ObjectKey) {
        services.insert(key)
        objects.insert(key)
        slicesAlone[key] = nil
    }

    /// Notes that a slice of a Service came, changed or went.
    mutating func note(_ change: SliceChange, of key: ObjectKey) {
        services.insert(key)
        if keepsSlices, !objects.contains(key) { slicesAlone[key, default: []].append(change) }
    }
}

/// A change of an EndpointSlice of a Service: nil stands for one that is not there, or is of another Service.
public struct SliceChange: Hashable, Sendable {
    /// The slice as it was.
    public let old: EndpointSlice?
    /// The slice as it is.
    public let new: EndpointSlice?

    /// Makes a change.
    public init(old: EndpointSlice?, new: EndpointSlice?) {
        self.old = old
        self.new = new
    }
}
