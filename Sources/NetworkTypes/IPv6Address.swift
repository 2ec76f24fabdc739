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
    public init?(_ text: some StringProtocol) {
        guard let groups = Self.groups(of: Array(text.utf8)) else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for index in 0..<4 {
            high = high << 16 | UInt64(groups[index])
            low = low << 16 | UInt64(groups[index + 4])
        }
        self.init(high: high, low: low)
    }

    /// Addresses sort by number.
    @inlinable public static func < (lhs: Self, rhs: Self) -> Bool {
        (lhs.high, lhs.low) < (rhs.high, rhs.low)
    }

    /// The eight 16-bit groups, most significant first.
    var groups: [UInt16] {
        (0..<8).map { index in
            let half = index < 4 ? high : low
            return UInt16(truncatingIfNeeded: half >> (48 - 16 * UInt64(index % 4)))
        }
    }

    private static func groups(of text: [UInt8]) -> [UInt16]? {
        let colon = UInt8(ascii: ":")
        var groups: [UInt16] = []
        var gap: Int?
        var index = 0
        if text.starts(with: [colon, colon]) {
            gap = 0
            index = 2
        }
        while index < text.count {
            let end = text[index...].firstIndex(of: colon) ?? text.count
            let part = text[index..<end]
            if part.contains(UInt8(ascii: ".")) {
                guard end == text.count, let quad = IPv4Address(String(decoding: part, as: UTF8.self)) else {
                    return nil
                }
                groups.append(UInt16(quad.rawValue >> 16))
                groups.append(UInt16(quad.rawValue & 0xFFFF))
                index = end
                break
            }
            guard (1...4).contains(part.count), let group = hexadecimal(part) else { return nil }
            groups.append(group)
            guard groups.count <= 8 else { return nil }
            if end == text.count { index = end; break }
            index = end + 1
            if index == text.count { return nil }
            if text[index] == colon {
                guard gap == nil else { return nil }
                gap = groups.count
                index += 1
            }
        }
        return filled(groups, gap: gap)
    }

    private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt16? {
        var value: UInt16 = 0
        for byte in digits {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt16(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt16(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt16(byte - UInt8(ascii: "A") + 10)
            default: return nil
            }
        }
        return value
    }

    private static func filled(_ groups: [UInt16], gap: Int?) -> [UInt16]? {
        guard let gap else { return groups.count == 8 ? groups : nil }
        guard groups.count < 8 else { return nil }
        return groups[..<gap] + Array(repeating: 0, count: 8 - groups.count) + groups[gap...]
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
