import KubernetesModel
import NetworkTypes

/// What policy has to know of the node that it is resolved for.
public struct NodeContext: Hashable, Sendable {
    /// The node's name; endpoints with this `nodeName` are local.
    public var nodeName: String
    /// The node's `topology.kubernetes.io/zone`, for zone hints.
    public var zone: String?

    /// The addresses that other hosts reach the node by, of each family the first; for source ranges.
    public var addresses: [IPAddress]

    /// Makes a context.
    public init(nodeName: String, zone: String? = nil, addresses: [IPAddress] = []) {
        self.nodeName = nodeName
        self.zone = zone
        self.addresses = addresses
    }
}
