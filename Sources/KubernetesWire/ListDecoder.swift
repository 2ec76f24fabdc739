import KubernetesModel

/// Decodes the body of a list while it arrives, so that only an item that is still incomplete is kept as bytes.
public struct ListDecoder: Sendable {
    /// Up to this many bytes of an incomplete item are kept; more is an error. etcd stores objects of 1.5 MB at most.
    public static let itemLimit = 64 << 20

    private var parser: ListParser
    /// What of the body was not decoded yet.
    private var pending: [UInt8] = []

    /// Starts with a body of which nothing came.
    ///
    /// - Parameter details: Whether the objects come with what only advice reads.
    public init(kind: ObjectID.Kind, details: Bool = false) { parser = ListParser(kind: kind, details: details) }

    /// How many items were decoded so far.
    public var itemCount: Int { parser.page.items.count }

    /// Hands over the items that were decoded so far; the page of ``finish()`` does not have them.
    public mutating func takeItems() -> [WireObject] { parser.takeItems() }

    /// Decodes what the next bytes of the body complete.
    ///
    /// - Throws: `WireError` if this is no list of the kind; then the decoder is of no more use.
    public mutating func append(_ bytes: UnsafeRawBufferPointer) throws(WireError) {
        if pending.isEmpty {
            let consumed = try parser.parse(bytes)
            pending.append(contentsOf: bytes[consumed...])
        } else {
            pending.append(contentsOf: bytes)
            let consumed = try pending.withUnsafeBufferPointer { (bytes) throws(WireError) in
                try parser.parse(UnsafeRawBufferPointer(bytes))
            }
            pending.removeFirst(consumed)
        }
        if pending.count > Self.itemLimit { throw WireError("an item has more than \(Self.itemLimit) bytes") }
    }

    /// Decodes what the next bytes of the body complete.
    ///
    /// - Throws: `WireError` if this is no list of the kind; then the decoder is of no more use.
    public mutating func append(_ bytes: [UInt8]) throws(WireError) {
        try bytes.withUnsafeBufferPointer { (bytes) throws(WireError) in try append(UnsafeRawBufferPointer(bytes)) }
    }

    /// The whole list, once the body has ended.
    ///
    /// - Throws: `WireError` if it ended too early.
    public func finish() throws(WireError) -> ObjectListPage {
        guard pending.isEmpty, parser.isComplete else { throw .cutShort }
        return parser.page
    }

    /// Decodes a body that is there as a whole.
    ///
    /// - Throws: `WireError` if it is no list of the kind.
    public static func decode(
        _ body: [UInt8], kind: ObjectID.Kind, details: Bool = false
    ) throws(WireError) -> ObjectListPage {
        var decoder = ListDecoder(kind: kind, details: details)
        try decoder.append(body)
        return try decoder.finish()
    }
}

/// Decodes the fields of an envelope and of the list in it, each as soon as it is there as a whole.
private struct ListParser {
    private enum Place {
        /// Before the magic.
        case start
        /// Between fields of the envelope.
        case envelope
        /// Between fields of the list, of which so many bytes are left.
        case list(UInt64)
    }

    private(set) var page = ObjectListPage()

    private var place = Place.start
    private var type = TypeMeta()
    private var hasList = false
    private var decoder: ObjectDecoder

    init(kind: ObjectID.Kind, details: Bool) {
        decoder = ObjectDecoder(kind: kind, pool: TextPool(), readsDetails: details)
    }

    mutating func takeItems() -> [WireObject] {
        defer { page.items = [] }
        return page.items
    }

    /// Whether the body may end here.
    var isComplete: Bool {
        guard case .envelope = place else { return false }
        return hasList
    }

    /// Decodes all fields that are complete and returns how many bytes they are.
    mutating func parse(_ bytes: Bytes) throws(WireError) -> Int {
        var offset = 0
        while true {
            let consumed = try step(Bytes(rebasing: bytes[offset...]))
            if consumed == 0 { return offset }
            offset += consumed
        }
    }

    /// Decodes one field; returns its length, or 0 if it is not complete.
    private mutating func step(_ bytes: Bytes) throws(WireError) -> Int {
        switch place {
        case .start:
            guard bytes.count >= 4 else { return 0 }
            try Envelope.checkMagic(bytes)
            place = .envelope
            return 4
        case .envelope: return try envelopeField(bytes)
        case .list(0):
            place = .envelope
            // Nothing was consumed, but another place may have something to do.
            return try envelopeField(bytes)
        case .list(let left):
            let isWhole = left <= UInt64(bytes.count)
            let consumed = try listField(isWhole ? Bytes(rebasing: bytes[..<Int(left)]) : bytes, isWhole)
            place = .list(left - UInt64(consumed))
            return consumed
        }
    }

    private mutating func envelopeField(_ bytes: Bytes) throws(WireError) -> Int {
        var reader = WireReader(bytes)
        guard try Self.complete({ () throws(WireError) in try reader.readHead() }) else { return 0 }
        if reader.field == Envelope.objectField, reader.isBytes {
            try type.check(decoder.kind, suffix: "List")
            hasList = true
            place = .list(reader.length)
            return reader.offset
        }
        reader = WireReader(bytes)
        guard try Self.complete({ () throws(WireError) in try reader.advance() }) else { return 0 }
        try type.read(reader)
        return reader.offset
    }

    /// - Parameter isWhole: Whether the bytes are all that is left of the list.
    private mutating func listField(_ bytes: Bytes, _ isWhole: Bool) throws(WireError) -> Int {
        var reader = WireReader(bytes)
        do throws(WireError) {
            guard try reader.advance() else { return 0 }
        } catch {
            guard error == .cutShort, !isWhole else { throw error }
            return 0
        }
        switch reader.field {
        case 1: try readMetadata(reader.bytes())
        case 2: page.items.append(try decoder.decode(reader.bytes()))
        default: break
        }
        return reader.offset
    }

    /// Reads `ListMeta`.
    private mutating func readMetadata(_ message: Bytes) throws(WireError) {
        var reader = WireReader(message)
        while try reader.advance() {
            switch reader.field {
            case 2: page.resourceVersion = try reader.text()
            case 3: page.continueToken = try reader.text()
            case 4: page.remainingItemCount = Int(try reader.int64())
            default: break
            }
        }
    }

    /// What a step of a reader returns, or false if it needs more bytes than there are.
    private static func complete(_ step: () throws(WireError) -> Bool) throws(WireError) -> Bool {
        do throws(WireError) {
            return try step()
        } catch {
            guard error == .cutShort else { throw error }
            return false
        }
    }
}
