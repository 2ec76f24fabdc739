/// An IP family. Services, EndpointSlices and nftables tables each belong to exactly one.
public enum IPFamily: UInt8, Hashable, Sendable, CaseIterable, Comparable {
    /// IPv4; the nftables family `ip`.
    case ipv4 = 4
    /// IPv6; the nftables family `ip6`.
    case ipv6 = 6

    /// The number of bits in an address of this family.
    public var addressBits: Int { self == .ipv4 ? 32 : 128 }

    /// IPv4 sorts before IPv6.
    public static func < (lhs: IPFamily, rhs: IPFamily) -> Bool { lhs.rawValue < rhs.rawValue }
}

extension IPFamily: CustomStringConvertible {
    /// The Kubernetes spelling, `IPv4` or `IPv6`.
    public var description: String { self == .ipv4 ? "IPv4" : "IPv6" }
}
