import FoundationEssentials

/// Base64 as Kubernetes writes it: RFC 4648 section 4, with padding. Line ends may stand anywhere in it.
enum Base64 {
    /// The bytes that a text stands for; nil if it is no base64.
    static func decode(_ text: some Sequence<UInt8>) -> [UInt8]? {
        let digits = text.filter { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        // Foundation also takes padding that is too long, or in the middle.
        let padding = digits.drop { $0 != UInt8(ascii: "=") }
        guard digits.count.isMultiple(of: 4), padding.count <= 2, padding.allSatisfy({ $0 == UInt8(ascii: "=") })
        else { return nil }
        return Data(base64Encoded: Data(digits)).map { Array($0) }
    }
}
