import NetworkTypes

/// The first packet of a new connection, as it meets the node.
public struct Packet: Hashable, Sendable {
    /// Where the packet comes from.
    public enum Origin: Hashable, Sendable {
        /// A program on the node itself: the packet passes output.
        case node
        /// Through an interface of that name: the packet passes prerouting.
        case interface(String)
    }

    /// What conntrack makes of the packet.
    public enum ConnectionState: Hashable, Sendable {
        /// The first packet of a flow.
        case new
        /// The first packet of a flow that another one has announced.
        case related
        /// A packet that fits no flow; nothing translates it.
        case invalid
    }

    /// The source address.
    public var source: IPAddress
    /// The source port. Only what is asked of INVALID packets depends on it.
    public var sourcePort: UInt16 = 50_000
    /// The destination address; of the same family.
    public var destination: IPAddress
    /// The destination port.
    public var port: UInt16
    /// The protocol.
    public var transport: TransportProtocol
    /// Where it comes from.
    public var origin: Origin
    /// What conntrack makes of it.
    public var state = ConnectionState.new
    /// Whether it is a TCP segment of a connection that has begun, and not one that begins a connection.
    public var isContinuing = false
    /// The differentiated services code point that it has.
    public var codePoint: UInt8 = 0
    /// Whether the source port is not known, so that every slot of a table that hashes it may be meant.
    public var hasUnknownSourcePort = false
    /// The priority that its sender gave it (SO_PRIORITY, IP_TOS).
    public var priority: UInt32 = 0

    /// Makes the first packet of a connection.
    public init(
        from source: IPAddress, to destination: IPAddress, _ port: UInt16, _ transport: TransportProtocol = .tcp,
        origin: Origin
    ) {
        self.source = source
        self.destination = destination
        self.port = port
        self.transport = transport
        self.origin = origin
    }

    /// The family.
    public var family: IPFamily { destination.family }
}
