/// A netlink message in a buffer of received or of written bytes.
struct NetlinkMessage {
    /// The header's fields, host byte order.
    let type: UInt16
    let flags: UInt16
    let sequence: UInt32
    /// The address of the socket that asked for what the message tells.
    let portID: UInt32
    /// Where the message starts in the buffer.
    let offset: Int
    /// What follows the netlink header.
    let payload: UnsafeRawBufferPointer

    /// The attributes behind the four bytes of the nfnetlink header.
    var attributes: AttributeSequence {
        AttributeSequence(
            payload.count >= 4 ? UnsafeRawBufferPointer(rebasing: payload[4...]) : .init(start: nil, count: 0))
    }

    /// The address family of the nfnetlink header.
    var family: UInt8 { payload.first ?? 0 }
}

/// The messages of a buffer. Ends at the first length that the buffer cannot hold.
struct MessageSequence: Sequence, IteratorProtocol {
    private let buffer: UnsafeRawBufferPointer
    private var offset = 0

    init(_ buffer: UnsafeRawBufferPointer) { self.buffer = buffer }

    mutating func next() -> NetlinkMessage? {
        guard buffer.count - offset >= 16 else { return nil }
        let length = Int(buffer.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        guard length >= 16, length <= buffer.count - offset else { return nil }
        defer { offset += (length + 3) & ~3 }
        return NetlinkMessage(
            type: buffer.loadUnaligned(fromByteOffset: offset + 4, as: UInt16.self),
            flags: buffer.loadUnaligned(fromByteOffset: offset + 6, as: UInt16.self),
            sequence: buffer.loadUnaligned(fromByteOffset: offset + 8, as: UInt32.self),
            portID: buffer.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self), offset: offset,
            payload: UnsafeRawBufferPointer(rebasing: buffer[(offset + 16)..<(offset + length)]))
    }
}

/// A netlink attribute.
struct NetlinkAttribute {
    /// The type without the flags for nesting and byte order.
    let type: UInt16
    /// The value.
    let value: UnsafeRawBufferPointer

    /// The value as a number in network byte order; nil if it is not four bytes long.
    var number: UInt32? {
        value.count == 4 ? UInt32(bigEndian: value.loadUnaligned(as: UInt32.self)) : nil
    }

    /// The value as text, without its terminating zero.
    var text: String { String(decoding: value.prefix { $0 != 0 }, as: UTF8.self) }

    /// The attributes inside.
    var nested: AttributeSequence { AttributeSequence(value) }
}

/// The attributes of a message or of a nest. Ends at the first length that the buffer cannot hold.
struct AttributeSequence: Sequence, IteratorProtocol {
    private let buffer: UnsafeRawBufferPointer
    private var offset = 0

    init(_ buffer: UnsafeRawBufferPointer) { self.buffer = buffer }

    mutating func next() -> NetlinkAttribute? {
        guard buffer.count - offset >= 4 else { return nil }
        let length = Int(buffer.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
        guard length >= 4, length <= buffer.count - offset else { return nil }
        defer { offset += (length + 3) & ~3 }
        return NetlinkAttribute(
            type: buffer.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self) & AttributeFlag.typeMask,
            value: UnsafeRawBufferPointer(rebasing: buffer[(offset + 4)..<(offset + length)]))
    }

    /// The first attribute of a type.
    func first(_ type: UInt16) -> NetlinkAttribute? {
        for attribute in self where attribute.type == type { return attribute }
        return nil
    }
}
