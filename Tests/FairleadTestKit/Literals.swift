import NetworkTypes

// Tables of test cases read best with plain text. A literal that is not an address is a mistake in the table.

extension IPAddress: ExpressibleByStringLiteral {
    /// The address that the literal spells.
    public init(stringLiteral text: String) {
        guard let address = IPAddress(text) else { preconditionFailure("\(text) is not an IP address") }
        self = address
    }
}

extension HostPort: ExpressibleByStringLiteral {
    /// `address:port`, an IPv6 address in brackets.
    public init(stringLiteral text: String) {
        guard let value = HostPort(text) else { preconditionFailure("\(text) is not an address with a port") }
        self = value
    }

    /// Parses `address:port`, an IPv6 address in brackets; nil for anything else.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("[") && host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard let address = IPAddress(host) else { return nil }
        self.init(address, port)
    }
}
