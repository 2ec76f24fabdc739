import Netfilter
import NetworkTypes

/// A rule that a packet matched.
public struct TraceStep: Hashable, Sendable {
    /// The point of the packet's way.
    public var point: Chain.Hook.Point
    /// The chain.
    public var chain: String
    /// The position of the rule in the chain, from 0.
    public var index: Int
    /// The rule.
    public var rule: Rule

    /// Names a rule on a packet's way.
    public init(point: Chain.Hook.Point, chain: String, index: Int, rule: Rule) {
        self.point = point
        self.chain = chain
        self.index = index
        self.rule = rule
    }
}

/// One of the things that can become of a packet.
public struct PacketOutcome: Hashable, Sendable {
    /// How a packet is refused.
    public enum Refusal: String, Hashable, Sendable {
        /// A TCP RST.
        case reset
        /// ICMP (or ICMPv6) port unreachable.
        case portUnreachable
    }

    /// The end of the packet's way through the tables.
    public enum Fate: Hashable, Sendable {
        /// Nothing comes back.
        case dropped
        /// The sender is told at once.
        case refused(Refusal)
        /// It is handed on as it is, to the nodes that the routes to these addresses lead to; nothing of it goes on here.
        case handedOn([IPAddress])
        /// It goes on to this address and port; they are those that it was sent to unless it was translated.
        case passed(IPAddress, UInt16)
    }

    /// How likely this is: the probabilities of all outcomes add up to 1.
    public var probability: Double
    /// What becomes of the packet.
    public var fate: Fate
    /// Whether the rules changed where it goes.
    public var isTranslated = false
    /// The rule that gives it an address of the node as its source; nil if the source is kept.
    public var masquerade: TraceStep?
    /// The rules that it matched, in their order.
    public var trace: [TraceStep]
    /// How many rules it was compared with, matching or not: what it costs.
    public var rulesCompared = 0
    /// The priority that it has in the end.
    public var priority: UInt32 = 0

    /// Whether it reaches an endpoint.
    public var reachesEndpoint: Bool { isTranslated && destination != nil }

    /// Where it is handed on to; empty if it is not.
    public var handedOn: [IPAddress] { if case .handedOn(let addresses) = fate { addresses } else { [] } }

    /// Where it goes; nil if it ends at this node's rules.
    public var destination: (address: IPAddress, port: UInt16)? {
        if case .passed(let address, let port) = fate { (address, port) } else { nil }
    }
}
