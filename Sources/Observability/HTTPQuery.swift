/// The fields of a query, such as `from=node&to=10.96.0.10%3A80`.
public struct HTTPQuery: Hashable, Sendable {
    private var fields: [String: String] = [:]

    /// Takes a query apart. Of a field that stands in it twice, the first counts.
    public init(_ text: String) {
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = Self.decoded(parts[0])
            if fields[name] == nil { fields[name] = parts.count > 1 ? Self.decoded(parts[1]) : "" }
        }
    }

    /// The value of a field; nil if it is not there.
    public subscript(_ name: String) -> String? { fields[name] }

    /// A text without percent signs; in fields of queries `+` is a blank. What is no escape stays as it is, and bytes that are
    /// no UTF-8 become replacement characters.
    public static func decoded(_ text: some StringProtocol, plusIsBlank: Bool = true) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "%"), index + 2 < bytes.count, let value = value(bytes[index + 1], bytes[index + 2])
            {
                result.append(value)
                index += 3
                continue
            }
            result.append(byte == UInt8(ascii: "+") && plusIsBlank ? UInt8(ascii: " ") : byte)
            index += 1
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func value(_ first: UInt8, _ second: UInt8) -> UInt8? {
        guard let first = digit(first), let second = digit(second) else { return nil }
        return first << 4 | second
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
