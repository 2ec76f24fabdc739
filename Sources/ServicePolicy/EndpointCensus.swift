import KubernetesModel
import NetworkTypes

/// How many endpoints of a Service port each node has: what a load balancer outside the cluster weighs nodes by.
///
/// The counts are those of `EndpointSelection.localPool` on each node, for all nodes at once.
public struct EndpointCensus: Hashable, Sendable {
    /// Ready endpoints whose weight is not 0, by `nodeName`; nodes without one are missing.
    public private(set) var ready: [String: Int] = [:]
    /// Endpoints that terminate but still serve, are not ready (KEP-1669), and whose weight is not 0, by `nodeName`.
    public private(set) var terminating: [String: Int] = [:]
    /// What the ready ones of each node weigh together, in the unit by which all have whole numbers: without weights how many there are.
    public private(set) var readyWeight: [String: Int] = [:]
    /// The same of those that terminate.
    public private(set) var terminatingWeight: [String: Int] = [:]

    /// Counts the endpoints of a Service port.
    ///
    /// Of several entries for the same address and port, the one that lives, then the one that is ready, then the one that
    /// serves speaks for the endpoint, as in the pools of a node. Entries that are equal in this may name several nodes; each
    /// of those takes the endpoint for its own.
    ///
    /// - Parameters:
    ///   - port: The port of the Service.
    ///   - family: The family; an endpoint's family is that of its slice.
    ///   - slices: The slices of the Service, and of no other.
    public init(port: ServicePort, family: IPFamily, slices: [EndpointSlice]) {
        var speakers: [Backend: Speaker] = [:]
        for slice in slices {
            guard case .port(let number) = slice.relevance(for: port, family: family) else { continue }
            for endpoint in slice.endpoints where endpoint.address.family == family {
                let traits = EndpointTraits(endpoint, weight: slice.weight, node: NodeContext(nodeName: ""))
                    .intersection([.notTerminating, .ready, .servingTerminating])
                let backend = Backend(address: endpoint.address, port: number)
                let weight = slice.weight ?? EndpointSlice.usualWeight
                var speaker = speakers[backend] ?? Speaker(traits: traits)
                if traits.rawValue > speaker.traits.rawValue { speaker = Speaker(traits: traits) }
                if traits == speaker.traits, let name = endpoint.nodeName, !name.isEmpty {
                    speaker.nodes[name] = max(speaker.nodes[name] ?? 0, weight)
                }
                speakers[backend] = speaker
            }
        }
        let usable = speakers.values.filter(\.traits.isUsable)
        let unit = WeightUnit.of(usable.lazy.flatMap(\.nodes.values))
        for speaker in usable {
            for (node, weight) in speaker.nodes where weight > 0 {
                let weight = Int(weight) / unit
                if speaker.traits.contains(.ready) {
                    ready[node, default: 0] += 1
                    readyWeight[node, default: 0] += weight
                } else {
                    terminating[node, default: 0] += 1
                    terminatingWeight[node, default: 0] += weight
                }
            }
        }
    }

    /// What is known of an endpoint, and the nodes that may take it for their own.
    private struct Speaker {
        var traits: EndpointTraits
        /// With the weight of the endpoint on each.
        var nodes: [String: UInt16] = [:]
    }
}
