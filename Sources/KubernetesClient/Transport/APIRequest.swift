import NetworkTypes

/// A request to the API server.
struct APIRequest: Sendable, Equatable {
    /// The HTTP method.
    enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case patch = "PATCH"
    }

    /// What the server is asked for.
    enum Format: String, Sendable {
        /// Objects; JSON stands in for errors from parts of the server that know no protobuf.
        case protobuf = "application/vnd.kubernetes.protobuf,application/json"
        /// A watch: frames of the same.
        case protobufStream = "application/vnd.kubernetes.protobuf;stream=watch,application/json"
        case json = "application/json"
    }

    var method = Method.get
    /// Below the server's URL, with a slash at the beginning.
    var path: String
    /// In the order in which they are sent.
    var query: [(name: String, value: String)] = []
    var format = Format.protobuf
    /// With its content type.
    var body: (bytes: [UInt8], type: String)?

    init(_ method: Method = .get, path: String) {
        self.method = method
        self.path = path
    }

    /// Path and query as they are sent.
    var target: String {
        guard !query.isEmpty else { return path }
        let items = query.map { "\($0.name)=\($0.value.percentEncoded())" }
        return path + "?" + items.joined(separator: "&")
    }

    static func == (lhs: APIRequest, rhs: APIRequest) -> Bool {
        lhs.method == rhs.method && lhs.target == rhs.target && lhs.format == rhs.format
            && lhs.body?.bytes == rhs.body?.bytes && lhs.body?.type == rhs.body?.type
    }
}
