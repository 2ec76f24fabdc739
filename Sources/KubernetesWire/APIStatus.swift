import KubernetesModel

/// `v1` Status: why an API server does not do what it was asked for.
///
/// It is the body of an answer with an HTTP status of 400 or more, or the object of the last event of a watch. Proxies,
/// and an API server under great load, answer with JSON or plain text; that is left to whoever speaks HTTP.
public struct APIStatus: Error, Hashable, Sendable {
    /// `code`: the HTTP status code, such as 410; 0 if the server gives none.
    public var code: Int
    /// `reason`: one word, such as `Expired`; may be empty.
    public var reason: String
    /// `message`: a sentence for people; may be empty.
    public var message: String
    /// `details.retryAfterSeconds`: how long the server wants to be left alone; nil if it does not say.
    public var retryAfterSeconds: Int?

    /// Makes a status.
    public init(code: Int, reason: String = "", message: String = "", retryAfterSeconds: Int? = nil) {
        self.code = code
        self.reason = reason
        self.message = message
        self.retryAfterSeconds = retryAfterSeconds
    }

    /// Decodes the body of an answer of content type `application/vnd.kubernetes.protobuf`.
    ///
    /// - Throws: `WireError` if it is something else than a Status.
    public init(body: UnsafeRawBufferPointer) throws(WireError) {
        let envelope = try Envelope(body)
        try envelope.type.check(kind: "Status", versions: ["v1"])
        self.init(code: 0)
        var reader = WireReader(envelope.object)
        while try reader.advance() {
            switch reader.field {
            case 3: message = try reader.text()
            case 4: reason = try reader.text()
            case 5: try readDetails(reader.bytes())
            case 6: code = try reader.int32()
            default: break
            }
        }
    }

    /// Decodes the body of an answer of content type `application/vnd.kubernetes.protobuf`.
    ///
    /// - Throws: `WireError` if it is something else than a Status.
    public init(body: [UInt8]) throws(WireError) {
        self = try body.withUnsafeBufferPointer { (bytes) throws(WireError) in
            try APIStatus(body: UnsafeRawBufferPointer(bytes))
        }
    }

    private mutating func readDetails(_ message: Bytes) throws(WireError) {
        var reader = WireReader(message)
        while try reader.advance(to: 5) {
            let seconds = try reader.int32()
            // Not a pointer in Go: zero is sent for none.
            retryAfterSeconds = seconds > 0 ? seconds : nil
        }
    }
}

extension APIStatus: CustomStringConvertible {
    /// One line: `410 Expired: too old resource version`.
    public var description: String {
        let head = [code == 0 ? "" : "\(code)", reason].filter { !$0.isEmpty }.joined(separator: " ")
        return [head, message].filter { !$0.isEmpty }.joined(separator: ": ").printable
    }
}
