import Telemetry

/// A request as responders see it.
public struct HTTPRequest: Hashable, Sendable {
    /// The method, such as `GET`.
    public var method: String
    /// The path, without a query.
    public var path: String
    /// What follows the question mark, as it was sent; empty if nothing does.
    public var query: String
    /// The header `Host`; nil if there is none, as in HTTP/1.0.
    public var host: String?
    /// The header `Accept`; nil if there is none.
    public var accept: String?

    /// Makes a request.
    public init(method: String, path: String, query: String = "", host: String? = nil) {
        self.method = method
        self.path = path
        self.query = query
        self.host = host
    }

    /// Makes a request of what stands in its first line: a path, or the absolute form (`http://node/healthz`), whose host
    /// counts more than the header's (RFC 9112, section 3.2.2).
    ///
    /// - Parameter host: the header `Host`.
    public init(method: String, target: String, host: String?) {
        var (place, host) = (target[...], host)
        if let colon = target.firstIndex(of: ":"), target[colon...].hasPrefix("://"),
            target[..<colon].allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) })
        {
            let rest = target[colon...].dropFirst(3)
            let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
            host = String(rest[..<end])
            place = rest[end...]
        }
        let parts = place.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let path = parts.first ?? ""
        self.init(
            method: method, path: path.isEmpty ? "/" : path, query: parts.count > 1 ? parts[1] : "", host: host)
    }
}

/// Answers requests. Called for many requests at once. Its task is cancelled if the client ends the connection or sends no more: one
/// that waits for something should answer at once then.
public typealias HTTPResponder = @Sendable (HTTPRequest) async -> HTTPAnswer

/// How much of a server its clients may take.
public struct HTTPLimits: Sendable {
    /// Connections to one address and port. One more closes the one that has been quiet for longest: clients that hold
    /// connections cannot keep others out.
    public var connections = 128
    /// Bytes of a request, headers and body together.
    public var requestBytes = 32 << 10
    /// From the connection, or the first byte of a later request, to the last byte of the request.
    public var requestTime: Duration = .seconds(10)
    /// From an answer to the next request.
    public var idleTime: Duration = .seconds(90)
    /// From the last byte of a request until the answer has left.
    public var answerTime: Duration = .seconds(10)
    /// How long a client that was refused may take to read the answer before it is cut off.
    public var refusalTime: Duration = .milliseconds(500)
    /// How long requests in flight may take when a server closes.
    public var closingTime: Duration = .seconds(2)

    /// Limits for a few load balancers, probes and scrapers.
    public init() {}
}
