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
        let date = UTCDate(microseconds: microseconds)
        var fraction = String(date.microsecond + 1_000_000).dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        let day = "\(UTCDate.padded(date.year, 4))-\(UTCDate.padded(date.month))-\(UTCDate.padded(date.day))"
        return "\(day)T\(date.clock)\(fraction.isEmpty ? "" : ".\(fraction)")Z"
    }

    /// Like `Sat, 21 Nov 2026 09:05:00 GMT`, the date of HTTP headers (RFC 9110, 5.6.7).
    public var httpDate: String {
        let date = UTCDate(microseconds: microseconds)
        let names = UTCDate.names
        return "\(names.days[date.weekday]), \(UTCDate.padded(date.day)) \(names.months[date.month - 1]) "
            + "\(UTCDate.padded(date.year, 4)) \(date.clock) GMT"
    }
}

/// A moment by the Gregorian calendar.
private struct UTCDate {
    var year: Int
    var month: Int
    var day: Int
    /// 0 is Sunday.
    var weekday: Int
    var clock: String
    var microsecond: Int

    static let names = (
        days: ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"],
        months: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    )

    static func padded(_ number: Int, _ width: Int = 2) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// The calendar repeats after 400 years of 146097 days; years begin in March here, so that a leap day is the last.
    init(microseconds: Int64) {
        let microseconds = Int(max(0, microseconds))
        let second = microseconds / 1_000_000
        let days = second / 86_400
        let shifted = days + 719_468
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + shifted / 146_097 * 400 + (month <= 2 ? 1 : 0)
        weekday = (days + 4) % 7
        let time = second % 86_400
        clock = [time / 3600, time / 60 % 60, time % 60].map { Self.padded($0) }.joined(separator: ":")
        microsecond = microseconds % 1_000_000
    }
}
