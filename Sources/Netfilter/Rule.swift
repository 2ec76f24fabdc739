import NetworkTypes

/// One part of a rule, as `nft` writes it: a match or a statement.
public enum Statement: Hashable, Sendable {
    /// A state of conntrack (`ct state`).
    public enum ConnectionState: String, Hashable, Sendable {
        /// The first packet of a flow.
        case new
        /// A packet that fits no flow.
        case invalid
        /// A packet of a flow that has been answered.
        case established
    }

    /// The concatenation is (or, negated, is not) a key of the set.
    case lookup([Selector], set: String, negated: Bool = false)
    /// `ct state X`.
    case connectionState(ConnectionState)
    /// `ct state != X`.
    case connectionStateIsNot(ConnectionState)
    /// `ct status dnat`: the destination of the flow was translated.
    case isDestinationTranslated
    /// `ct direction reply`: the packet goes against the direction in which the flow began.
    case isReply
    /// `ct status confirmed`: a packet of the flow has passed all hooks before this one.
    case isConfirmed
    /// `meta l4proto X`.
    case transport(TransportProtocol)
    /// `ct protocol X`.
    case originalProtocol(TransportProtocol)
    /// `fib saddr type local`: the source is an address of this node.
    case sourceIsLocal
    /// `fib saddr type != local`: the source is not an address of this node.
    case sourceIsNotLocal
    /// `fib daddr type != local`: the destination is not an address of this node.
    case destinationIsNotLocal
    /// `iifname` is, or is not, a name, or begins with it.
    case inputInterface(String, isPrefix: Bool, negated: Bool)
    /// `iif != 0`: the packet came through an interface that the hook is told of.
    case hasInputInterface
    /// `counter`.
    case counter
    /// `meta priority != none`: the packet has a priority.
    case hasPriority
    /// `meta priority &`: the packet's priority has all of these bits.
    case priorityHasBits(UInt32)
    /// `meta priority set`: the packet priority becomes what the map holds; no match where the map has no such key.
    case setPriority([Selector], map: String)
    /// `meta priority set 0:0`.
    case resetPriority
    /// `vmap`: goes to the chain that the map has for the concatenation; no match where the map has no such key.
    case dispatch([Selector], map: String)
    /// `update`: the map holds the data under the key from now on, for so many seconds. An entry that is there already
    /// keeps its data and lives on. Without data it is a set.
    case update([Selector], map: String, data: [Selector], seconds: Int)
    /// `dnat to` an address from one map and a port from another, both under the same key.
    case destinationNATFromTwo([Selector], addresses: String, ports: String)
    /// `dnat to` what the map holds for the concatenation; no match where the map has no such key.
    case destinationNAT([Selector], map: String)
    /// `masquerade fully-random`.
    case masquerade
    /// `dup to` the address that the map holds for the concatenation: a copy of the packet, as it is, is sent to whatever the route to
    /// that address leads to, with a TTL that is smaller by one. No match where the map has no such key.
    case duplicate([Selector], map: String)
    /// `dscp`: the six bits of the differentiated services code point (RFC 2474) have this value.
    case hasCodePoint(UInt8)
    /// `dscp set`: the packet gets another code point; the two bits of ECN stay.
    case setCodePoint(UInt8)
    /// `ip ttl`, `ip6 hoplimit`: how many routers the packet may still pass.
    case hasHopLimit(UInt8)
    /// `tcp flags`: of SYN, ACK, RST and FIN not SYN alone: a segment of a connection that has begun.
    case continuesConnection
    /// `icmp type`, `icmpv6 type`: an ICMP error that says that a packet did not reach its destination, or was too large for the way, of
    /// IPv4 only if the header of that packet has no options. Of IPv6 these are two types, of IPv4 one (RFC 792, RFC 1191, RFC 4443).
    case reportsUnreachable
    /// `reject with tcp reset`.
    case rejectWithReset
    /// `reject`: ICMP port unreachable.
    case reject
    /// `accept`.
    case accept
    /// `drop`.
    case drop
    /// `return`: to the rule behind the `jump` that led here.
    case leave
    /// `jump`: comes back if the chain has no verdict.
    case jump(String)
    /// `goto`: does not come back here.
    case goto(String)
}

/// A rule: its parts in order.
public typealias Rule = [Statement]

/// A chain and its rules.
public struct Chain: Hashable, Sendable {
    /// Where a base chain is attached.
    public struct Hook: Hashable, Sendable {
        /// The type of a base chain.
        public enum Kind: String, Hashable, Sendable {
            /// Sees every packet.
            case filter
            /// Sees the first packet of a flow and may translate it.
            case nat
        }

        /// The point of the packet's way; the raw value is the kernel's number.
        public enum Point: UInt32, Hashable, Sendable {
            /// Packets that arrive, before routing.
            case prerouting = 0
            /// Packets that the node itself sends.
            case output = 3
            /// Packets that leave, after routing.
            case postrouting = 4

            /// The `nft` name.
            public var name: String {
                switch self {
                case .prerouting: "prerouting"
                case .output: "output"
                case .postrouting: "postrouting"
                }
            }
        }

        /// The type.
        public var kind: Kind
        /// The point.
        public var point: Point
        /// Lower runs earlier; -100 is where destinations are translated, 100 where sources are. Of nat chains, which all run there,
        /// it is the order among themselves.
        public var priority: Int32

        /// Makes a hook.
        public init(_ kind: Kind, _ point: Point, priority: Int32) {
            self.kind = kind
            self.point = point
            self.priority = priority
        }
    }

    /// The name.
    public var name: String
    /// The hook of a base chain; nil for a chain that is only jumped to.
    public var hook: Hook?
    /// What the chain is for; `nft` shows it.
    public var comment: String?
    /// The rules in order.
    public var rules: [Rule]

    /// Makes a chain.
    public init(_ name: String, hook: Hook? = nil, comment: String? = nil, rules: [Rule]) {
        self.name = name
        self.hook = hook
        self.comment = comment
        self.rules = rules
    }
}

/// Everything of a table but its elements: sets and chains with their rules.
public struct TableSchema: Hashable, Sendable {
    /// The family: table `ip` or `ip6`.
    public var family: IPFamily
    /// The name.
    public var name: String
    /// What the table is for; `nft` shows it.
    public var comment: String?
    /// The sets and maps.
    public var sets: [SetDeclaration]
    /// The chains; a chain comes after those that it leads to.
    public var chains: [Chain]
    /// Elements that belong to the structure: those of maps of verdicts, which come and go with the chains that they lead to.
    public var verdicts: [SetID: [Element]]

    /// Makes a schema.
    public init(
        family: IPFamily, name: String, comment: String? = nil, sets: [SetDeclaration], chains: [Chain],
        verdicts: [SetID: [Element]] = [:]
    ) {
        self.family = family
        self.name = name
        self.comment = comment
        self.sets = sets
        self.chains = chains
        self.verdicts = verdicts
    }

    /// The declaration of a set; nil if the table has none of that identity.
    public func declaration(_ id: SetID) -> SetDeclaration? { sets.first { $0.id == id } }

    /// The declaration of a set by its name.
    public func declaration(named name: String) -> SetDeclaration? { sets.first { $0.name == name } }
}

extension IPFamily {
    /// The nftables name of the family: `ip` or `ip6`.
    public var nftName: String { self == .ipv4 ? "ip" : "ip6" }
}
