/// A protobuf message that is built field by field, in the order of the calls.
///
/// Nothing is checked and nothing is left out, so that tests can build what no server would send.
public struct ProtobufMessage: Hashable, Sendable {
    /// The encoded fields.
    public var bytes: [UInt8] = []

    /// Makes a message without fields.
    public init() {}

    /// Makes a message and fills it.
    public init(_ fill: (inout ProtobufMessage) -> Void) { fill(&self) }

    /// Appends a number without a field around it.
    public mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest > 127 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 128)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// Appends what stands before a field's value. Wire types: 0 varint, 1 eight bytes, 2 length and bytes, 3 and 4
    /// begin and end of a group, 5 four bytes.
    public mutating func appendTag(_ field: Int, wireType: UInt8) {
        appendVarint(UInt64(truncatingIfNeeded: field) << 3 | UInt64(wireType))
    }

    /// Adds an `int32` or `int64`; negative numbers take ten bytes.
    public mutating func integer(_ field: Int, _ value: Int) {
        appendTag(field, wireType: 0)
        appendVarint(UInt64(bitPattern: Int64(value)))
    }

    /// Adds a `bool`.
    public mutating func boolean(_ field: Int, _ value: Bool) { integer(field, value ? 1 : 0) }

    /// Adds a `fixed64`.
    public mutating func eightBytes(_ field: Int, _ value: UInt64) {
        appendTag(field, wireType: 1)
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Adds a `fixed32`.
    public mutating func fourBytes(_ field: Int, _ value: UInt32) {
        appendTag(field, wireType: 5)
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Adds `bytes`.
    public mutating func data(_ field: Int, _ value: [UInt8]) {
        appendTag(field, wireType: 2)
        appendVarint(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    /// Adds a `string`.
    public mutating func text(_ field: Int, _ value: String) { data(field, Array(value.utf8)) }

    /// Adds a `string`, if there is one.
    public mutating func text(_ field: Int, ifPresent value: String?) {
        if let value { text(field, value) }
    }

    /// Adds a `repeated string`.
    public mutating func texts(_ field: Int, _ values: some Sequence<String>) {
        for value in values { text(field, value) }
    }

    /// Adds a message.
    public mutating func message(_ field: Int, _ value: ProtobufMessage) { data(field, value.bytes) }

    /// Adds a message that is filled here.
    public mutating func message(_ field: Int, _ fill: (inout ProtobufMessage) -> Void) {
        message(field, ProtobufMessage(fill))
    }

    /// Adds a `map<string, string>`, sorted by key.
    public mutating func map(_ field: Int, _ entries: [String: String]) {
        for (key, value) in entries.sorted(by: { $0.key < $1.key }) {
            message(field) {
                $0.text(1, key)
                $0.text(2, value)
            }
        }
    }

    /// Adds a `meta/v1.Time` of that many seconds since 1970; nil is the empty message, as Go's zero time is encoded.
    public mutating func time(_ field: Int, _ seconds: Int?) {
        message(field) {
            guard let seconds else { return }
            $0.integer(1, seconds)
            $0.integer(2, 0)
        }
    }
}
