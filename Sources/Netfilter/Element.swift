import NetworkTypes

/// The key of an element: up to 40 bytes as they stand in the kernel's registers, inline, without a heap object.
///
/// The words hold the bytes in big-endian order, so that comparing words compares bytes.
public struct ElementKey: Hashable, Sendable, Comparable {
    /// The largest key: an IPv6 frontend and an IPv6 source.
    public static let capacity = 40

    @usableFromInline var words: (UInt64, UInt64, UInt64, UInt64, UInt64)

    /// The empty key.
    @inlinable public init() { words = (0, 0, 0, 0, 0) }

    /// Reads a key from wire bytes; bytes beyond `capacity` are ignored.
    public init(bytes: UnsafeRawBufferPointer) {
        self.init()
        withUnsafeMutableBytes(of: &words) { target in
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(Self.capacity)))
        }
        words = (words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian, words.4.bigEndian)
    }

    /// Writes the first `count` bytes to memory.
    @inlinable public func write(to target: UnsafeMutableRawPointer, count: Int) {
        let wire = (words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian, words.4.bigEndian)
        withUnsafeBytes(of: wire) {
            target.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(target), byteCount: count)
        }
    }

    /// The big-endian number in the four bytes at `offset`, a multiple of four.
    @inlinable public subscript(offset: Int) -> UInt32 {
        get {
            let word = self[word: offset >> 3]
            return UInt32(truncatingIfNeeded: offset & 4 == 0 ? word >> 32 : word)
        }
        set {
            let word = self[word: offset >> 3]
            self[word: offset >> 3] =
                offset & 4 == 0
                ? word & 0xFFFF_FFFF | UInt64(newValue) << 32
                : word & 0xFFFF_FFFF_0000_0000 | UInt64(newValue)
        }
    }

    /// The `count` bytes from `offset` on as a key of their own; both are multiples of four.
    package func shifted(by offset: Int, count: Int) -> ElementKey {
        var result = ElementKey()
        for index in stride(from: 0, to: count, by: 4) { result[index] = self[offset + index] }
        return result
    }

    @inlinable subscript(word index: Int) -> UInt64 {
        get {
            switch index {
            case 0: words.0
            case 1: words.1
            case 2: words.2
            case 3: words.3
            default: words.4
            }
        }
        set {
            switch index {
            case 0: words.0 = newValue
            case 1: words.1 = newValue
            case 2: words.2 = newValue
            case 3: words.3 = newValue
            default: words.4 = newValue
            }
        }
    }

    /// Equal bytes.
    @inlinable public static func == (lhs: Self, rhs: Self) -> Bool { lhs.words == rhs.words }

    /// Hashes the words in use: the tail of a short key is zero.
    @inlinable public func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        if words.2 | words.3 | words.4 != 0 {
            hasher.combine(words.2)
            hasher.combine(words.3)
            hasher.combine(words.4)
        }
    }

    /// Keys sort by their bytes: by address, then protocol, then port. (Slots are in host byte order; see `Element`.)
    @inlinable public static func < (lhs: Self, rhs: Self) -> Bool { lhs.words < rhs.words }
}

/// Builds a key field by field.
public struct KeyBuilder {
    /// The key so far.
    public private(set) var key = ElementKey()
    /// The number of bytes written.
    public private(set) var count = 0

    /// Starts with an empty key.
    @inlinable public init() {}

    /// Appends an address in network byte order.
    public mutating func append(_ address: IPAddress) {
        switch address {
        case .v4(let value): append(word: value.rawValue)
        case .v6(let value):
            append(word: UInt32(truncatingIfNeeded: value.high >> 32))
            append(word: UInt32(truncatingIfNeeded: value.high))
            append(word: UInt32(truncatingIfNeeded: value.low >> 32))
            append(word: UInt32(truncatingIfNeeded: value.low))
        }
    }

    /// Appends a protocol number: the first of four bytes.
    public mutating func append(_ transport: TransportProtocol) { append(word: UInt32(transport.rawValue) << 24) }

    /// Appends a port: the first two of four bytes, network byte order.
    public mutating func append(port: UInt16) { append(word: UInt32(port) << 16) }

    /// Appends a slot number: four bytes in host byte order, as `numgen` makes them.
    public mutating func append(slot: UInt32) { append(word: slot.bigEndian) }

    /// Appends a packet priority: four bytes in host byte order.
    public mutating func append(priority: UInt32) { append(word: priority.bigEndian) }

    mutating func append(word: UInt32) {
        key[count] = word
        count += 4
    }
}

/// The data of a map's element: an endpoint's address and port, as they stand in the registers.
public typealias ElementData = ElementKey

/// An element of a set or map.
///
/// An element has data, or is an interval, or neither: so a first load has less to carry around.
public struct Element: Hashable, Sendable {
    @usableFromInline enum Form: UInt8, Hashable, Sendable {
        case single
        case interval
        case mapping
    }

    /// The key, or the first address of an interval.
    public var key: ElementKey
    /// The last address of an interval, or the data.
    @usableFromInline var other: ElementKey
    /// What the element stands for (`namespace/name:port`); nil for none.
    public var comment: String?
    @usableFromInline var form: Form

    /// The longest comment that `nft` takes.
    public static let commentCapacity = 128

    /// Makes an element; data take precedence over an end.
    @inlinable public init(
        _ key: ElementKey, to keyEnd: ElementKey? = nil, data: ElementData? = nil, comment: String? = nil
    ) {
        self.key = key
        other = data ?? keyEnd ?? ElementKey()
        form = data != nil ? .mapping : keyEnd != nil ? .interval : .single
        self.comment = comment
    }

    /// The last address of an interval, inclusive; nil for a single key.
    @inlinable public var keyEnd: ElementKey? { form == .interval ? other : nil }

    /// The data of a map's element; nil in a set.
    @inlinable public var data: ElementData? {
        get { form == .mapping ? other : nil }
        set {
            other = newValue ?? ElementKey()
            form = newValue == nil ? .single : .mapping
        }
    }

    /// What stands for the element when it is observed: its data, the end of the interval, or nothing.
    @inlinable var observedValue: ElementKey { other }
}
