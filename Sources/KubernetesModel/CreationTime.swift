/// When an object was created. A time as the API server writes it takes no memory besides this value.
public struct CreationTime: Hashable, Sendable, Comparable {
    /// The fourteen digits of such a time, which a string holds without memory of its own. Any other text as it is; with a zero byte
    /// behind it if it could be taken for that.
    private var compact = ""

    /// Makes the time from text. In UTC and whole seconds, such as `2026-11-22T10:20:30Z`, text order is time order.
    public init(_ text: String) {
        var text = text
        let digits = text.withUTF8 { Self.digits($0) }
        if let digits {
            compact = digits
        } else {
            compact = text.utf8.count == 14 || text.utf8.last == 0 ? text + "\u{0}" : text
        }
    }

    private var isCompact: Bool { compact.utf8.count == 14 }

    /// The text that the time was made from.
    public var text: String {
        guard isCompact else { return compact.utf8.last == 0 ? String(compact.dropLast()) : compact }
        return String(unsafeUninitializedCapacity: 20) { target in
            var index = 0
            func append(_ byte: UInt8) {
                target[index] = byte
                index += 1
            }
            for (position, byte) in compact.utf8.enumerated() {
                switch position {
                case 4, 6: append(UInt8(ascii: "-"))
                case 8: append(UInt8(ascii: "T"))
                case 10, 12: append(UInt8(ascii: ":"))
                default: break
                }
                append(byte)
            }
            append(UInt8(ascii: "Z"))
            return index
        }
    }

    /// The fourteen digits as a number, in time order; nil if the text was of another form.
    var number: UInt64? {
        isCompact ? compact.utf8.reduce(0) { $0 * 10 + UInt64($1 - UInt8(ascii: "0")) } : nil
    }

    private static func digits(_ text: UnsafeBufferPointer<UInt8>) -> String? {
        guard text.count == 20 else { return nil }
        for (index, byte) in text.enumerated() {
            switch index {
            case 4, 7: if byte != UInt8(ascii: "-") { return nil }
            case 10: if byte != UInt8(ascii: "T") { return nil }
            case 13, 16: if byte != UInt8(ascii: ":") { return nil }
            case 19: if byte != UInt8(ascii: "Z") { return nil }
            default: guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            }
        }
        return String(unsafeUninitializedCapacity: 14) { target in
            var count = 0
            for byte in text where byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") {
                target[count] = byte
                count += 1
            }
            return count
        }
    }

    /// Times sort by their texts.
    public static func < (left: CreationTime, right: CreationTime) -> Bool {
        left.isCompact && right.isCompact ? left.compact < right.compact : left.text < right.text
    }
}
