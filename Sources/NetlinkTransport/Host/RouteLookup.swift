import NetworkTypes

/// What the routes of a host have for an address.
public enum RouteKind: Hashable, Sendable {
    /// No route, or one that refuses: unreachable, prohibit, blackhole.
    case none
    /// The default route only.
    case defaultRoute
    /// A route of a narrower range than everything.
    case specific
    /// The address is the host's own.
    case own
}

/// Asks the kernel by which route it would send, in the network namespace in which it was made. Not for concurrent use.
public final class RouteLookup {
    private let reader: RouteReader

    /// Opens a socket.
    public init() throws(NetlinkError) { reader = try RouteReader(operation: "look up a route") }

    /// What there is for an address.
    public func route(to address: IPAddress) throws(NetlinkError) -> RouteKind {
        var result = RouteKind.none
        do throws(NetlinkError) {
            try reader.ask(RouteMessage.getRoute, Self.request(address)) { result = Self.kind($0) }
        } catch {
            // The kernel says so where a route refuses, too.
            guard case .system(_, let code) = error, Self.refusals.contains(code) else { throw error }
            return .none
        }
        return result
    }

    /// `struct rtmsg`: family, lengths of destination and source, TOS, table, protocol, scope and type (1 byte each), flags (4);
    /// then `RTA_DST`.
    static func request(_ address: IPAddress) -> [UInt8] {
        let bytes = address.networkBytes
        var body: [UInt8] = [address.family.netfilterNumber, UInt8(bytes.count * 8), 0, 0, 0, 0, 0, 0]
        func append(_ number: some FixedWidthInteger) { withUnsafeBytes(of: number) { body += Array($0) } }
        append(matchedRoute)
        append(UInt16(4 + bytes.count))
        append(destination)
        return body + bytes
    }

    static func kind(_ message: NetlinkMessage) -> RouteKind {
        let body = message.payload
        guard message.type == RouteMessage.newRoute, body.count >= 12 else { return .none }
        switch body[7] {
        case unicast, multicast: return body[1] == 0 ? .defaultRoute : .specific
        case local: return .own
        default: return .none
        }
    }

    /// `RTM_F_FIB_MATCH`: the answer is the route that matched, and so has its length.
    private static let matchedRoute: UInt32 = 0x2000
    /// `RTA_DST`.
    private static let destination: UInt16 = 1
    /// `RTN_UNICAST`, `RTN_LOCAL`, `RTN_MULTICAST`.
    private static let unicast: UInt8 = 1
    private static let local: UInt8 = 2
    private static let multicast: UInt8 = 5
    /// `ENETUNREACH`, `EHOSTUNREACH`; `EACCES` of prohibit; `EINVAL` of blackhole; `ENETDOWN`; `EAGAIN` of throw.
    private static let refusals: Set<Int32> = [101, 113, 13, 22, 100, 11]
}
