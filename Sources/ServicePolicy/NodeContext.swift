import KubernetesModel
import NetworkTypes

/// What policy has to know of the node that it is resolved for.
public struct NodeContext: Hashable, Sendable {
    /// The node's name; endpoints with this `nodeName` are local.
    public var nodeName: String
    /// The node's `topology.kubernetes.io/zone`, for zone hints.
    public var zone: String?

    /// Makes a context.
    public init(nodeName: String, zone: String? = nil) {
        self.nodeName = nodeName
        self.zone = zone
    }
}
