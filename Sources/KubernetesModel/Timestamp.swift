/// Moments as the Kubernetes API writes them (RFC 3339), as numbers.
public enum Timestamp {
    /// Nanoseconds since 1970 (UTC) of a text such as `2026-11-21T09:05:00.123456789+01:00`.
    ///
    /// Digits beyond nanoseconds are dropped. The letters T and Z have to be capital, and there are no leap seconds, as with
    /// Go's parser, which wrote what is read here.
    ///
    /// - Parameter text: ASCII.
    /// - Returns: Nil if the text is no such moment, or it is too far from 1970 for 64 bits (before 1678 or after 2261).
    public static func nanoseconds<Text: Collection<UInt8>>(_ text: Text) -> Int64? {
        guard let (seconds, fraction) = moment(text) else { return nil }
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflowOfSum) = product.addingReportingOverflow(Int64(fraction))
        return overflow || overflowOfSum ? nil : sum
    }

    /// The moment as the API writes it: in UTC and whole seconds, so that text order is time order. Nil if the text is no moment, or
    /// is not in the years 1 to 9999 of UTC.
    package static func canonical(_ text: String) -> String? {
        guard let seconds = moment(text.utf8)?.seconds else { return nil }
        return text.utf8.count == 20 && seconds >= years.lowerBound ? text : self.text(seconds: seconds)
    }

    /// Seconds since 1970 (UTC) and nanoseconds.
    private static func moment<Text: Collection<UInt8>>(_ text: Text) -> (seconds: Int64, fraction: Int)? {
        var reader = Reader<Text>(rest: text[...])
        guard let year = reader.digits(4), reader.take("-"), let month = reader.digits(2), reader.take("-"),
            let day = reader.digits(2), reader.take("T"), let hour = reader.digits(2), reader.take(":"),
            let minute = reader.digits(2), reader.take(":"), let second = reader.digits(2),
            let fraction = reader.fraction(), let offset = reader.offset(), reader.rest.isEmpty,
            (1...12).contains(month), (1...daysInMonth(month, of: year)).contains(day), hour < 24, minute < 60,
            second < 60
        else { return nil }
        let secondOfDay = hour * 3600 + minute * 60 + second
        let days = CalendarDay(year: year, month: month, day: day).daysSince1970
        return (days * 86_400 + Int64(secondOfDay - offset), fraction)
    }

    /// Reads from the front of a text.
    private struct Reader<Text: Collection<UInt8>> {
        var rest: Text.SubSequence

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard rest.first == UInt8(ascii: character) else { return false }
            rest = rest.dropFirst()
            return true
        }

        mutating func digit() -> Int? {
            guard let byte = rest.first, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            rest = rest.dropFirst()
            return Int(byte - UInt8(ascii: "0"))
        }

        mutating func digits(_ count: Int) -> Int? {
            var value = 0
            for _ in 0..<count {
                guard let digit = digit() else { return nil }
                value = value * 10 + digit
            }
            return value
        }

        /// Nanoseconds; 0 without a fraction, nil for a point without digits.
        mutating func fraction() -> Int? {
            guard take(".") else { return 0 }
            guard var value = digit() else { return nil }
            var count = 1
            while let digit = digit() {
                if count < 9 { value = value * 10 + digit }
                count += 1
            }
            while count < 9 {
                value *= 10
                count += 1
            }
            return value
        }

        /// Seconds east of UTC.
        mutating func offset() -> Int? {
            if take("Z") { return 0 }
            let isEast = take("+")
            guard isEast || take("-"), let hours = digits(2), take(":"), let minutes = digits(2), hours < 24,
                minutes < 60
            else { return nil }
            let seconds = hours * 3600 + minutes * 60
            return isEast ? seconds : -seconds
        }
    }

    private static func daysInMonth(_ month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

extension Timestamp {
    /// The seconds of the years 1 to 9999.
    private static let years: ClosedRange<Int64> = -62_135_596_800...253_402_300_799

    /// RFC 3339 as the API writes it, `2024-01-31T12:34:56Z`; nil outside of the years 1 to 9999, which it cannot write.
    package static func text(seconds: Int64) -> String? {
        guard years.contains(seconds) else { return nil }
        return CalendarTime(seconds: seconds).timestamp()
    }
}
