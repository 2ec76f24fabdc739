/// What an HTTP server answers, apart from what HTTP itself demands (`Date`, `Content-Length`, `Connection`).
public struct HTTPAnswer: Hashable, Sendable {
    /// A header.
    public struct Header: Hashable, Sendable {
        /// The name, in the form in which it is sent.
        public var name: String
        /// The value.
        public var value: String

        /// Makes a header.
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// The status code.
    public var status: Int
    /// The headers, in the order in which they are sent.
    public var headers: [Header]
    /// The body; not sent for HEAD.
    public var body: String

    /// Makes an answer.
    public init(status: Int, headers: [Header], body: String) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// Plain text, with the headers that Go's HTTP library gives it.
    public static func text(_ body: String, status: Int = 200) -> HTTPAnswer {
        HTTPAnswer(
            status: status,
            headers: [
                Header("Content-Type", "text/plain; charset=utf-8"), Header("X-Content-Type-Options", "nosniff"),
            ], body: body)
    }

    /// For a path that there is not, as Go's HTTP library answers.
    public static let notFound = text("404 page not found\n", status: 404)

    /// For a method that is invalid.
    public static let methodNotAllowed: HTTPAnswer = {
        var answer = text("Method Not Allowed\n", status: 405)
        answer.headers.insert(Header("Allow", "GET, HEAD"), at: 0)
        return answer
    }()

    /// JSON text.
    public static func json(_ body: String, status: Int = 200, extra: [Header] = []) -> HTTPAnswer {
        HTTPAnswer(
            status: status,
            headers: [Header("Content-Type", "application/json"), Header("X-Content-Type-Options", "nosniff")] + extra,
            body: body)
    }
}
