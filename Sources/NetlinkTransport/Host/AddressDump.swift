import Netfilter
import NetworkTypes

/// Reads links and addresses of the network namespace in which it was made.
///
/// `getifaddrs` does not tell the flags of an address, and so not whether an IPv6 address is usable yet.
struct AddressDump {
    private let reader: RouteReader

    init() throws(NetlinkError) { reader = try RouteReader(operation: "list the node's addresses") }

    /// The addresses that the node answers to, in the kernel's order.
    func usableAddresses() throws(NetlinkError) -> [IPAddress] {
        try reader.whole { () throws(NetlinkError) in try readAddresses() }
    }

    private func readAddresses() throws(NetlinkError) -> [IPAddress] {
        // Links first: the kernel answers behind its lock for changes of links, so that a link which it is taking down
        // has lost its routes as well by the time that anybody looks.
        var linksUp: Set<UInt32> = []
        try reader.dump(RouteMessage.getLink) { message in
            if let link = LinkHeader(message), link.isUp { linksUp.insert(link.index) }
        }
        var addresses: [IPAddress] = []
        try reader.dump(RouteMessage.getAddress) { message in
            if let (link, address) = Self.usableAddress(message), linksUp.contains(link) { addresses.append(address) }
        }
        return addresses
    }

    /// `struct ifaddrmsg`: family, prefix length, flags and scope (1 byte each), index of the link (4 bytes).
    static func usableAddress(_ message: NetlinkMessage) -> (link: UInt32, address: IPAddress)? {
        let body = message.payload
        guard body.count >= 8 else { return nil }
        let family: IPFamily
        switch body[0] {
        case IPFamily.ipv4.netfilterNumber: family = .ipv4
        case IPFamily.ipv6.netfilterNumber: family = .ipv6
        default: return nil
        }
        var flags = UInt32(body[2])
        var own: IPAddress?
        var address: IPAddress?
        for attribute in AttributeSequence(UnsafeRawBufferPointer(rebasing: body[8...])) {
            switch attribute.type {
            case AddressField.address: address = IPAddress(networkBytes: attribute.value, family)
            case AddressField.local: own = IPAddress(networkBytes: attribute.value, family)
            case AddressField.flags where attribute.value.count == 4:
                flags = attribute.value.loadUnaligned(as: UInt32.self)
            default: continue
            }
        }
        guard isUsable(flags), let result = own ?? address else { return nil }
        return (body.loadUnaligned(fromByteOffset: 4, as: UInt32.self), result)
    }

    /// An optimistic address (RFC 4429) answers while it is being checked.
    private static func isUsable(_ flags: UInt32) -> Bool {
        if flags & AddressField.duplicateDetectionFailed != 0 { return false }
        return flags & AddressField.tentative == 0 || flags & AddressField.optimistic != 0
    }
}

/// `struct ifinfomsg`: family and padding (2 bytes), type (2), index, flags, and which flags changed (4 each).
struct LinkHeader {
    let index: UInt32
    private let flags: UInt32
    private let changes: UInt32

    /// Nil if the message is too short.
    init?(_ message: NetlinkMessage) {
        guard message.payload.count >= 16 else { return nil }
        index = message.payload.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
        flags = message.payload.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
        changes = message.payload.loadUnaligned(fromByteOffset: 12, as: UInt32.self)
    }

    /// Whether the administrator has the link up.
    var isUp: Bool { flags & RouteMessage.isUp != 0 }

    /// Whether the message tells that the link was taken up or down (or that it is new).
    var tellsUpOrDown: Bool { changes & RouteMessage.isUp != 0 }
}
