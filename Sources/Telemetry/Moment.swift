import KubernetesModel

/// A moment by two clocks: what a reader of a message wants to know, and what durations are measured by. The wall clock
/// may jump; whether something is late must not depend on it.
public struct Moment: Hashable, Sendable {
    /// Microseconds since 1970 (UTC).
    public var microseconds: Int64
    /// The time since some start, the same for all moments that are compared.
    public var uptime: Duration

    /// Makes a moment.
    public init(microseconds: Int64, uptime: Duration) {
        self.microseconds = microseconds
        self.uptime = uptime
    }

    /// Seconds since 1970 (UTC).
    public var seconds: Double { Double(microseconds) / 1_000_000 }

    /// Like `2026-11-21T09:05:00.25Z` (RFC 3339): as many decimals as it needs, which is how Go writes times in JSON.
    public var timestamp: String {
        var fraction = String(sinceStart % 1_000_000 + 1_000_000).dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        return CalendarTime(seconds: sinceStart / 1_000_000).timestamp(fraction: fraction)
    }

    /// Like `Sat, 21 Nov 2026 09:05:00 GMT`, the date of HTTP headers (RFC 9110, 5.6.7).
    public var httpDate: String {
        let time = CalendarTime(seconds: sinceStart / 1_000_000)
        let day = time.day
        return "\(Self.days[day.weekday]), \(day.day.padded(2)) \(Self.months[day.month - 1]) "
            + "\(day.year.padded(4)) \(time.clock) GMT"
    }

    /// The microseconds; 0 for moments before 1970, which no clock shows.
    private var sinceStart: Int64 { max(0, microseconds) }

    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
}
