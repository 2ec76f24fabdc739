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

    /// Whether `spec.externalIPs` of Services are served. The operator may say no (KEP-5707, `AllowServiceExternalIPs`).
    public var servesExternalIPs = true

    /// Whether established TCP connections to endpoints that are gone are reset, where a Service says nothing else
    /// (`--reset-gone-endpoints`).
    public var resetsGoneEndpoints = false

    /// Whether the kernel can hand packets on as they are (`dup`), which direct return needs.
    public var canHandOn = true

    /// What tells a node not to serve external IPs, for people.
    public static let withoutExternalIPs = "AllowServiceExternalIPs is false, or --no-external-ips was given"

    /// Makes a context.
    public init(nodeName: String, zone: String? = nil, addresses: [IPAddress] = []) {
        self.nodeName = nodeName
        self.zone = zone
        self.addresses = addresses
    }
}
