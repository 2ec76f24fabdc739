import NetworkTypes
import ServicePolicy

/// Which of the elements of a port's endpoints are made where only some of these change. What says which frontends there are, and what
/// becomes of their packets, is made in any case: it does not grow with the number of endpoints.
struct ElementExtent {
    /// The slots of the cluster pool.
    var clusterSlots: [Int]
    /// The slots of the local pool.
    var localSlots: [Int]
    /// Those of `ResolvedServicePort.usable` that lead back.
    var usable: [Backend]
    /// Those of `ResolvedServicePort.localUsable`.
    var localUsable: [Backend]
    /// Those of `ResolvedServicePort.hairpinAddresses`.
    var hairpin: [IPAddress]
}
