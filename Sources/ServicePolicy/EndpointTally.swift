import NetworkTypes

/// The lists of a Service port that an endpoint can be in. Which of them it is in follows from its traits and from what the
/// others have in common (`EndpointTally`).
public struct EndpointLists: OptionSet, Hashable, Sendable {
    /// One bit for each list.
    public let rawValue: UInt8

    /// Makes lists from their bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Every endpoint that slices name.
    public static let named = EndpointLists(rawValue: 1 << 0)
    /// `EndpointSelection.usable`.
    public static let usable = EndpointLists(rawValue: 1 << 1)
    /// `EndpointSelection.ready`.
    public static let ready = EndpointLists(rawValue: 1 << 2)
    /// `EndpointSelection.clusterPool`.
    public static let cluster = EndpointLists(rawValue: 1 << 3)
    /// `EndpointSelection.localPool`.
    public static let local = EndpointLists(rawValue: 1 << 4)
    /// `EndpointSelection.localUsable`.
    public static let localUsable = EndpointLists(rawValue: 1 << 5)
    /// Those whose address is in `EndpointSelection.hairpinAddresses`.
    public static let hairpin = EndpointLists(rawValue: 1 << 6)
    /// Those that are ready on this node, which a health check port counts.
    public static let readyHere = EndpointLists(rawValue: 1 << 7)

    /// Each list by itself.
    static let all = (0..<8).map { EndpointLists(rawValue: 1 << $0) }
}

/// Counts what the endpoints of a Service port have in common, which decides what an endpoint must be to join each pool.
///
/// It is the only place that knows the rules of the pools. An endpoint that comes or goes costs one count.
struct EndpointTally: Hashable, Sendable {
    /// Those that are ready, whatever they weigh.
    private var readyOfAnyWeight = 0
    private var ready = 0
    private var readyHere = 0
    private var withNodeHints = 0
    private var hintingThisNode = 0
    private var withZoneHints = 0
    private var hintingThisZone = 0

    /// Counts an endpoint.
    ///
    /// - Parameters:
    ///   - traits: those of the entry that speaks for it.
    ///   - change: 1 for an endpoint that comes, -1 for one that goes.
    mutating func count(_ traits: EndpointTraits, by change: Int = 1) {
        guard traits.contains(.ready) else { return }
        readyOfAnyWeight += change
        guard traits.contains(.takesNew) else { return }
        ready += change
        if traits.contains(.onThisNode) { readyHere += change }
        if traits.contains(.hasNodeHints) { withNodeHints += change }
        if traits.contains(.hintsThisNode) { hintingThisNode += change }
        if traits.contains(.hasZoneHints) { withZoneHints += change }
        if traits.contains(.hintsThisZone) { hintingThisZone += change }
    }

    /// What members of a pool have.
    struct Requirements: Hashable, Sendable {
        /// What all members of the cluster pool have.
        var cluster: EndpointTraits = [.servingTerminating, .takesNew]
        /// What all members of the local pool have.
        var local: EndpointTraits = [.onThisNode, .servingTerminating, .takesNew]
        /// Whether any endpoint is ready, whatever it weighs.
        var hasReady = false
    }

    /// What members of the pools have now.
    ///
    /// KEP-2433 and KEP-3015: hints count only if every ready endpoint has them and one names this node (else: its
    /// zone). With partial hints, or none for here, the controller has not caught up, and all ready endpoints serve.
    /// KEP-1669: without any ready endpoint, those that terminate but still serve take over. Each pool decides on its
    /// own. One with weight 0 is in no pool, and none of this asks for it.
    var requirements: Requirements {
        var result = Requirements()
        result.hasReady = readyOfAnyWeight > 0
        if readyHere > 0 { result.local = [.onThisNode, .ready, .takesNew] }
        guard ready > 0 else { return result }
        if withNodeHints == ready, hintingThisNode > 0 {
            result.cluster = [.ready, .takesNew, .hintsThisNode]
        } else if withZoneHints == ready, hintingThisZone > 0 {
            result.cluster = [.ready, .takesNew, .hintsThisZone]
        } else {
            result.cluster = [.ready, .takesNew]
        }
        return result
    }
}

extension EndpointTally.Requirements {
    /// The lists that an endpoint is in.
    func lists(_ traits: EndpointTraits) -> EndpointLists {
        var result: EndpointLists = .named
        if traits.contains(cluster) { result.insert(.cluster) }
        if traits.contains(local) { result.insert(.local) }
        if traits.isSuperset(of: [.ready, .takesNew, .onThisNode]) { result.insert(.readyHere) }
        guard traits.isUsable else { return result }
        result.insert(.usable)
        if !hasReady || traits.contains(.ready) { result.insert(.ready) }
        if traits.contains(.onThisNode) { result.insert(.localUsable) }
        if traits.mayBeOnThisNode { result.insert(.hairpin) }
        return result
    }
}
