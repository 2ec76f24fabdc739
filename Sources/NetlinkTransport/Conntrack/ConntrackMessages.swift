import Netfilter
import NetworkTypes

/// Numbers of `linux/netfilter/nfnetlink_conntrack.h`.
enum ConntrackMessage {
    /// The conntrack subsystem of nfnetlink, in the upper byte of a message type.
    static let subsystem: UInt16 = 1 << 8
    static let new: UInt16 = subsystem | 0
    static let get: UInt16 = subsystem | 1
    static let delete: UInt16 = subsystem | 2
}

/// Attributes of an entry (`enum ctattr_type`) and of what they nest.
enum ConntrackAttribute {
    static let original: UInt16 = 1
    static let reply: UInt16 = 2
    static let status: UInt16 = 3
    static let timeout: UInt16 = 7
    static let id: UInt16 = 12
    static let zone: UInt16 = 18
    static let filter: UInt16 = 25

    // enum ctattr_tuple
    static let tupleIP: UInt16 = 1
    static let tupleTransport: UInt16 = 2
    static let tupleZone: UInt16 = 3

    // enum ctattr_l4proto
    static let transportNumber: UInt16 = 1
    static let sourcePort: UInt16 = 2
    static let destinationPort: UInt16 = 3

    // enum ctattr_filter
    static let filterOriginalFlags: UInt16 = 1
    static let filterReplyFlags: UInt16 = 2

    /// `enum ctattr_ip`: source 1 and destination 2 of IPv4, 3 and 4 of IPv6.
    static func source(_ family: IPFamily) -> UInt16 { family == .ipv4 ? 1 : 3 }
    static func destination(_ family: IPFamily) -> UInt16 { family == .ipv4 ? 2 : 4 }
}

/// What of the original tuple a dump compares (`CTA_FILTER_FLAG` in the kernel's nf_internals.h; since Linux 5.8).
struct ConntrackFilterFlags: OptionSet {
    let rawValue: UInt32
    static let destination = Self(rawValue: 1 << 1)
    static let transport = Self(rawValue: 1 << 3)
    static let destinationPort = Self(rawValue: 1 << 5)
}

extension MessageWriter {
    /// Writes an attribute of raw bytes, for example one that was received.
    mutating func put(_ type: UInt16, copying bytes: UnsafeRawBufferPointer) {
        let target = header(type, payload: bytes.count)
        if let source = bytes.baseAddress { target.copyMemory(from: source, byteCount: bytes.count) }
    }

