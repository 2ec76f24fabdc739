import KubernetesModel

/// A part of what is being decoded; valid as long as that is.
typealias Bytes = UnsafeRawBufferPointer

/// Reads the fields of a protobuf message in their order.
///
/// Every access is checked against the end of the message, and every length before it is used, so that no bytes can make
/// it read beyond, trap, or take more time than they are long. It goes down only where the caller does; fields that
/// nobody asks for are passed over.
struct WireReader {
    /// The number of the current field.
    private(set) var field: UInt64 = 0
    /// How far the message is read.
    private(set) var offset = 0

    private let message: Bytes
    private var wireType: UInt8 = 0
    /// The value of a varint, the length of anything else.
    private var value: UInt64 = 0

    /// Starts at the first field of a message.
    init(_ message: Bytes) { self.message = message }

    /// Goes to the next field; false at the end of the message.
    mutating func advance() throws(WireError) -> Bool {
        guard try readHead() else { return false }
        if wireType != 0 {
            guard value <= UInt64(message.count - offset) else { throw .cutShort }
            offset += Int(value)
        }
        return true
    }

    /// Goes to the next field of that number; false if there is none.
    mutating func advance(to number: UInt64) throws(WireError) -> Bool {
        while try advance() {
            if field == number { return true }
        }
        return false
    }

    /// Reads what stands before a field's value, and the value only of a varint; false at the end of the message.
    ///
    /// The number of bytes that follow is `length`; there may be fewer in the message.
    mutating func readHead() throws(WireError) -> Bool {
        guard offset < message.count else { return false }
        let tag = try varint()
        field = tag >> 3
        wireType = UInt8(truncatingIfNeeded: tag & 7)
        guard field > 0, field < 1 << 29 else { throw WireError("a message has a field of number \(field)") }
        switch wireType {
        case 0, 2: value = try varint()
        case 1: value = 8
        case 5: value = 4
        default: throw WireError("field \(field) of a message has the wire type \(wireType), which is not in use")
        }
        return true
    }

    /// The number of bytes after the head of the current field.
    var length: UInt64 { wireType == 0 ? 0 : value }

    /// Whether the current field is text, bytes or a message.
    var isBytes: Bool { wireType == 2 }

    /// The current field, which has to be text, bytes or a message.
    func bytes() throws(WireError) -> Bytes {
        guard wireType == 2 else { throw wrongType(2) }
        return Bytes(rebasing: message[offset - Int(value)..<offset])
    }

    /// The current field, which has to be text.
    func text() throws(WireError) -> String { String(decoding: try bytes(), as: UTF8.self) }

    /// The current field, which has to be an `int64`.
    func int64() throws(WireError) -> Int64 {
        guard wireType == 0 else { throw wrongType(0) }
        return Int64(bitPattern: value)
    }

    /// The current field, which has to be an `int32`; like other decoders, this one ignores further bits.
    func int32() throws(WireError) -> Int { Int(Int32(truncatingIfNeeded: try int64())) }

    /// The current field, which has to be a `bool`.
    func boolean() throws(WireError) -> Bool { try int64() != 0 }

    /// The current field, which has to be an entry of a map of texts. What is missing is empty, as protobuf says.
    func entry() throws(WireError) -> (key: Bytes, value: Bytes) {
        var reader = WireReader(try bytes())
        var key = Bytes.none
        var value = Bytes.none
        while try reader.advance() {
            switch reader.field {
            case 1: key = try reader.bytes()
            case 2: value = try reader.bytes()
            default: break
            }
        }
        return (key, value)
    }

    private func wrongType(_ expected: UInt8) -> WireError {
        WireError("field \(field) of a message has the wire type \(wireType) instead of \(expected)")
    }

    /// Reads seven bits of each byte, the lowest first, up to a byte without the highest bit.
    private mutating func varint() throws(WireError) -> UInt64 {
        guard offset < message.count else { throw .cutShort }
        var byte = message[offset]
        offset += 1
        if byte < 128 { return UInt64(byte) }
        var value = UInt64(byte & 127)
        var shift: UInt64 = 7
        repeat {
            guard shift < 70 else { throw WireError("a number is longer than ten bytes") }
            guard offset < message.count else { throw .cutShort }
            byte = message[offset]
            offset += 1
            // Of the tenth byte only one bit has a place.
            value |= UInt64(byte & 127) << shift
            shift += 7
        } while byte >= 128
        return value
    }
}

extension WireError {
    /// The bytes end before they should.
    static let cutShort = WireError("the bytes end within a message")
}

extension Bytes {
    /// Nothing.
    static var none: Bytes { Bytes(start: nil, count: 0) }

    /// Whether the bytes are this text.
    func equals(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && hasPrefix(text)
    }

    /// Whether the bytes begin with this text.
    func hasPrefix(_ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        guard count >= length else { return false }
        return Bytes(rebasing: self[..<length]).hasBytes(Bytes(start: text.utf8Start, count: length))
    }

    /// The text; what is not UTF-8 is replaced by U+FFFD.
    var text: String { String(decoding: self, as: UTF8.self) }
}
