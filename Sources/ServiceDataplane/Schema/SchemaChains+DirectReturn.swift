import Netfilter
import NetworkTypes

/// The marks by which a node tells what another one has handed on: two code points of the pool that RFC 2474 leaves to local use.
public enum HandOnMark {
    /// The packet was handed on to one node.
    public static let alone: UInt8 = 0x2B
    /// The packet was handed on to two nodes, of which one may know its connection.
    public static let twofold: UInt8 = 0x2F
}

/// Why a packet is handed on, and where its rules count it.
public enum HandOnReason: String, Hashable, Sendable, CaseIterable {
    /// To the endpoint of its slot.
    case owner
    /// A copy of a segment in mid-connection, to the endpoint that had the slot before.
    case earlier
    /// An ICMP error about what an endpoint has answered.
    case error

    /// The chains that have rules which hand packets on.
    public static let chains: [String] = ["flows", "clients"].flatMap { name in
        ["direct-\(name)", "direct-further-\(name)", "direct-both-\(name)", "direct-errors-\(name)"]
    }

    /// The reason of a rule that looks into the map of that name; nil if it is none of direct return.
    public init?(map: String) {
        switch map {
        case SetID.directOwners.name: self = .owner
        case SetID.directEarlier.name: self = .earlier
        case SetID.directErrorOwners.name, SetID.directErrorEarlier.name: self = .error
        default: return nil
        }
    }
}

/// The sets of direct return. They are there once a Service asks for it.
enum DirectReturnSets {
    /// Frontend and slot. The modulus is how `nft` shows a slot number.
    private static let slot = SchemaSets.frontend + [.random(modulus: UInt32(SlotTable.slotCount))]

    static let all: [SetDeclaration] = [
        SetDeclaration(.directFrontends, key: SchemaSets.frontend, comment: "frontends with direct return"),
        SetDeclaration(
            .directByAddress, key: SchemaSets.frontend, comment: "those whose clients stay with an endpoint"),
        SetDeclaration(
            .directKept, key: SchemaSets.frontend, comment: "those whose new connections stay on this node"),
        SetDeclaration(.directHere, key: slot, comment: "frontend and slot of an endpoint on this node"),
        SetDeclaration(
            .directTargets, key: slot, data: [.destinationAddress, .destinationPort],
            comment: "frontend and slot: endpoint on this node"),
        SetDeclaration(
            .directOwners, key: slot, data: [.destinationAddress],
            comment: "frontend and slot: address of an endpoint elsewhere"),
        SetDeclaration(
            .directEarlier, key: slot, data: [.destinationAddress],
            comment: "frontend and slot: address of the endpoint elsewhere that had it before"),
        // The same for what ICMP errors bring with them: `nft` takes fields without a name for numbers, not for protocols and ports, and
        // looks into no set of these with them.
        SetDeclaration(
            .directErrorFrontends, key: SchemaSets.embeddedFrontend, comment: "direct-frontends, for ICMP errors"),
        SetDeclaration(
            .directErrorsByAddress, key: SchemaSets.embeddedFrontend, comment: "direct-by-address, for ICMP errors"),
        SetDeclaration(
            .directErrorOwners, key: embeddedSlot, data: [.destinationAddress],
            comment: "direct-owners, for ICMP errors"),
        SetDeclaration(
            .directErrorEarlier, key: embeddedSlot, data: [.destinationAddress],
            comment: "direct-earlier, for ICMP errors"),
    ]

    private static let embeddedSlot = SchemaSets.embeddedFrontend + [.random(modulus: UInt32(SlotTable.slotCount))]
}

/// The chains of direct return: packets from outside for an endpoint on another node are handed on as they are, before anything
/// translates them. Only what conntrack does not know comes here, and of that only what is sent to an external address.
extension SchemaChains {
    /// How a slot is found: by address and port of the client, or under ClientIP affinity by the address alone.
    private enum Spread: CaseIterable {
        case byFlow
        case byAddress

        var name: String { self == .byFlow ? "flows" : "clients" }
        var frontends: SetID { self == .byFlow ? .directFrontends : .directByAddress }
        var errorFrontends: SetID { self == .byFlow ? .directErrorFrontends : .directErrorsByAddress }
        /// The slot of the flow that an ICMP error is about.
        var embeddedSlot: [Selector] {
            let modulus = UInt32(SlotTable.slotCount)
            return SchemaSets.embeddedFrontend + [.embeddedSlot(modulus: modulus, ofAddressAlone: self == .byAddress)]
        }
        var slot: [Selector] {
            let modulus = UInt32(SlotTable.slotCount)
            return SchemaChains.frontend + [.sourceSlot(modulus: modulus, ofAddressAlone: self == .byAddress)]
        }
    }

    /// Leads what is sent to an external address to direct return. Comes before all else that is asked of packets without a flow.
    var toDirectReturn: [Rule] { returnsDirectly ? [[Self.toExternalAddress, .jump("direct")]] : [] }

