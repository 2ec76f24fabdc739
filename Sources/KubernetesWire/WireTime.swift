/// `meta/v1.Time`: seconds since 1970.
enum WireTime {
    /// The seconds of an encoded time; nil for the empty message, which is Go's zero time and so an absent one.
    ///
    /// The API has no fractions of seconds: like the API server, this ignores the nanoseconds.
    static func seconds(_ message: Bytes) throws(WireError) -> Int64? {
        if message.isEmpty { return nil }
        var seconds: Int64 = 0
        var reader = WireReader(message)
        while try reader.advance(to: 1) { seconds = try reader.int64() }
        return seconds
    }
}
