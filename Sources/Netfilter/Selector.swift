import NetworkTypes

/// What a rule reads from a packet, and so also what a field of a set's key or data means.
///
/// The text form is that of `nft`; sets carry it as their `typeof`.
public enum Selector: Hashable, Sendable {
    /// The source address of the IP header.
    case sourceAddress
    /// The destination address of the IP header.
    case destinationAddress
    /// How many routers the packet may still pass: the TTL, or IPv6's hop limit.
    case hopLimit
    /// The transport protocol.
    case transportProtocol
    /// The source port of the transport header.
    case sourcePort
    /// The destination port of the transport header.
    case destinationPort
    /// A random number below the modulus: picks a slot of a pool.
    case random(modulus: UInt32)
    /// The packet's priority: scratch space for the number of a pool, from one hook to the next.
    case priority
    /// The number by which conntrack tells the flow from all others, the same from its first packet on.
    case connectionID
    /// A verdict, as data of maps only: `goto` the chain whose name is the prefix and the number that the element holds.
    case chain(prefix: String)
    /// A hash of the IPv6 source address: half of a key that `nft` can write, which a whole address with more is not.
    case hashedSourceAddress(seed: UInt32)
    /// A number below the modulus that follows from the source address and, unless it is of the address alone, from the source port:
    /// the same on every node, for there is no salt in it.
    case sourceSlot(modulus: UInt32, ofAddressAlone: Bool)
    /// The protocol in the IP header of the packet that an ICMP error is about: the error brings its beginning with it.
    case embeddedProtocol
    /// The source port of that packet. Its IPv4 header must have no options.
    case embeddedSourcePort
    /// The same number as `sourceSlot`, from the destination of that packet: so it is the one of the packets that it answered.
    case embeddedSlot(modulus: UInt32, ofAddressAlone: Bool)
    /// The destination address of the flow's first packet, before any translation (conntrack, original direction).
    case originalDestinationAddress
    /// The transport protocol of the flow (conntrack); the same in both directions.
    case originalProtocol
    /// The destination port of the flow's first packet, before any translation (conntrack, original direction).
    case originalDestinationPort

    /// The `nft` text in a table of the family.
    public func text(_ family: IPFamily) -> String {
        let ip = family == .ipv4 ? "ip" : "ip6"
        return switch self {
        case .sourceAddress: "\(ip) saddr"
        case .destinationAddress: "\(ip) daddr"
        case .hopLimit: family == .ipv4 ? "ip ttl" : "ip6 hoplimit"
        case .transportProtocol: "meta l4proto"
        case .sourcePort: "th sport"
        case .destinationPort: "th dport"
        case .random(let modulus): "numgen random mod \(modulus)"
        case .priority: "meta priority"
        case .connectionID: "ct id"
        case .chain: "verdict"
        case .hashedSourceAddress(let seed): "jhash \(ip) saddr mod 4294967295 seed 0x\(String(seed, radix: 16))"
        case .sourceSlot(let modulus, let ofAddressAlone):
            "jhash \(ip) saddr\(ofAddressAlone ? "" : " . th sport") mod \(modulus) seed 0x\(String(Self.slotSeed, radix: 16))"
        case .embeddedProtocol: family == .ipv4 ? "@th,136,8" : "@th,112,8"
        case .embeddedSourcePort: family == .ipv4 ? "@th,224,16" : "@th,384,16"
        case .embeddedSlot(let modulus, let ofAddressAlone):
            "jhash \(Self.embeddedDestinationText(family, ofAddressAlone)) mod \(modulus) seed 0x\(String(Self.slotSeed, radix: 16))"
        case .originalDestinationAddress: "ct original \(ip) daddr"
        case .originalProtocol: "ct protocol"
        case .originalDestinationPort: "ct original proto-dst"
        }
    }

    private static func embeddedDestinationText(_ family: IPFamily, _ ofAddressAlone: Bool) -> String {
        let (address, port) = family == .ipv4 ? ("@th,192,32", "@th,240,16") : ("@th,256,128", "@th,400,16")
        return ofAddressAlone ? address : "\(address) . \(port)"
    }

    /// What the hash of `sourceSlot` begins with; without it `nft` would make one up, another one on each node.
    public static let slotSeed: UInt32 = 0x77

    /// What kind of value the selector reads.
    public var valueType: ValueType {
        switch self {
        case .sourceAddress, .destinationAddress, .originalDestinationAddress: .address
        case .transportProtocol, .originalProtocol: .transportProtocol
        case .sourcePort, .destinationPort, .originalDestinationPort: .port
        case .random, .hashedSourceAddress, .sourceSlot, .embeddedSlot: .slot
        case .embeddedProtocol: .raw(bytes: 1)
        case .embeddedSourcePort: .raw(bytes: 2)
        case .priority: .priority
        case .connectionID: .connectionID
        case .hopLimit: .number
        case .chain(let prefix): .verdict(prefix: prefix)
        }
    }
}

/// The type of one field of a set's key or data.
public enum ValueType: Hashable, Sendable {
    /// An address of the table's family, network byte order.
    case address
    /// A protocol number in the first of four bytes.
    case transportProtocol
    /// A port in network byte order in the first two of four bytes.
    case port
    /// A number in host byte order: the slot of a pool.
    case slot
    /// A packet priority in host byte order: `nft` shows it as two hexadecimal halves.
    case priority
    /// A number below 256 in the first of four bytes.
    case number
    /// A number in network byte order in the first one or two of four bytes, of which `nft` knows no more than that.
    case raw(bytes: Int)
    /// A number that conntrack makes up, four bytes.
    case connectionID
    /// `goto` a chain; what an element holds is the number that its name ends with, in host byte order.
    case verdict(prefix: String)

    /// The bytes that the field takes in a key: each field is padded to four.
    public func width(_ family: IPFamily) -> Int {
        self == .address && family == .ipv6 ? 16 : 4
    }

    /// The bytes of the value itself, without padding.
    public func valueWidth(_ family: IPFamily) -> Int {
        switch self {
        case .address: family == .ipv4 ? 4 : 16
        case .transportProtocol, .number: 1
        case .port: 2
        case .raw(let bytes): bytes
        case .slot, .priority, .connectionID: 4
        // The kernel's `struct nft_verdict`.
        case .verdict: 16
        }
    }
}

extension [Selector] {
    /// The concatenation in `nft` text: `ip daddr . meta l4proto . th dport`.
    public func text(_ family: IPFamily) -> String { map { $0.text(family) }.joined(separator: " . ") }

    /// The bytes that the concatenation takes in a key or in registers.
    public func width(_ family: IPFamily) -> Int { reduce(0) { $0 + $1.valueType.width(family) } }

    /// The bytes of a set's key or data: a field by itself is not padded.
    public func declaredWidth(_ family: IPFamily) -> Int {
        count == 1 ? self[0].valueType.valueWidth(family) : width(family)
    }
}
