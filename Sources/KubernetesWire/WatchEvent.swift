import KubernetesModel

/// What a frame of a watch tells.
public enum WatchEvent: Hashable, Sendable {
    /// `ADDED` or `MODIFIED`: the object is now this one.
    case applied(WireObject)
    /// `DELETED`: the object is gone, as of that resource version.
    case deleted(ObjectID, resourceVersion: String)
    /// `BOOKMARK`: everything up to that resource version was told.
    ///
    /// With `endsInitialEvents`, everything that was there when the watch began was told (KEP-3157,
    /// `sendInitialEvents=true`).
    case bookmark(resourceVersion: String, endsInitialEvents: Bool)
    /// `ERROR`: the watch ends. Code 410 says that it cannot go on from the resource version that was asked for.
    case failed(APIStatus)

    /// Decodes a frame, without its length.
    ///
    /// - Throws: `WireError` if it is no event about an object of the kind.
    public init(frame: UnsafeRawBufferPointer, kind: ObjectID.Kind) throws(WireError) {
        var type = Bytes.none
        var object: Bytes?
        var reader = WireReader(frame)
        while try reader.advance() {
            switch reader.field {
            case 1: type = try reader.bytes()
            case 2:
                // `RawExtension` around another envelope.
                var raw = WireReader(try reader.bytes())
                while try raw.advance(to: 1) { object = try raw.bytes() }
            default: break
            }
        }
        guard let object else { throw WireError("an event of a watch has no object") }
        if type.equals("ERROR") {
            self = .failed(try APIStatus(body: object))
            return
        }
        let envelope = try Envelope(object)
        try envelope.type.check(kind)
        self = try Self.event(type, envelope.object, kind)
    }

    private static func event(
        _ type: Bytes, _ object: Bytes, _ kind: ObjectID.Kind
    ) throws(WireError) -> WatchEvent {
        // Few texts repeat within one object.
        var pool = TextPool(capacity: 64)
        if type.equals("ADDED") || type.equals("MODIFIED") {
            var decoder = ObjectDecoder(kind: kind, pool: pool)
            return .applied(try decoder.decode(object))
        }
        let metadata = try MetadataRecord(object: object)
        let version = metadata.resourceVersion.text
        if type.equals("DELETED") { return .deleted(metadata.id(kind, &pool), resourceVersion: version) }
        if type.equals("BOOKMARK") {
            return .bookmark(resourceVersion: version, endsInitialEvents: metadata.endsInitialEvents)
        }
        throw WireError("an event of a watch has the type \(type.text.quoted)")
    }
}

/// Decodes a frame of a watch, without its length.
///
/// - Throws: `WireError` if it is no event about an object of the kind.
public func decodeWatchEvent(_ frame: [UInt8], kind: ObjectID.Kind) throws(WireError) -> WatchEvent {
    try frame.withUnsafeBufferPointer { (bytes) throws(WireError) in
        try WatchEvent(frame: UnsafeRawBufferPointer(bytes), kind: kind)
    }
}
