/// JSON text of values, for the few shapes that Fairlead prints.
package enum JSONText {
    /// A string with its quotes.
    package static func string(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 32 || scalar.value == 127:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// An array of strings.
    package static func array(_ texts: some Sequence<String>) -> String {
        "[" + texts.map { string($0) }.joined(separator: ",") + "]"
    }
}
