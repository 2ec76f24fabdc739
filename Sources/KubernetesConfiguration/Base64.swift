/// Base64 as Kubernetes writes it: RFC 4648 section 4, with padding. Line ends may stand anywhere in it.
enum Base64 {
    /// The bytes that a text stands for; nil if it is no base64.
    static func decode(_ text: some Sequence<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        var bits: UInt32 = 0
        var digits = 0
        var padding = 0
        for byte in text where byte != UInt8(ascii: "\n") && byte != UInt8(ascii: "\r") {
            if byte == UInt8(ascii: "=") {
                padding += 1
                bits <<= 6
            } else {
                guard padding == 0, let value = value(of: byte) else { return nil }
                bits = bits << 6 | value
            }
            digits += 1
            guard digits == 4 else { continue }
            guard padding <= 2 else { return nil }
            for index in 0..<(3 - padding) { result.append(UInt8(truncatingIfNeeded: bits >> UInt32(16 - index * 8))) }
            digits = 0
            bits = 0
        }
        return digits == 0 ? result : nil
    }

    private static func value(of byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte) - 65
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte) - 71
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte) + 4
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
