extension String {
    /// The text on one line: control characters as `\u{…}`, so that an object cannot forge log lines.
    package var printable: String {
        var result = ""
        for scalar in unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator:
                result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// The printable text, cut to 60 characters.
    package var excerpt: String { count <= 60 ? printable : prefix(60).description.printable + "…" }

    /// The excerpt in quotes.
    package var quoted: String { "\"\(excerpt)\"" }

    /// The text without blanks and tabs at its ends.
    package var trimmingBlanks: String {
        var rest = self[...]
        while let first = rest.first, first.isWhitespace { rest = rest.dropFirst() }
        while let last = rest.last, last.isWhitespace { rest = rest.dropLast() }
        return String(rest)
    }
}
