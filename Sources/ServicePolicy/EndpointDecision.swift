import KubernetesModel
import NetworkTypes

/// Why an entry of an EndpointSlice is in a pool of a Service port, or is not.
public enum EndpointDecision: String, Hashable, Sendable, CaseIterable {
    /// In the pool, and ready.
    case used
    /// In the pool although it terminates: it still serves, and nothing that is ready could be in the pool (KEP-1669).
    case usedWhileTerminating
    /// Out: neither `conditions.ready` nor serving while it terminates.
    case notReady
    /// Out: it terminates, and the pool has ready endpoints.
    case terminatingNotNeeded
    /// Out: its slice has weight 0 (`EndpointSlice.weight`). Connections that it has go on.
    case drained
    /// Out of the local pool: on another node, or on none.
    case otherNode
    /// Out of the cluster pool: `hints.forNodes` names only other nodes (KEP-3015).
    case hintedToOtherNodes
    /// Out of the cluster pool: `hints.forZones` names only other zones (KEP-2433).
    case hintedToOtherZones
    /// Out: another entry with the same address and port speaks for the endpoint.
    case duplicate
    /// Out: the slice has no port with the name and protocol of the Service port.
    case noPort
    /// Out: the slice has the port without a number.
    case openPort
    /// Out: the address, or the `addressType` of the slice, is of another family, or a name.
    case otherFamily
    /// Out: the slice has the label `service.kubernetes.io/headless`.
    case headlessSlice
    /// Out: the slice has the label `service.kubernetes.io/service-proxy-name`.
    case otherProxySlice

    /// Whether the endpoint is in the pool.
    public var isUsed: Bool { self == .used || self == .usedWhileTerminating }
}

/// What became of one entry of `endpoints` of an EndpointSlice, for one port of its Service in one family.
public struct EndpointExplanation: Hashable, Sendable {
    /// The slice.
    public var slice: ObjectKey
    /// The position in `endpoints`.
    public var index: Int
    /// The endpoint's address.
    public var address: IPAddress
    /// The port that the slice gives the Service port; nil if it gives none.
    public var port: UInt16?
    /// The endpoint's `nodeName`.
    public var nodeName: String?
    /// The weight that its slice gives it; nil if it gives none.
    public var weight: UInt16?
    /// In or out of `EndpointSelection.clusterPool`.
    public var cluster: EndpointDecision
    /// In or out of `EndpointSelection.localPool`.
    public var local: EndpointDecision
    /// Whether the entry makes a member of `EndpointSelection.usable`.
    public var isUsable: Bool
}

extension EndpointSelection {
    /// Says for every entry of the slices why it is in the pools of a Service port, or is not.
    ///
    /// The entries that are in make exactly the selection with the same arguments.
    ///
    /// - Parameters:
    ///   - port: The port of the Service.
    ///   - family: The family.
    ///   - slices: The slices of the Service, and of no other.
    ///   - node: The node that the selection is for.
    /// - Returns: One explanation for each entry, in the order of `slices` and their `endpoints`.
    public static func explain(
        port: ServicePort, family: IPFamily, slices: [EndpointSlice], node: NodeContext
    ) -> [EndpointExplanation] {
        let roster = EndpointRoster(port: port, family: family, slices: slices, node: node)
        var seen: Set<Backend> = []
        var result: [EndpointExplanation] = []
        for slice in slices {
            let relevance = slice.relevance(for: port, family: family)
            for (index, endpoint) in slice.endpoints.enumerated() {
                var entry = EndpointExplanation(
                    slice: slice.key, index: index, address: endpoint.address, nodeName: endpoint.nodeName,
                    weight: slice.weight, cluster: .otherFamily, local: .otherFamily, isUsable: false)
                switch relevance {
                case .none(let decision): (entry.cluster, entry.local) = (decision, decision)
                case .port(let number):
                    entry.port = number
                    if endpoint.address.family == family {
                        let traits = EndpointTraits(endpoint, weight: slice.weight, node: node)
                        entry.decide(by: roster, traits: traits, port: number, seen: &seen)
                    }
                }
                result.append(entry)
            }
        }
        return result
    }
}

extension EndpointExplanation {
    fileprivate mutating func decide(
        by roster: EndpointRoster, traits: EndpointTraits, port: UInt16, seen: inout Set<Backend>
    ) {
        let backend = Backend(address: address, port: port)
        let speaker = roster.candidate(backend)
        guard speaker?.traits == traits, speaker?.weight == weight ?? EndpointSlice.usualWeight,
            seen.insert(backend).inserted
        else {
            (cluster, local) = (.duplicate, .duplicate)
            return
        }
        cluster = roster.clusterDecision(traits)
        local = roster.localDecision(traits)
        isUsable = traits.isUsable
    }
}

extension EndpointRoster {
    fileprivate func clusterDecision(_ traits: EndpointTraits) -> EndpointDecision {
        if traits.contains(clusterRequirement) { return traits.contains(.ready) ? .used : .usedWhileTerminating }
        if traits.isUsable, !traits.contains(.takesNew) { return .drained }
        if traits.contains(.ready) {
            return clusterRequirement.contains(.hintsThisNode) ? .hintedToOtherNodes : .hintedToOtherZones
        }
        return traits.contains(.servingTerminating) ? .terminatingNotNeeded : .notReady
    }

    fileprivate func localDecision(_ traits: EndpointTraits) -> EndpointDecision {
        if traits.contains(localRequirement) { return traits.contains(.ready) ? .used : .usedWhileTerminating }
        if !traits.isUsable { return .notReady }
        if !traits.contains(.takesNew), traits.contains(.onThisNode) { return .drained }
        return traits.contains(.onThisNode) ? .terminatingNotNeeded : .otherNode
    }
}
