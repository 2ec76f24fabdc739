/// A block of addresses: a network address and a prefix length.
public struct CIDR: Hashable, Sendable, Comparable {
    /// The lowest address of the block; host bits are zero.
    public let address: IPAddress
    /// The number of leading bits that all addresses of the block share: 0...32 for IPv4, 0...128 for IPv6.
    public let prefixLength: Int

    /// Makes a block; host bits of `address` are cleared. Nil if the prefix is longer than the address.
    public init?(_ address: IPAddress, prefixLength: Int) {
        guard prefixLength >= 0, prefixLength <= address.family.addressBits else { return nil }
        self.prefixLength = prefixLength
        switch address {
        case .v4(let value):
            self.address = .v4(IPv4Address(rawValue: value.rawValue & Self.mask32(prefixLength)))
        case .v6(let value):
            let mask = Self.mask128(prefixLength)
            self.address = .v6(IPv6Address(high: value.high & mask.high, low: value.low & mask.low))
        }
    }

    /// Parses `address/prefix`; nil for anything else. Host bits may be set and are cleared (`10.1.2.3/8` is
    /// `10.0.0.0/8`), leading zeros mean nothing, and a block of IPv4 addresses in IPv6 notation (`::ffff:10.0.0.0/104`) is the IPv4
    /// block (`10.0.0.0/8`), as the Kubernetes API has it.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(parts[0]) else { return nil }
        let digits = parts[1].utf8.drop { $0 == UInt8(ascii: "0") }
        guard !parts[1].isEmpty, digits.count <= 3, parts[1].utf8.allSatisfy({ (48...57).contains($0) }),
            let length = digits.isEmpty ? 0 : Int(String(decoding: digits, as: UTF8.self))
        else { return nil }
        // In IPv6 notation the prefix counts the 96 bits before the IPv4 address.
        let isMapped = address.family == .ipv4 && parts[0].utf8.contains(UInt8(ascii: ":"))
        self.init(address, prefixLength: isMapped ? length - 96 : length)
    }

    /// Whether the text of a block is in a form that API servers from 1.36 on refuse in what is new (KEP-4858): an address of a legacy
    /// spelling, a prefix with leading zeros, or host bits that are set. Of other texts this says nothing.
    public static func isLegacySpelling(_ text: some StringProtocol) -> Bool {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return false }
        if IPAddress.isLegacySpelling(parts[0]) { return true }
        if parts[1].utf8.count > 1, parts[1].utf8.first == UInt8(ascii: "0") { return true }
        return CIDR(text).map { IPAddress(parts[0]) != $0.address } ?? false
    }

    /// The family of the block.
    public var family: IPFamily { address.family }

    /// The highest address of the block.
    public var lastAddress: IPAddress {
        switch address {
        case .v4(let value): .v4(IPv4Address(rawValue: value.rawValue | ~Self.mask32(prefixLength)))
        case .v6(let value):
            .v6(
                IPv6Address(
                    high: value.high | ~Self.mask128(prefixLength).high,
                    low: value.low | ~Self.mask128(prefixLength).low))
        }
    }

    /// Whether the block holds the address. An address of the other family never is.
    public func contains(_ other: IPAddress) -> Bool {
        other.family == family && address <= other && other <= lastAddress
    }

    /// Whether every address of the other block is in this one.
    public func contains(_ other: CIDR) -> Bool {
        other.prefixLength >= prefixLength && contains(other.address)
    }

    /// Blocks sort by address, then wider before narrower.
    public static func < (lhs: CIDR, rhs: CIDR) -> Bool {
        (lhs.address, lhs.prefixLength) < (rhs.address, rhs.prefixLength)
    }

    /// The blocks without those that another one of them contains, sorted. The result never overlaps.
    public static func collapsed(_ blocks: some Sequence<CIDR>) -> [CIDR] {
        var result: [CIDR] = []
        for block in blocks.sorted() where result.last?.contains(block) != true { result.append(block) }
        return result
    }

    private static func mask32(_ length: Int) -> UInt32 { length == 0 ? 0 : ~0 << UInt32(32 - length) }

    private static func mask128(_ length: Int) -> (high: UInt64, low: UInt64) {
        if length == 0 { return (0, 0) }
        if length <= 64 { return (~0 << UInt64(64 - length), 0) }
        return (~0, ~0 << UInt64(128 - length))
    }
}

extension CIDR: CustomStringConvertible {
    /// `address/prefix`.
    public var description: String { "\(address)/\(prefixLength)" }
}
