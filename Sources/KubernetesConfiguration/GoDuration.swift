/// A duration as Go programs write it: `24h0m0s`, `90s`, `1.5h`, `-1s`, `0`.
public struct GoDuration: Hashable, Sendable {
    /// Whole nanoseconds; Go knows no finer ones, and none beyond some 292 years.
    public var nanoseconds: Int64

    /// Makes a duration.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Makes a duration of seconds.
    public init(seconds: Int64) { nanoseconds = seconds * 1_000_000_000 }

    /// The duration.
    public var duration: Duration { .nanoseconds(nanoseconds) }

    /// Whole seconds, rounded towards zero.
    public var seconds: Int { Int(nanoseconds / 1_000_000_000) }

    /// Whether it is no time at all.
    public var isZero: Bool { nanoseconds == 0 }

    /// Reads a duration; nil if the text is none.
    public init?(_ text: some StringProtocol) {
        var rest = Substring(text)
        let isNegative = rest.first == "-"
        if isNegative || rest.first == "+" { rest = rest.dropFirst() }
        var total: Int128 = 0
        if rest != "0" {
            if rest.isEmpty { return nil }
            while !rest.isEmpty {
                let whole = rest.prefix(while: \.isDigit)
                rest = rest.dropFirst(whole.count)
                var fraction: Substring = ""
                if rest.first == "." {
                    fraction = rest.dropFirst().prefix(while: \.isDigit)
                    rest = rest.dropFirst(fraction.count + 1)
                }
                let name = rest.prefix { !$0.isDigit && $0 != "." }
                rest = rest.dropFirst(name.count)
                guard !(whole.isEmpty && fraction.isEmpty), whole.count <= 19, let unit = Self.units[String(name)]
                else {
                    return nil
                }
                total += (Int128(whole) ?? 0) * unit
                var scale: Int128 = 1
                for digit in fraction.prefix(18) {
                    scale *= 10
                    total += Int128(digit.wholeNumberValue ?? 0) * unit / scale
                }
                if total > Int128(Int64.max) { return nil }
            }
        }
        nanoseconds = Int64(isNegative ? -total : total)
    }

    private static let units: [String: Int128] = [
        "ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000,
        "h": 3_600_000_000_000,
    ]
}

extension GoDuration: CustomStringConvertible {
    /// As Go prints it: `1h0m0s`, `1m30s`, `1.5s`, `20ms`, `0s`.
    public var description: String {
        let sign = nanoseconds < 0 ? "-" : ""
        let magnitude = nanoseconds.magnitude
        if magnitude == 0 { return "0s" }
        if magnitude < 1_000_000_000 {
            let (unit, digits) = magnitude < 1000 ? ("ns", 0) : magnitude < 1_000_000 ? ("µs", 3) : ("ms", 6)
            return sign + Self.decimal(magnitude, digits: digits) + unit
        }
        let minutes = magnitude / 60_000_000_000
        var text = Self.decimal(magnitude % 60_000_000_000, digits: 9) + "s"
        if minutes > 0 { text = "\(minutes % 60)m" + text }
        if minutes >= 60 { text = "\(minutes / 60)h" + text }
        return sign + text
    }

    /// A number of which so many digits stand after the point, without zeros at its end.
    private static func decimal(_ value: UInt64, digits: Int) -> String {
        var power: UInt64 = 1
        for _ in 0..<digits { power *= 10 }
        var fraction = String(String(value % power + power).dropFirst())
        while fraction.last == "0" { fraction.removeLast() }
        return "\(value / power)" + (fraction.isEmpty ? "" : ".\(fraction)")
    }
}

extension Character {
    fileprivate var isDigit: Bool { ("0"..."9").contains(self) }
}
