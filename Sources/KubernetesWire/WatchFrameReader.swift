/// Cuts the body of a watch, as its bytes arrive, into frames: four bytes of length, most significant first, then as many
/// bytes of an event.
public struct WatchFrameReader: Sendable {
    /// The most bytes that a frame may have.
    public let limit: Int

    private var bytes: [UInt8] = []
    /// Where the next frame begins.
    private var start = 0

    /// Starts with a body of which nothing came.
    public init(limit: Int = 64 << 20) { self.limit = limit }

    /// Takes the next bytes of the body.
    public mutating func append(_ next: some Sequence<UInt8>) {
        if start > 0 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(contentsOf: next)
    }

    /// Whether bytes of a frame came that is not complete yet: then a body that ends here was cut short.
    public var isWithinFrame: Bool { start < bytes.count }

    /// The next frame without its length; nil until all of it came.
    ///
    /// - Throws: `WireError` if the frame is longer than the limit; nothing after it can be read.
    public mutating func next() throws(WireError) -> [UInt8]? {
        guard bytes.count - start >= 4 else { return nil }
        let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= limit else {
            throw WireError("a frame of a watch has \(length) bytes, more than \(limit)")
        }
        guard bytes.count - start - 4 >= length else { return nil }
        start += 4
        let frame = Array(bytes[start..<start + length])
        start += length
        return frame
    }
}
