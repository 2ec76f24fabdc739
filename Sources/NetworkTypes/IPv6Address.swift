/// An IPv6 address without a zone.
public struct IPv6Address: Hashable, Sendable, Comparable {
    /// The first eight bytes as a number in host byte order.
    public var high: UInt64
    /// The last eight bytes as a number in host byte order.
    public var low: UInt64

    /// Makes an address from its two halves, each a number in host byte order.
    @inlinable public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Parses the forms of RFC 4291 section 2.2, among them `::` and a trailing dotted quad; nil for anything else
    /// (a zone such as `%eth0` is not an address of a Service).
    public init?(_ text: some StringProtocol) { self.init(bytes: text.utf8) }

    /// Parses an address in ASCII.
    init?(bytes: some Collection<UInt8>) {
        var parser = IPv6Parser()
        guard let number = parser.parse(bytes) else { return nil }
        self.init(high: UInt64(truncatingIfNeeded: number >> 64), low: UInt64(truncatingIfNeeded: number))
    }

    /// Addresses sort by number.
    @inlinable public static func < (lhs: Self, rhs: Self) -> Bool {
        (lhs.high, lhs.low) < (rhs.high, rhs.low)
    }

    /// The IPv4 address that this one maps (RFC 4291 section 2.5.5.2, `::ffff:0:0/96`); nil if it is none of these.
    var mapped: IPv4Address? {
        high == 0 && low >> 32 == 0xFFFF ? IPv4Address(rawValue: UInt32(truncatingIfNeeded: low)) : nil
    }

    /// The eight 16-bit groups, most significant first.
    var groups: [UInt16] {
        (0..<8).map { index in
            let half = index < 4 ? high : low
            return UInt16(truncatingIfNeeded: half >> (48 - 16 * UInt64(index % 4)))
        }
    }
}

extension IPv6Address: CustomStringConvertible {
    /// The canonical text of RFC 5952: lower case, the longest run of zero groups (of two or more) shortened to `::`.
    ///
    /// An IPv4-mapped address prints its dotted quad, as glibc and `nft` do.
    public var description: String {
        let quad = IPv4Address(rawValue: UInt32(truncatingIfNeeded: low))
        if high == 0, low >> 32 == 0xFFFF { return "::ffff:\(quad)" }
        if high == 0, low >> 32 == 0, low > 0xFFFF { return "::\(quad)" }
        let groups = self.groups
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > best.count, end - start > 1 { best = start..<end }
            start = max(end, start + 1)
        }
        func text(_ part: ArraySlice<UInt16>) -> String { part.map { String($0, radix: 16) }.joined(separator: ":") }
        if best.isEmpty { return text(groups[...]) }
        return text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
    }
}
