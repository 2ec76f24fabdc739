/// An IPv4 address.
///
/// Text form is the dotted quad: four decimal numbers from 0 to 255. Leading zeros mean nothing, as Kubernetes has read them since
/// 1.0 (`192.0.2.007` is `192.0.2.7`). Other libraries take such numbers for octal, or refuse them; API servers up to 1.35 accept
/// them, later ones keep those that are stored (KEP-4858). What is printed has none.
public struct IPv4Address: Hashable, Sendable, Comparable {
    /// The address as a number in host byte order: `10.0.0.1` is `0x0A000001`.
    public var rawValue: UInt32

    /// Makes an address from its number in host byte order.
    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Parses a dotted quad; nil for anything else.
    public init?(_ text: some StringProtocol) { self.init(bytes: text.utf8) }

    /// Parses a dotted quad in ASCII.
    init?(bytes: some Sequence<UInt8>) {
        var value: UInt32 = 0
        var octet: UInt32 = 0
        var digits = 0
        var dots = 0
        for byte in bytes {
            if byte == UInt8(ascii: ".") {
                guard digits > 0, dots < 3 else { return nil }
                value = value << 8 | octet
                (octet, digits, dots) = (0, 0, dots + 1)
                continue
            }
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            octet = octet * 10 + UInt32(byte - UInt8(ascii: "0"))
            digits += 1
            if octet > 255 { return nil }
        }
        guard dots == 3, digits > 0 else { return nil }
        self.rawValue = value << 8 | octet
    }

    /// Addresses sort by number.
    @inlinable public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

extension IPv4Address: CustomStringConvertible {
    /// The dotted quad.
    public var description: String {
        "\(rawValue >> 24).\(rawValue >> 16 & 255).\(rawValue >> 8 & 255).\(rawValue & 255)"
    }
}
