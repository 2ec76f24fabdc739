import KubernetesModel

/// All that selection needs to know of an endpoint besides its address and port, seen from one node.
///
/// The bits are ordered: of several entries for the same address and port, the one with the greatest raw value counts.
/// The order is total, so the order of slices and endpoints never matters.
struct EndpointTraits: OptionSet, Hashable {
    let rawValue: UInt16

    /// `conditions.terminating` is not true. The highest bit: when a Pod's address has been reused, the entry of the
    /// Pod that lives speaks for the address, even if it is not ready yet.
    static let notTerminating = EndpointTraits(rawValue: 1 << 9)
    /// `conditions.ready` is true or absent.
    static let ready = EndpointTraits(rawValue: 1 << 8)
    /// `conditions.serving` is true or absent while `conditions.terminating` is true (KEP-1669).
    static let servingTerminating = EndpointTraits(rawValue: 1 << 7)
    /// `nodeName` is the node's name. Addresses never make an endpoint local.
    static let onThisNode = EndpointTraits(rawValue: 1 << 6)
    /// `nodeName` is absent.
    static let onNoNode = EndpointTraits(rawValue: 1 << 5)
    /// `hints.forNodes` names the node (KEP-3015).
    static let hintsThisNode = EndpointTraits(rawValue: 1 << 4)
    /// `hints.forNodes` names any node.
    static let hasNodeHints = EndpointTraits(rawValue: 1 << 3)
    /// `hints.forZones` names the node's zone (KEP-2433).
    static let hintsThisZone = EndpointTraits(rawValue: 1 << 2)
    /// `hints.forZones` names any zone.
    static let hasZoneHints = EndpointTraits(rawValue: 1 << 1)
    /// The endpoint's weight is not 0: it takes new connections, if it may otherwise.
    static let takesNew = EndpointTraits(rawValue: 1 << 0)

    /// Whether flows to the endpoint are live flows.
    var isUsable: Bool { !isDisjoint(with: [.ready, .servingTerminating]) }

    /// Whether a connection from the endpoint's address can start on this node. An endpoint that names no node, such as
    /// one of a slice made by hand, may be anywhere.
    var mayBeOnThisNode: Bool { !isDisjoint(with: [.onThisNode, .onNoNode]) }
}

extension EndpointTraits {
    /// What the endpoint is for the node.
    ///
    /// - Parameter weight: that of its slice; nil if the slice gives none.
    init(_ endpoint: Endpoint, weight: UInt16?, node: NodeContext) {
        var traits: EndpointTraits = weight == 0 ? [] : .takesNew
        if endpoint.isReady { traits.insert(.ready) }
        if !endpoint.isTerminating {
            traits.insert(.notTerminating)
        } else if endpoint.isServing {
            traits.insert(.servingTerminating)
        }
        if let name = endpoint.nodeName, !name.isEmpty {
            if name == node.nodeName { traits.insert(.onThisNode) }
        } else {
            traits.insert(.onNoNode)
        }
        if let hints = endpoint.hints { traits.insert(hints, node: node) }
        self = traits
    }

    private mutating func insert(_ hints: Endpoint.Hints, node: NodeContext) {
        if !hints.nodes.isEmpty {
            insert(.hasNodeHints)
            if hints.nodes.contains(node.nodeName) { insert(.hintsThisNode) }
        }
        if !hints.zones.isEmpty {
            insert(.hasZoneHints)
            // A node without the label has no zone; the empty name is no zone either.
            if let zone = node.zone, !zone.isEmpty, hints.zones.contains(zone) { insert(.hintsThisZone) }
        }
    }
}