    /// The chains before translation, each after those that it leads to.
    func directReturn() -> [Chain] {
        guard returnsDirectly else { return [] }
        return Spread.allCases.reversed().flatMap(handOn) + errors() + [
            Chain(
                "direct", comment: "direct return: to external addresses, from outside, without a flow here",
                rules: Spread.allCases.reversed().map { spread in
                    isOutside + [.lookup(Self.frontend, in: spread.frontends), .goto("direct-\(spread.name)")]
                } + [[.connectionState(.invalid), .reportsUnreachable] + isOutside + [.goto("direct-errors")]])
        ]
    }

    /// ICMP errors about what an endpoint has sent to a client. They are sent to the external address, so that the router chooses the node;
    /// conntrack knows those of flows that this node has, and calls the others INVALID. The client of such a flow is the destination of the
    /// packet in the error.
    private func errors() -> [Chain] {
        let handOn = Spread.allCases.map { spread in
            Chain(
                "direct-errors-\(spread.name)", comment: "to the endpoint of the slot, and the one that had it before",
                rules: [
                    Self.lastHop, [.setCodePoint(HandOnMark.alone)],
                    [.duplicate(spread.embeddedSlot, map: .directErrorEarlier), .counter],
                    [.duplicate(spread.embeddedSlot, map: .directErrorOwners), .counter], [.drop],
                ])
        }
        let choice = Spread.allCases.reversed().map { spread in
            [
                .lookup(SchemaSets.embeddedFrontend, in: spread.errorFrontends),
                .goto("direct-errors-\(spread.name)"),
            ] as Rule
        }
        return handOn + [
            Chain(
                "direct-errors", comment: "ICMP errors about answers of which no flow here is known",
                // Handed on already.
                rules: [[.hasCodePoint(HandOnMark.alone), .leave]] + choice)
        ]
    }

    /// `dup` takes one off the TTL and never looks at it: from 0 it would start again with 255. Where a network takes the mark off what it
    /// sends back, this is what ends a circle.
    private static let lastHop: Rule = [.hasHopLimit(1), .drop]

    private func handOn(_ spread: Spread) -> [Chain] {
        let isHere = Statement.lookup(spread.slot, in: .directHere)
        let toOwner: Rule = [.duplicate(spread.slot, map: .directOwners), .counter, .drop]
        return [
            // Handed on by another node: never handed on again. A new flow is served by any endpoint here, for nodes may differ for a
            // moment in who owns a slot.
            Chain(
                "direct-handed-\(spread.name)", comment: "handed on by another node",
                rules: [[isHere, .leave], [.continuesConnection, .drop]]),
            Chain(
                "direct-both-\(spread.name)", comment: "the endpoint that had the slot before has got its copy",
                rules: [toOwner, [.drop]]),
            Chain(
                "direct-further-\(spread.name)", comment: "a segment of a connection that nobody knows here",
                rules: [
                    Self.lastHop,
                    [
                        .setCodePoint(HandOnMark.twofold), .duplicate(spread.slot, map: .directEarlier), .counter,
                        .goto("direct-both-\(spread.name)"),
                    ],
                    [isHere, .leave], [.setCodePoint(HandOnMark.alone)] + toOwner,
                ]),
            Chain(
                "direct-\(spread.name)", comment: "to the endpoint that owns the slot, wherever it is",
                rules: [
                    Self.outsideRanges, [.isDestinationTranslated, .leave],
                    // One of two copies: who knows the connection has let it pass as established.
                    [.hasCodePoint(HandOnMark.twofold), .drop],
                    [.hasCodePoint(HandOnMark.alone), .goto("direct-handed-\(spread.name)")],
                    [.continuesConnection, .goto("direct-further-\(spread.name)")],
                    [.lookup(Self.frontend, in: .directKept), .leave], [isHere, .leave], Self.lastHop,
                    [.setCodePoint(HandOnMark.alone)] + toOwner,
                ]),
        ]
    }

    /// The chains that translate what is served here: by the slot, else by any endpoint of this node, as under Local policy.
    func directTranslation() -> [Chain] {
        guard returnsDirectly else { return [] }
        return Spread.allCases.map { spread in
            Chain(
                "direct-pick-\(spread.name)", comment: "the endpoint of the slot, else the local pool or nothing",
                rules: [[.destinationNAT(spread.slot, map: .directTargets)], [.goto("external-local")]])
        }
    }

    /// Leads new flows to direct return there.
    var toDirectTranslation: [Rule] {
        guard returnsDirectly else { return [] }
        return Spread.allCases.reversed().map { spread in
            isOutside + [.lookup(Self.frontend, in: spread.frontends), .goto("direct-pick-\(spread.name)")]
        }
    }

    /// Keeps the source of what comes from outside. The node's own flows and those of pods have that of their policy.
    var keepsDirectSource: [Rule] {
        guard returnsDirectly else { return [] }
        let protocols: [TransportProtocol] = [.tcp, .udp, .sctp]
        return protocols.map { transport in
            [.originalProtocol(transport), .lookup(Self.originalFrontend, in: .directFrontends), .sourceIsNotLocal]
                + isOutside + [.accept]
        }
    }
}
