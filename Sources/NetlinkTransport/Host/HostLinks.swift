import NetworkTypes

/// An interface of the node, as far as bridges and routes are concerned.
public struct HostLink: Hashable, Sendable {
    /// The kernel's number.
    public var index: UInt32
    /// The name.
    public var name: String
    /// The number of the bridge that it is a port of.
    public var bridge: UInt32?
    /// What it is, such as `bridge` or `veth`; empty for hardware.
    public var kind = ""
    /// Whether it is a bridge.
    public var isBridge: Bool { kind == "bridge" }
    /// Whether frames that came through this port may leave through it (hairpin mode).
    public var isHairpin = false
    /// The families whose bridged packets pass netfilter because of this bridge's own setting.
    public var filters: Set<IPFamily> = []

    /// An interface.
    public init(index: UInt32, name: String) { (self.index, self.name) = (index, name) }
}

/// The interfaces and routes of the network namespace in which it was made. Only reads. Not for concurrent use.
public final class HostLinks {
    private let reader: RouteReader

    /// Opens a connection to the kernel.
    public init() throws(NetlinkError) { reader = try RouteReader(operation: "list the node's interfaces") }

    /// All interfaces by their number.
    public func links() throws(NetlinkError) -> [UInt32: HostLink] {
        try reader.whole { () throws(NetlinkError) in
            var result: [UInt32: HostLink] = [:]
            try reader.dump(RouteMessage.getLink) { message in
                if let link = HostLink(message) { result[link.index] = link }
            }
            return result
        }
    }

    /// Where packets to an address go.
    public struct Route: Hashable, Sendable {
        /// The number of the interface.
        public var link: UInt32
        /// Whether the address is the node's own.
        public var isOwn: Bool
    }

    /// Where a packet of the node's own to an address would go; nil if there is no route.
    public func route(to address: IPAddress) -> Route? {
        var result: Route?
        lookUp(address, flags: 0) { message, attributes in
            guard let link = attributes.first(RouteField.link)?.value, link.count == 4 else { return }
            result = Route(link: link.loadUnaligned(as: UInt32.self), isOwn: message.payload[7] == RouteField.localType)
        }
        return result
    }

    /// Whether the route to an address is one of a range that is on the link, so that hosts there reach each other without this node.
    public func isOnLink(_ address: IPAddress) -> Bool {
        var result = false
        // Where the kernel does not tell the entry of its table, the length is that of the address.
        lookUp(address, flags: RouteField.wantsEntry) { message, attributes in
            result =
                Int(message.payload[1]) < address.family.addressBits
                && attributes.first(RouteField.gateway) == nil && attributes.first(RouteField.link) != nil
        }
        return result
    }

    private func lookUp(
        _ address: IPAddress, flags: UInt32, handle: (NetlinkMessage, AttributeSequence) -> Void
    ) {
        // struct rtmsg: family, length of the destination; flags at its end. Then the destination.
        let bytes = address.networkBytes
        let head = [address.family.netfilterNumber, UInt8(bytes.count * 8)] + Array(repeating: 0, count: 6)
        let end = withUnsafeBytes(of: flags) { Array($0) }
        let attribute = [UInt8(bytes.count + 4), 0, RouteField.destination, 0]
        // No route is an answer too.
        try? reader.ask(RouteMessage.getRoute, head + end + attribute + bytes) { message in
            guard message.payload.count >= 12 else { return }
            handle(message, AttributeSequence(UnsafeRawBufferPointer(rebasing: message.payload[12...])))
        }
    }
}

extension HostLink {
    /// `struct ifinfomsg`, then `enum` of `linux/if_link.h`.
    fileprivate init?(_ message: NetlinkMessage) {
        guard let header = LinkHeader(message) else { return nil }
        let attributes = AttributeSequence(UnsafeRawBufferPointer(rebasing: message.payload[16...]))
        guard let name = attributes.first(LinkField.name)?.text else { return nil }
        self.init(index: header.index, name: name)
        func number(_ attribute: NetlinkAttribute?) -> UInt32? {
            attribute.flatMap { $0.value.count == 4 ? $0.value.loadUnaligned(as: UInt32.self) : nil }
        }
        guard let info = attributes.first(LinkField.info)?.nested else { return }
        kind = info.first(LinkField.infoKind)?.text ?? ""
        if isBridge {
            let data = info.first(LinkField.infoData)?.nested
            if data?.first(LinkField.bridgeFiltersIPv4)?.value.first == 1 { filters.insert(.ipv4) }
            if data?.first(LinkField.bridgeFiltersIPv6)?.value.first == 1 { filters.insert(.ipv6) }
        }
        if info.first(LinkField.infoPortKind)?.text == "bridge" {
            bridge = number(attributes.first(LinkField.controller))
            isHairpin = info.first(LinkField.infoPortData)?.nested.first(LinkField.portHairpin)?.value.first == 1
        }
    }
}

/// Attributes of an interface (`linux/if_link.h`).
private enum LinkField {
    static let name: UInt16 = 3
    static let controller: UInt16 = 10
    static let info: UInt16 = 18

    static let infoKind: UInt16 = 1
    static let infoData: UInt16 = 2
    static let infoPortKind: UInt16 = 4
    static let infoPortData: UInt16 = 5

    /// `IFLA_BR_NF_CALL_IPTABLES`, `IFLA_BR_NF_CALL_IP6TABLES`.
    static let bridgeFiltersIPv4: UInt16 = 36
    static let bridgeFiltersIPv6: UInt16 = 37
    /// `IFLA_BRPORT_MODE`.
    static let portHairpin: UInt16 = 4
}

/// Attributes and types of a route (`linux/rtnetlink.h`).
private enum RouteField {
    static let destination: UInt8 = 1
    static let link: UInt16 = 4
    static let gateway: UInt16 = 5
    static let localType: UInt8 = 2
    /// `RTM_F_FIB_MATCH`: the entry that the address matches, in place of what follows for the address alone.
    static let wantsEntry: UInt32 = 0x2000
}
