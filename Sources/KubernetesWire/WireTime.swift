/// `meta/v1.Time`: seconds since 1970.
enum WireTime {
    /// The seconds of an encoded time; nil for the empty message, which is Go's zero time and so an absent one.
    ///
    /// The API has no fractions of seconds: like the API server, this ignores the nanoseconds.
    static func seconds(_ message: Bytes) throws(WireError) -> Int64? {
        if message.isEmpty { return nil }
        var seconds: Int64 = 0
        var reader = WireReader(message)
        while try reader.advance(to: 1) { seconds = try reader.int64() }
        return seconds
    }

    /// RFC 3339 as the API writes it, `2024-01-31T12:34:56Z`; nil outside of the years 1 to 9999, which it cannot write.
    static func text(seconds: Int64) -> String? {
        guard (-62_135_596_800...253_402_300_799).contains(seconds) else { return nil }
        let days = seconds.dividedFloor(by: 86400)
        let rest = seconds - days * 86400
        let date = civil(days: days)
        var text = ""
        append(date.year, digits: 4, to: &text)
        for (mark, number) in [
            ("-", date.month), ("-", date.day), ("T", rest / 3600), (":", rest / 60 % 60), (":", rest % 60),
        ] {
            text += mark
            append(number, digits: 2, to: &text)
        }
        return text + "Z"
    }

    private static func append(_ number: Int64, digits: Int, to text: inout String) {
        let plain = String(number)
        text += String(repeating: "0", count: digits - plain.utf8.count) + plain
    }

    /// The date in the Gregorian calendar of a day counted from 1970-01-01.
    ///
    /// Years are counted from March, so that the day that only leap years have is their last; 400 years repeat.
    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let fromMarch = days + 719_468
        let era = fromMarch.dividedFloor(by: 146_097)
        let dayOfEra = fromMarch - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}

extension Int64 {
    /// The quotient rounded down; the divisor is positive.
    fileprivate func dividedFloor(by divisor: Int64) -> Int64 {
        self / divisor - (self % divisor < 0 ? 1 : 0)
    }
}
