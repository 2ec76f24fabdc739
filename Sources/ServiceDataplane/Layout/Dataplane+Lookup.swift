import KubernetesModel
import NetworkTypes
import ServicePolicy

/// What the state says of single frontends, for explanations.
extension Dataplane {
    /// The Services that claim a frontend, the one that serves it first; empty if it is no frontend.
    ///
    /// - Parameter address: nil for a node port.
    public func claimants(
        of address: IPAddress?, _ port: UInt16, _ transport: TransportProtocol, _ family: IPFamily
    ) -> [ObjectKey] {
        claims.claimants(Claim(address: address, port: port, transport, family))
    }

    /// A Service as policy resolved it, with its pools in the order of their slots; nil if it is not served.
    public func resolved(_ key: ObjectKey) -> ResolvedService? { record(key)?.resolved }
}
