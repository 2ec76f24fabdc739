import KubernetesModel
import NetworkTypes

/// The endpoints of one Service port in one family, as one node may use them.
///
/// Source of the rules: the API `discovery.k8s.io/v1`, KEP-1669 (terminating endpoints), KEP-2433 (zone hints),
/// KEP-3015 (node hints), KEP-2086 and `externalTrafficPolicy` (local endpoints).
public struct EndpointSelection: Hashable, Sendable {
    /// For the Cluster policy: the ready endpoints that hints leave; if none is ready, all that terminate but still
    /// serve. One with weight 0 counts as not there. Sorted, each as often as its weight asks for slots: once where all weigh the same.
    /// Empty exactly if no endpoint anywhere takes new connections.
    public var clusterPool: [Backend] = []
    /// For the Local policy: the ready endpoints on this node; if there is none, those on this node that terminate but
    /// still serve, even while a remote one is ready. Hints never apply. Weights, order and slots as in `clusterPool`.
    public var localPool: [Backend] = []
    /// Whether `localPool` has ready endpoints.
    public var isLocalPoolReady = false
    /// Those of `usable` on this node. Sorted, each once.
    public var localUsable: [Backend] = []
    /// Every endpoint on any node that is ready, or terminates but still serves. Sorted, each once.
    public var usable: [Backend] = []
    /// Every endpoint on any node that is ready, hints and weights ignored; if none is, `usable`. Sorted, each once. Only if asked for.
    public var ready: [Backend]?
    /// What direct return spreads connections over. Only if asked for.
    public var spread: DirectReturn.Spread?
    /// Whether a pool has too few slots for its weights: some shares are off by more than 1 %.
    public var approximatesWeights = false
    /// Every endpoint that slices name, whatever its conditions. Sorted, each once. Only if asked for.
    public var named: [Backend]?
    /// The first of `usable` whose slice names no node for it.
    public var withoutNode: Backend?
    /// The addresses of usable endpoints that are on this node or that name no node. Sorted, each once.
    public var hairpinAddresses: [IPAddress] = []

    /// Makes an empty selection.
    public init() {}

    /// Selects the endpoints of a Service port.
    ///
    /// Slices of another family, for names (`FQDN`), for a headless Service, or without a port of the same name and
    /// protocol are ignored. The order of slices and endpoints does not matter.
    ///
    /// - Parameters:
    ///   - port: The port of the Service.
    ///   - family: The family; an endpoint's family is that of its slice.
    ///   - slices: The slices of the Service, and of no other.
    ///   - node: The node that the selection is for.
    ///   - wantsReady: whether `ready` is asked for.
    ///   - wantsNamed: whether `named` is.
    ///   - wantsSpread: whether `spread` is.
    public init(
        port: ServicePort, family: IPFamily, slices: [EndpointSlice], node: NodeContext, wantsReady: Bool = false,
        wantsNamed: Bool = false, wantsSpread: Bool = false
    ) {
        let roster = EndpointRoster(port: port, family: family, slices: slices, node: node)
        if wantsNamed { named = [] }
        if wantsReady { ready = [] }
        if wantsSpread { spread = DirectReturn.Spread(roster) }
        guard !roster.candidates.isEmpty else { return }
        usable = roster.backends { $0.isUsable }
        if wantsNamed { named = roster.backends(sharing: usable) { _ in true } }
        if wantsReady {
            let found = roster.backends(sharing: usable) { $0.contains(.ready) }
            ready = found.isEmpty ? usable : found
        }
        // In most clusters all pools are the same; they then share one buffer.
        clusterPool = pool(roster, roster.clusterRequirement)
        localPool = pool(roster, roster.localRequirement)
        isLocalPoolReady = roster.localRequirement.contains(.ready)
        localUsable = roster.backends { $0.isUsable && $0.contains(.onThisNode) }
        hairpinAddresses = roster.hairpinAddresses
        withoutNode = roster.candidates.first { $0.traits.isUsable && $0.traits.contains(.onNoNode) }?.backend
    }

    /// The endpoints with the traits, as often as their weights say.
    private mutating func pool(_ roster: EndpointRoster, _ requirement: EndpointTraits) -> [Backend] {
        let members = roster.backends(sharing: usable) { $0.contains(requirement) }
        guard roster.hasWeights else { return members }
        let slots = SlotCounts(roster.candidates.filter { $0.traits.contains(requirement) }.map(\.weight))
        if !slots.isExact { approximatesWeights = true }
        let count = slots.counts.reduce(0, +)
        if count == members.count { return members }
        var result: [Backend] = []
        result.reserveCapacity(count)
        for (member, count) in zip(members, slots.counts) { result += repeatElement(member, count: count) }
        return result
    }
}

extension EndpointRoster {
    /// The backends whose traits pass, in an array of the exact size.
    ///
    /// - Parameter known: A superset of the result; it is the result if no backend is missing.
    func backends(sharing known: [Backend]? = nil, where passes: (EndpointTraits) -> Bool) -> [Backend] {
        var count = 0
        for candidate in candidates where passes(candidate.traits) { count += 1 }
        if let known, known.count == count { return known }
        var result: [Backend] = []
        result.reserveCapacity(count)
        for candidate in candidates where passes(candidate.traits) { result.append(candidate.backend) }
        return result
    }

    fileprivate var hairpinAddresses: [IPAddress] {
        Backend.addresses(
            of: candidates.lazy.filter { $0.traits.isUsable && $0.traits.mayBeOnThisNode }.map(\.backend))
    }
}
