/// Lists of ports that are equal share their storage: thousands of Services have the one port `http`.
///
/// Direct-mapped caches, as `StringPool` is one.
package struct PortPool: Sendable {
    private static let capacity = 256

    private var ofSlices: [[EndpointPort]] = []
    private var ofServices: [[ServicePort]] = []

    /// Makes an empty pool.
    package init() {}

    /// The object, with its ports shared with objects seen before.
    package mutating func sharing(_ object: ClusterObject) -> ClusterObject {
        switch object {
        case .endpointSlice(var slice):
            guard let known = Self.known(slice.ports, in: &ofSlices) else { return object }
            slice.ports = known
            return .endpointSlice(slice)
        case .service(var service):
            guard let known = Self.known(service.ports, in: &ofServices) else { return object }
            service.ports = known
            return .service(service)
        case .node, .serviceCIDR: return object
        }
    }

    /// The equal list that was seen before; nil if there is none, and this one is kept for the next.
    private static func known<Port: Hashable>(_ ports: [Port], in slots: inout [[Port]]) -> [Port]? {
        guard let first = ports.first else { return nil }
        if slots.isEmpty { slots = [[Port]](repeating: [], count: capacity) }
        let slot = Int(UInt(bitPattern: first.hashValue) % UInt(capacity))
        if slots[slot] == ports { return slots[slot] }
        slots[slot] = ports
        return nil
    }
}
