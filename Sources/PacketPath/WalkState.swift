import Netfilter
import NetworkTypes

/// A packet on its way, and what goes with it from rule to rule.
struct WalkState: Hashable {
    /// As it was sent. Conntrack keeps that as the original direction of the flow.
    let packet: Packet
    /// Where it is addressed to now.
    var destination: IPAddress
    var port: UInt16
    /// Which interface it came through as a hook sees it; nil for none.
    var interface: String?
    /// `meta priority`.
    var priority: UInt32 = 0
    /// The differentiated services code point.
    var codePoint: UInt8 = 0
    /// Where copies of the packet went, as it was then.
    var copies: [IPAddress] = []
    /// The number that `sourceSlot` reads in place of the one that follows from the packet's source port; nil for that one.
    var slot: UInt32?
    /// `ct status dnat`.
    var isTranslated = false
    /// Whether a nat chain has decided where the flow goes, be it to where it was sent: no further one is asked.
    var isDestinationSettled = false
    var masquerade: TraceStep?
    /// What rules have written into maps on the way.
    var learned: [String: [ElementKey: ElementKey]] = [:]
    var trace: [TraceStep] = []
    /// How many rules the packet was compared with.
    var rulesCompared = 0

    init(_ packet: Packet) {
        self.packet = packet
        destination = packet.destination
        port = packet.port
        priority = packet.priority
        codePoint = packet.codePoint
        if case .interface(let name) = packet.origin { interface = name }
    }

    /// The values that the concatenation can have, each equally likely: more than one only with a random number in it.
    func keys(_ selectors: [Selector]) -> [ElementKey] {
        var builders = [KeyBuilder()]
        for selector in selectors {
            guard case .random(let modulus) = selector else {
                for index in builders.indices { append(selector, to: &builders[index]) }
                continue
            }
            builders = builders.flatMap { builder in
                (0..<modulus).map { number in
                    var copy = builder
                    copy.append(slot: number)
                    return copy
                }
            }
        }
        return builders.map(\.key)
    }

    private func append(_ selector: Selector, to key: inout KeyBuilder) {
        switch selector {
        case .sourceAddress: key.append(packet.source)
        case .destinationAddress: key.append(destination)
        case .transportProtocol, .originalProtocol: key.append(packet.transport)
        case .sourcePort: key.append(port: packet.sourcePort)
        case .destinationPort: key.append(port: port)
        case .random, .chain: break
        // Nobody asks how far the sender is.
        case .hopLimit: key.append(TransportProtocol.tcp)
        // Only ICMP errors have a packet in them.
        case .embeddedProtocol: key.append(TransportProtocol.tcp)
        case .embeddedSourcePort: key.append(port: 0)
        case .embeddedSlot: key.append(slot: 0)
        // One packet, one flow: any number will do.
        case .connectionID: key.append(slot: 1)
        case .priority: key.append(priority: priority)
        case .hashedSourceAddress(let seed):
            // `nft` shows the modulus; the kernel scales the hash to it.
            key.append(slot: JenkinsHash.scaled(JenkinsHash.hash(packet.source, seed: seed), to: .max))
        case .sourceSlot(let modulus, let ofAddressAlone):
            let own = slot.flatMap { ofAddressAlone ? nil : $0 }
            let hash = JenkinsHash.hash(
                packet.source, port: ofAddressAlone ? nil : packet.sourcePort, seed: Selector.slotSeed)
            key.append(slot: own ?? JenkinsHash.scaled(hash, to: modulus))
        case .originalDestinationAddress: key.append(packet.destination)
        case .originalDestinationPort: key.append(port: packet.port)
        }
    }
}

/// The hash of nftables' `jhash`: Bob Jenkins' lookup3 over bytes, as Linux has it (`include/linux/jhash.h`).
enum JenkinsHash {
    /// The hash of an address in network byte order. Words are read as a little-endian processor does, which is every one
    /// that Fairlead runs on.
    static func hash(_ address: IPAddress, port: UInt16? = nil, seed: UInt32) -> UInt32 {
        var words: [UInt32] =
            switch address {
            case .v4(let value): [value.rawValue.byteSwapped]
            case .v6(let value):
                [value.high >> 32, value.high & 0xFFFF_FFFF, value.low >> 32, value.low & 0xFFFF_FFFF].map {
                    UInt32($0).byteSwapped
                }
            }
        // A port is the first two of four bytes.
        if let port { words.append(UInt32(port.byteSwapped)) }
        return hash(words, seed: seed)
    }

    /// The hash of whole words.
    static func hash(_ words: [UInt32], seed: UInt32) -> UInt32 {
        let start = 0xDEAD_BEEF &+ UInt32(words.count * 4) &+ seed
        var (a, b, c) = (start, start, start)
        var rest = words[...]
        while rest.count > 3 {
            let first = rest.startIndex
            (a, b, c) = (a &+ rest[first], b &+ rest[first + 1], c &+ rest[first + 2])
            mix(&a, &b, &c)
            rest = rest.dropFirst(3)
        }
        if rest.isEmpty { return c }
        let first = rest.startIndex
        a &+= rest[first]
        if rest.count > 1 { b &+= rest[first + 1] }
        if rest.count > 2 { c &+= rest[first + 2] }
        finish(&a, &b, &c)
        return c
    }

    /// A number below the modulus: the upper half of the product (`reciprocal_scale`).
    static func scaled(_ hash: UInt32, to modulus: UInt32) -> UInt32 {
        UInt32(truncatingIfNeeded: (UInt64(hash) * UInt64(modulus)) >> 32)
    }

    private static func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 { word << count | word >> (32 - count) }

    private static func mix(_ a: inout UInt32, _ b: inout UInt32, _ c: inout UInt32) {
        a = (a &- c) ^ rotate(c, 4)
        c = c &+ b
        b = (b &- a) ^ rotate(a, 6)
        a = a &+ c
        c = (c &- b) ^ rotate(b, 8)
        b = b &+ a
        a = (a &- c) ^ rotate(c, 16)
        c = c &+ b
        b = (b &- a) ^ rotate(a, 19)
        a = a &+ c
        c = (c &- b) ^ rotate(b, 4)
        b = b &+ a
    }

    private static func finish(_ a: inout UInt32, _ b: inout UInt32, _ c: inout UInt32) {
        c = (c ^ b) &- rotate(b, 14)
        a = (a ^ c) &- rotate(c, 11)
        b = (b ^ a) &- rotate(a, 25)
        c = (c ^ b) &- rotate(b, 16)
        a = (a ^ c) &- rotate(c, 4)
        b = (b ^ a) &- rotate(a, 14)
        c = (c ^ b) &- rotate(b, 24)
    }
}