    /// Writes an address.
    mutating func put(_ type: UInt16, _ address: IPAddress) {
        switch address {
        case .v4(let value): header(type, payload: 4).storeBytes(of: value.rawValue.bigEndian, as: UInt32.self)
        case .v6(let value):
            let target = header(type, payload: 16)
            target.storeBytes(of: value.high.bigEndian, as: UInt64.self)
            target.storeBytes(of: value.low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
    }

    /// Writes a port or a zone.
    mutating func put(_ type: UInt16, port: UInt16) {
        header(type, payload: 2).storeBytes(of: port.bigEndian, as: UInt16.self)
    }

    /// Asks a dump for the entries that pass the filter only; more may come. A kernel before 5.8 ignores this.
    ///
    /// What is not asked for: IPv6 addresses, because kernels up to 6.18 hand over all entries but those that match
    /// (`ctnetlink_filter_match_tuple` takes the result of `ipv6_addr_cmp` the wrong way round). What is asked for in
    /// vain: SCTP ports, which the same function does not compare.
    mutating func put(_ filter: FlowFilter) {
        var flags: ConntrackFilterFlags = [.transport]
        // Answers are sent to where the first packet came from.
        let tuple = beginNest(filter.isReversed ? ConntrackAttribute.reply : ConntrackAttribute.original)
        if let destination = filter.destination, filter.family == .ipv4 {
            flags.insert(.destination)
            let nest = beginNest(ConntrackAttribute.tupleIP)
            put(ConntrackAttribute.destination(filter.family), destination)
            endNest(nest)
        }
        let nest = beginNest(ConntrackAttribute.tupleTransport)
        header(ConntrackAttribute.transportNumber, payload: 1)
            .storeBytes(of: filter.transport.rawValue, as: UInt8.self)
        if let port = filter.port {
            flags.insert(.destinationPort)
            put(ConntrackAttribute.destinationPort, port: port)
        }
        endNest(nest)
        endNest(tuple)
        let flagNest = beginNest(ConntrackAttribute.filter)
        // In host byte order, unlike nearly everything else here.
        let part = filter.isReversed ? ConntrackAttribute.filterReplyFlags : ConntrackAttribute.filterOriginalFlags
        header(part, payload: 4).storeBytes(of: flags.rawValue, as: UInt32.self)
        endNest(flagNest)
    }
}

/// An entry of the conntrack table: what is decided by, and what it takes to delete it and nothing else.
struct ConntrackEntry {
    let flow: TrackedFlow
    private let reply: NetlinkAttribute
    private let id: NetlinkAttribute
    private let zone: NetlinkAttribute?

    /// Reads an entry. Nil if it is not of the protocol or lacks a part that the kernel documents.
    init?(_ message: NetlinkMessage, _ family: IPFamily, _ transport: TransportProtocol) {
        var parts: (original: NetlinkAttribute?, reply: NetlinkAttribute?, id: NetlinkAttribute?)
        var zone: NetlinkAttribute?
        for attribute in message.attributes {
            switch attribute.type {
            case ConntrackAttribute.original: parts.original = attribute
            case ConntrackAttribute.reply: parts.reply = attribute
            case ConntrackAttribute.id: parts.id = attribute
            case ConntrackAttribute.zone: zone = attribute
            default: continue
            }
        }
        guard let original = parts.original, let reply = parts.reply, let id = parts.id,
            let sent = ConntrackTuple(original, family), sent.transport == transport.rawValue,
            let answered = ConntrackTuple(reply, family)
        else { return nil }
        let number = zone.flatMap(\.port) ?? original.nested.first(ConntrackAttribute.tupleZone).flatMap(\.port)
        flow = TrackedFlow(
            transport, from: sent.source, sent.sourcePort, to: sent.destination, sent.destinationPort,
            target: answered.source, answered.sourcePort,
            zone: number ?? 0)
        self.reply = reply
        self.id = id
        self.zone = zone
    }

    /// Writes the message that deletes the entry, and no other that may have taken its place in the meantime.
    ///
    /// The entry is named by its reply tuple and its number. The number alone is not enough: it follows from the
    /// original tuple and from the place in memory, and both can come again with the very next entry. With the reply
    /// tuple, such an entry would have to lead to the same stale endpoint.
    func writeDeletion(to writer: inout MessageWriter, sequence: UInt32) {
        let start = writer.beginMessage(
            type: ConntrackMessage.delete, flags: NetlinkFlag.request | NetlinkFlag.acknowledge, sequence: sequence,
            family: flow.destination.family.netfilterNumber)
        writer.put(ConntrackAttribute.reply | AttributeFlag.nested, copying: reply.value)
        if let zone { writer.put(ConntrackAttribute.zone, copying: zone.value) }
        writer.put(ConntrackAttribute.id, copying: id.value)
        writer.endMessage(start)
    }
}

/// One direction of an entry.
struct ConntrackTuple {
    let source: IPAddress
    let sourcePort: UInt16
    let destination: IPAddress
    let destinationPort: UInt16
    let transport: UInt8

    /// Reads a tuple; nil if it lacks addresses or ports.
    init?(_ attribute: NetlinkAttribute, _ family: IPFamily) {
        let parts = attribute.nested
        guard let addresses = parts.first(ConntrackAttribute.tupleIP)?.nested,
            let source = addresses.first(ConntrackAttribute.source(family))?.address(family),
            let destination = addresses.first(ConntrackAttribute.destination(family))?.address(family),
            let transport = parts.first(ConntrackAttribute.tupleTransport)?.nested,
            let number = transport.first(ConntrackAttribute.transportNumber)?.value.first,
            let sourcePort = transport.first(ConntrackAttribute.sourcePort)?.port,
            let destinationPort = transport.first(ConntrackAttribute.destinationPort)?.port
        else { return nil }
        (self.source, self.sourcePort) = (source, sourcePort)
        (self.destination, self.destinationPort) = (destination, destinationPort)
        self.transport = number
    }
}

extension NetlinkAttribute {
    /// The value as a port (or a zone) in network byte order; nil if it is not two bytes long.
    var port: UInt16? {
        value.count == 2 ? UInt16(bigEndian: value.loadUnaligned(as: UInt16.self)) : nil
    }

    /// The value as an address of the family; nil if it does not have its length.
    func address(_ family: IPFamily) -> IPAddress? {
        guard value.count == family.addressBits / 8 else { return nil }
        if family == .ipv4 {
            return .v4(IPv4Address(rawValue: UInt32(bigEndian: value.loadUnaligned(as: UInt32.self))))
        }
        let high = value.loadUnaligned(as: UInt64.self)
        let low = value.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        return .v6(IPv6Address(high: UInt64(bigEndian: high), low: UInt64(bigEndian: low)))
    }
}
