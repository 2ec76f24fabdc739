/// Reads the text of an IPv6 address from left to right, without memory of its own.
struct IPv6Parser {
    /// The groups so far, the latest in the lowest 16 bits.
    private var number: UInt128 = 0
    private var groups = 0
    /// The groups before `::`, once it was seen.
    private var before: (number: UInt128, groups: Int)?

    /// The address as a number in host byte order; nil if the text is none.
    mutating func parse<Text: Collection<UInt8>>(_ text: Text) -> UInt128? {
        let colon = UInt8(ascii: ":")
        var index = text.startIndex
        if text.first == colon {
            // Only `::` may begin with a colon.
            text.formIndex(after: &index)
            guard index < text.endIndex, text[index] == colon else { return nil }
            text.formIndex(after: &index)
            before = (0, 0)
        }
        while index < text.endIndex {
            let start = index
            var group: UInt128 = 0
            var digits = 0
            while index < text.endIndex, let digit = Self.digit(text[index]) {
                group = group << 4 | UInt128(digit)
                digits += 1
                guard digits <= 4 else { return nil }
                text.formIndex(after: &index)
            }
            if index < text.endIndex, text[index] == UInt8(ascii: ".") {
                guard let quad = IPv4Address(bytes: text[start...]) else { return nil }
                number = number << 32 | UInt128(quad.rawValue)
                groups += 2
                break
            }
            guard digits > 0 else { return nil }
            number = number << 16 | group
            groups += 1
            guard groups <= 8 else { return nil }
            if index == text.endIndex { break }
            guard passColon(text, &index) else { return nil }
        }
        return filled
    }

    /// Passes `:` or the only `::`; false if something else is here, or a single colon ends the text.
    private mutating func passColon<Text: Collection<UInt8>>(_ text: Text, _ index: inout Text.Index) -> Bool {
        let colon = UInt8(ascii: ":")
        guard text[index] == colon else { return false }
        text.formIndex(after: &index)
        guard index < text.endIndex else { return false }
        guard text[index] == colon else { return true }
        guard before == nil else { return false }
        text.formIndex(after: &index)
        before = (number, groups)
        (number, groups) = (0, 0)
        return true
    }

    /// All groups, with zeros for `::`, which stands for at least one.
    private var filled: UInt128? {
        guard let before else { return groups == 8 ? number : nil }
        guard before.groups + groups < 8 else { return nil }
        // Nothing before `::` shifts by 128 bits, which makes zero.
        return before.number << UInt128(16 * (8 - before.groups)) | number
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
