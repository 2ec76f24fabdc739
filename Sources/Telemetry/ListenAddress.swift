import NetworkTypes

/// Where an HTTP server listens.
public struct ListenAddress: Hashable, Sendable {
    /// The address; an unspecified one stands for all addresses of its family, and of no other.
    public var host: IPAddress
    /// The TCP port.
    public var port: UInt16

    /// Makes an address.
    public init(host: IPAddress, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// All addresses of a family.
    public static func all(_ family: IPFamily, port: UInt16) -> ListenAddress {
        ListenAddress(
            host: family == .ipv4 ? .v4(IPv4Address(rawValue: 0)) : .v6(IPv6Address(high: 0, low: 0)), port: port)
    }

    /// Reads `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT` or `:PORT`.
    ///
    /// No address, and an unspecified one, mean all addresses of both families: so it is with kube-proxy, whose default
    /// 0.0.0.0 answers over IPv6 as well.
    ///
    /// - Returns: nil if the text is none of these, or the port is 0.
    public static func parse(_ text: String, defaultPort: UInt16) -> [ListenAddress]? {
        var host = text
        var port: UInt16? = defaultPort
        if IPAddress(text) == nil, !text.hasSuffix("]"), let colon = text.lastIndex(of: ":") {
            host = String(text[..<colon])
            port = UInt16(text[text.index(after: colon)...])
            if host.contains(":"), !host.hasPrefix("[") { return nil }
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard let port, port != 0 else { return nil }
        if host.isEmpty, !text.isEmpty { return IPFamily.allCases.map { .all($0, port: port) } }
        guard let address = IPAddress(host) else { return nil }
        if address.isUnspecified { return IPFamily.allCases.map { .all($0, port: port) } }
        return [ListenAddress(host: address, port: port)]
    }
}

extension ListenAddress: CustomStringConvertible {
    /// `address:port`, an IPv6 address in brackets.
    public var description: String { host.family == .ipv4 ? "\(host):\(port)" : "[\(host)]:\(port)" }
}

extension ListenAddress: Comparable {
    /// By port, then address.
    public static func < (lhs: Self, rhs: Self) -> Bool { (lhs.port, lhs.host) < (rhs.port, rhs.host) }
}
