/// What a scalar means.
///
/// YAML 1.2 core rules, plus the booleans of YAML 1.1 (`yes`, `off` …): Kubernetes' parser still knows those, so
/// `name: yes` is a boolean to the API server and must not be a name here.
package enum ScalarValue: Equatable {
    case null
    case boolean(Bool)
    /// A whole number; nil if it does not fit an `Int`.
    case integer(Int?)
    /// A number that is octal to YAML 1.1 and decimal to YAML 1.2.
    case ambiguousInteger
    /// Any other number.
    case number
    case string

    init(plain bytes: UnsafeRawBufferPointer) {
        guard let first = bytes.first else {
            self = .null
            return
        }
        switch first {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
            self = Self.number(bytes)
        case UInt8(ascii: "~") where bytes.count == 1: self = .null
        case _ where bytes.count <= 5: self = Self.words[String(decoding: bytes, as: UTF8.self)] ?? .string
        default: self = .string
        }
    }

    /// How an error message names it.
    var noun: String {
        switch self {
        case .null: "null"
        case .boolean: "a boolean"
        case .integer, .ambiguousInteger, .number: "a number"
        case .string: "a string"
        }
    }

    private static let words: [String: ScalarValue] = {
        var words: [String: ScalarValue] = ["null": .null, "Null": .null, "NULL": .null]
        for word in ["true", "yes", "on", "y"] { words.add(word, .boolean(true)) }
        for word in ["false", "no", "off", "n"] { words.add(word, .boolean(false)) }
        return words
    }()

    private static func number(_ bytes: UnsafeRawBufferPointer) -> ScalarValue {
        var rest = bytes[...]
        let sign = rest.first
        if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { rest = rest.dropFirst() }
        guard let first = rest.first else { return .string }
        if rest.allSatisfy(isDigit) {
            if first == UInt8(ascii: "0"), rest.count > 1 { return .ambiguousInteger }
            return .integer(Int(String(decoding: bytes, as: UTF8.self)))
        }
        if first == UInt8(ascii: "0"), let radix = radix(rest) {
            let digits = String(decoding: rest.dropFirst(2), as: UTF8.self)
            guard digits.utf8.allSatisfy({ isAlphanumeric($0) }), let value = Int(digits, radix: radix) else {
                return .string
            }
            return .integer(sign == UInt8(ascii: "-") ? -value : value)
        }
        return isFloat(rest) ? .number : .string
    }

    private static func radix(_ text: Slice<UnsafeRawBufferPointer>) -> Int? {
        guard text.count > 2 else { return nil }
        switch text[text.startIndex + 1] {
        case UInt8(ascii: "x"): return 16
        case UInt8(ascii: "o"): return 8
        case UInt8(ascii: "b"): return 2
        default: return nil
        }
    }

    /// `1.5`, `.5`, `1e3`, `1_000`, `.inf`, `.nan`: digits with at most one point and one exponent.
    private static func isFloat(_ text: Slice<UnsafeRawBufferPointer>) -> Bool {
        if text.first == UInt8(ascii: "."), text.count == 4 {
            return [".inf", ".nan"].contains(String(decoding: text, as: UTF8.self).lowercased())
        }
        var digits = 0
        var points = 0
        var index = text.startIndex
        while index < text.endIndex {
            let byte = text[index]
            if isDigit(byte) {
                digits += 1
            } else if byte == UInt8(ascii: "."), points == 0 {
                points = 1
            } else if byte == UInt8(ascii: "_"), digits > 0 {
                // Blanks between digits, in YAML 1.1.
            } else if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E"), digits > 0 {
                var exponent = text[(index + 1)...]
                if exponent.first == UInt8(ascii: "-") || exponent.first == UInt8(ascii: "+") {
                    exponent = exponent.dropFirst()
                }
                return !exponent.isEmpty && exponent.allSatisfy(isDigit)
            } else {
                return false
            }
            index += 1
        }
        return digits > 0
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isDigit(byte) || (byte | 0x20) >= UInt8(ascii: "a") && (byte | 0x20) <= UInt8(ascii: "z")
    }
}

extension [String: ScalarValue] {
    /// Adds the three spellings that YAML knows: `true`, `True`, `TRUE`.
    fileprivate mutating func add(_ word: String, _ value: ScalarValue) {
        self[word] = value
        self[word.uppercased()] = value
        self[word.prefix(1).uppercased() + word.dropFirst()] = value
    }
}
