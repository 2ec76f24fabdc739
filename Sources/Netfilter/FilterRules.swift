import NetworkTypes

/// The chains of other programs in which a packet may be dropped, as far as their rules can be understood.
///
/// Read only: nothing of it is ever changed.
public struct FilterRules: Sendable, Equatable {
    /// The family of a table, by the packets that pass it.
    public enum Family: String, Hashable, Sendable {
        /// IPv4.
        case ip
        /// IPv6.
        case ip6
        /// Both.
        case inet

        /// Whether packets of a family pass the table.
        public func includes(_ family: IPFamily) -> Bool {
            switch self {
            case .ip: family == .ipv4
            case .ip6: family == .ipv6
            case .inet: true
            }
        }
    }

    /// A table.
    public struct Table: Hashable, Sendable, CustomStringConvertible {
        /// Its family.
        public var family: Family
        /// Its name.
        public var name: String

        /// Names a table.
        public init(_ family: Family, _ name: String) { (self.family, self.name) = (family, name) }

        /// `ip filter`.
        public var description: String { "\(family.rawValue) \(name)" }
    }

    /// Where packets come into a base chain.
    public struct Entry: Hashable, Sendable {
        /// The hook.
        public var hook: Hook
        /// The priority: lower ones come first.
        public var priority: Int32
        /// Whether what no rule decides is dropped.
        public var drops: Bool

        /// Tells where packets come in.
        public init(hook: Hook, priority: Int32, drops: Bool) {
            (self.hook, self.priority, self.drops) = (hook, priority, drops)
        }
    }

    /// A place in the way of a packet, by the kernel's numbers.
    public enum Hook: UInt32, Hashable, Sendable {
        /// Before routing.
        case prerouting = 0
        /// To the node itself.
        case input = 1
        /// Through the node.
        case forward = 2
        /// From the node itself.
        case output = 3
        /// On the way out.
        case postrouting = 4
    }

    /// A chain.
    public struct Chain: Sendable, Equatable {
        /// Where packets come in; nil for a chain that rules lead to.
        public var entry: Entry?
        /// Its rules.
        public var rules: [[FilterExpression]] = []

        /// A chain.
        public init(entry: Entry?, rules: [[FilterExpression]] = []) { (self.entry, self.rules) = (entry, rules) }
    }

    /// A chain's name.
    public struct Place: Hashable, Sendable, CustomStringConvertible {
        /// Its table.
        public var table: Table
        /// Its name.
        public var chain: String

        /// Names a chain.
        public init(_ table: Table, _ chain: String) { (self.table, self.chain) = (table, chain) }

        /// `table ip filter, chain FORWARD`.
        public var description: String { "table \(table), chain \(chain)" }
    }

    /// The chains of the tables that have a base chain of type filter.
    public var chains: [Place: Chain] = [:]

    /// None.
    public init() {}
}

/// What the rules decide.
public enum FilterVerdict: Hashable, Sendable {
    /// The packet passes this base chain.
    case accept
    /// It is gone, or refused.
    case drop
    /// The rules of another chain, then the next rule.
    case jump(String)
    /// The rules of another chain, then what comes after this one.
    case goto(String)
    /// What comes after this chain.
    case leave
}

/// A part of a rule. Registers are bytes, counted from the first one; numbers and addresses are as the kernel keeps them.
public enum FilterExpression: Hashable, Sendable {
    /// What is loaded into a register.
    public enum Field: Hashable, Sendable {
        /// The name of the interface that the packet came through, 16 bytes.
        case inputInterface
        /// The name of the interface that it leaves through.
        case outputInterface
        /// The number of the interface that the packet came through, in the host's byte order.
        case inputIndex
        /// The number of the interface that it leaves through.
        case outputIndex
        /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
        case family
        /// The transport protocol.
        case transport
        /// The packet's mark.
        case mark
        /// The state of the connection, a bit mask in the host's byte order.
        case state
        /// The flags of the connection.
        case status
        /// The IP header from a byte on.
        case network(Int)
        /// The transport header from a byte on.
        case header(Int)
        /// Something that is not known of a packet that is only thought of.
        case unknown
    }

    /// How a register is compared.
    public enum Comparison: UInt32, Hashable, Sendable {
        /// Equal.
        case equal = 0
        /// Not equal.
        case notEqual = 1
        /// Less, as numbers in network byte order.
        case less = 2
        /// Less or equal.
        case lessOrEqual = 3
        /// Greater.
        case greater = 4
        /// Greater or equal.
        case greaterOrEqual = 5
    }

    /// Loads a field.
    case load(Field, into: Int, length: Int)
    /// Writes bytes.
    case write([UInt8], into: Int)
    /// Sets the packet's mark from a register.
    case setMarkFrom(Int)
    /// Sets the bits of the mask in the packet's mark (iptables' MARK: they are cleared, then toggled by the value).
    case setMark(UInt32, mask: UInt32)
    /// `(register & mask) ^ toggled`.
    case combine(Int, into: Int, mask: [UInt8], toggled: [UInt8])
    /// Goes on only if the comparison holds.
    case compare(Int, Comparison, [UInt8])
    /// Goes on only if the register is in the range, or outside.
    case range(Int, from: [UInt8], to: [UInt8], isInside: Bool)
    /// Goes on only if a set has the register, or has it not; the verdict of a map is carried out.
    case lookup(set: String, Int, isInverted: Bool, isVerdict: Bool)
    /// iptables' conntrack match with states only.
    case connection(states: UInt16, isInverted: Bool)
    /// iptables' matches of destination ports.
    case ports([ClosedRange<UInt16>], TransportProtocol?, isInverted: Bool)
    /// iptables' mark match.
    case mark(UInt32, mask: UInt32, isInverted: Bool)
    /// Decides.
    case verdict(FilterVerdict)
    /// Counts, logs and the like.
    case neutral
    /// A condition that cannot be judged, or that may load registers with anything.
    case unclear
}

/// A packet that is thought of, at one hook: the first one of a connection.
public struct FilterPacket: Hashable, Sendable {
    /// Where it comes from.
    public var source: IPAddress
    /// Where it goes, after translation.
    public var destination: IPAddress
    /// Its protocol.
    public var transport: TransportProtocol
    /// Its destination port, after translation; nil if any.
    public var port: UInt16?
    /// Whether its destination was translated.
    public var isTranslated: Bool
    /// The interface that it comes through, if that is known.
    public var input: Interface?
    /// The interface that it leaves through, if that is known.
    public var output: Interface?

    /// An interface.
    public struct Interface: Hashable, Sendable {
        /// Its name.
        public var name: String
        /// The kernel's number; nil if it is not known.
        public var index: UInt32?

        /// An interface.
        public init(_ name: String, index: UInt32? = nil) { (self.name, self.index) = (name, index) }
    }

    /// A packet.
    public init(
        from source: IPAddress, to destination: IPAddress, _ transport: TransportProtocol, port: UInt16?,
        isTranslated: Bool, input: Interface? = nil, output: Interface? = nil
    ) {
        (self.source, self.destination, self.transport, self.port) = (source, destination, transport, port)
        self.isTranslated = isTranslated
        (self.input, self.output) = (input, output)
    }
}
