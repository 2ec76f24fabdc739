/// A whole second of UTC by the Gregorian calendar.
package struct CalendarTime: Hashable, Sendable {
    /// The day.
    package let day: CalendarDay
    /// The second of the day, from 0.
    package let secondOfDay: Int

    /// Makes the time of so many seconds since 1970.
    package init(seconds: Int64) {
        let days = seconds.dividedFloor(by: 86_400)
        day = CalendarDay(daysSince1970: days)
        secondOfDay = Int(seconds - days * 86_400)
    }

    /// Like `12:34:56`.
    package var clock: String {
        [secondOfDay / 3600, secondOfDay / 60 % 60, secondOfDay % 60].map { $0.padded(2) }.joined(separator: ":")
    }

    /// RFC 3339 in UTC, as Go and the Kubernetes API write it.
    ///
    /// - Parameter fraction: Decimals of the second, without zeros at the end.
    /// - Returns: Such as `2024-01-31T12:34:56Z`, or `2024-01-31T12:34:56.5Z` with the fraction `5`.
    package func timestamp(fraction: Substring = "") -> String {
        "\(day)T\(clock)\(fraction.isEmpty ? "" : ".\(fraction)")Z"
    }
}

/// A day of the Gregorian calendar.
package struct CalendarDay: Hashable, Sendable {
    /// The year; 0 is the year before 1.
    package let year: Int
    /// The month, from 1.
    package let month: Int
    /// The day of the month, from 1.
    package let day: Int

    /// Makes a day.
    package init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    // Years begin in March here, so that the day that only leap years have is their last; 400 years of 146,097 days repeat.

    /// Makes the day that is so many days after 1970-01-01.
    package init(daysSince1970: Int64) {
        let fromMarch = daysSince1970 + 719_468
        let era = fromMarch.dividedFloor(by: 146_097)
        let dayOfEra = Int(fromMarch - era * 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + Int(era) * 400 + (month <= 2 ? 1 : 0)
    }

    /// The days from 1970-01-01 to this day.
    package var daysSince1970: Int64 {
        let yearFromMarch = Int64(month <= 2 ? year - 1 : year)
        let era = yearFromMarch.dividedFloor(by: 400)
        let yearOfEra = yearFromMarch - era * 400
        let dayOfYear = Int64((153 * ((month + 9) % 12) + 2) / 5 + day - 1)
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// The day of the week; 0 is Sunday.
    package var weekday: Int {
        let days = daysSince1970 + 4
        return Int(days - days.dividedFloor(by: 7) * 7)
    }
}

extension CalendarDay: CustomStringConvertible {
    /// Like `2024-01-31`.
    package var description: String { "\(year.padded(4))-\(month.padded(2))-\(day.padded(2))" }
}

extension Int {
    /// The number with zeros before it, so that it has at least so many digits.
    package func padded(_ width: Int) -> String {
        let digits = String(self)
        return String(repeating: "0", count: Swift.max(0, width - digits.utf8.count)) + digits
    }
}

extension Int64 {
    /// The quotient rounded down; the divisor is positive.
    fileprivate func dividedFloor(by divisor: Int64) -> Int64 {
        self / divisor - (self % divisor < 0 ? 1 : 0)
    }
}
