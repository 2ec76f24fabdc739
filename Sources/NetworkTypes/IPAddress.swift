/// An address of either family.
public enum IPAddress: Hashable, Sendable, Comparable {
    /// An IPv4 address.
    case v4(IPv4Address)
    /// An IPv6 address.
    case v6(IPv6Address)

    /// Parses an IPv4 or IPv6 address; nil for anything else.
    public init?(_ text: some StringProtocol) {
        // Texts of all kinds take the same path, which is compiled for bytes in memory.
        let parsed = text.utf8.withContiguousStorageIfAvailable { IPAddress(utf8: UnsafeRawBufferPointer($0)) }
        guard let address = parsed ?? Array(text.utf8).withUnsafeBytes({ IPAddress(utf8: $0) }) else { return nil }
        self = address
    }

    /// Parses an IPv4 or IPv6 address in ASCII; nil for anything else. An IPv4 address in IPv6 notation (`::ffff:192.0.2.1`) is the
    /// IPv4 address, as Kubernetes has it.
    public init?(utf8 bytes: UnsafeRawBufferPointer) {
        if let address = IPv4Address(bytes: bytes) {
            self = .v4(address)
        } else if let address = IPv6Address(bytes: bytes) {
            self = address.mapped.map { .v4($0) } ?? .v6(address)
        } else {
            return nil
        }
    }

    /// Whether the text of an address is in a form that API servers from 1.36 on refuse in what is new (KEP-4858): an IPv4 address with
    /// leading zeros or in IPv6 notation. Of other texts this says nothing.
    public static func isLegacySpelling(_ text: some StringProtocol) -> Bool {
        let parsed = text.utf8.withContiguousStorageIfAvailable {
            isLegacySpelling(utf8: UnsafeRawBufferPointer($0))
        }
        return parsed ?? Array(text.utf8).withUnsafeBytes { isLegacySpelling(utf8: $0) }
    }

    /// The same of ASCII.
    public static func isLegacySpelling(utf8 bytes: UnsafeRawBufferPointer) -> Bool {
        if bytes.contains(UInt8(ascii: ":")) { return IPv6Address(bytes: bytes)?.mapped != nil }
        var isAtStart = true
        var wasZero = false
        for byte in bytes {
            if byte == UInt8(ascii: ".") {
                (isAtStart, wasZero) = (true, false)
                continue
            }
            if wasZero { return true }
            wasZero = isAtStart && byte == UInt8(ascii: "0")
            isAtStart = false
        }
        return false
    }

    /// The family of the address.
    @inlinable public var family: IPFamily {
        switch self {
        case .v4: .ipv4
        case .v6: .ipv6
        }
    }

    /// Whether no endpoint can have this address from another host's point of view: loopback (127.0.0.0/8, `::1`).
    public var isLoopback: Bool {
        switch self {
        case .v4(let address): address.rawValue >> 24 == 127
        case .v6(let address): address.high == 0 && address.low == 1
        }
    }

    /// Whether this is the unspecified address (`0.0.0.0`, `::`).
    public var isUnspecified: Bool {
        switch self {
        case .v4(let address): address.rawValue == 0
        case .v6(let address): address.high == 0 && address.low == 0
        }
    }

    /// Whether this is a link-local address (169.254.0.0/16, fe80::/10).
    public var isLinkLocal: Bool {
        switch self {
        case .v4(let address): address.rawValue >> 16 == 0xA9FE
        case .v6(let address): address.high >> 54 == 0xFE80 >> 6
        }
    }

    /// Whether this is a multicast address (224.0.0.0/4, ff00::/8).
    public var isMulticast: Bool {
        switch self {
        case .v4(let address): address.rawValue >> 28 == 0xE
        case .v6(let address): address.high >> 56 == 0xFF
        }
    }

    /// Whether this is the limited broadcast address (255.255.255.255), which nobody has.
    public var isBroadcast: Bool { self == .v4(IPv4Address(rawValue: .max)) }

    /// IPv4 sorts before IPv6, then by number.
    public static func < (lhs: IPAddress, rhs: IPAddress) -> Bool {
        switch (lhs, rhs) {
        case (.v4(let left), .v4(let right)): left < right
        case (.v6(let left), .v6(let right)): left < right
        case (.v4, .v6): true
        case (.v6, .v4): false
        }
    }
}

extension IPAddress: CustomStringConvertible {
    /// The canonical text of the address.
    public var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description
        }
    }
}

extension IPAddress {
    /// The bytes in network byte order: 4 or 16.
    public var networkBytes: [UInt8] {
        func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
            withUnsafeBytes(of: number.bigEndian) { Array($0) }
        }
        switch self {
        case .v4(let address): return bytes(address.rawValue)
        case .v6(let address): return bytes(address.high) + bytes(address.low)
        }
    }
}
