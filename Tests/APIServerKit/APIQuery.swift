import KubernetesModel

/// A request as the server got it.
public struct ReceivedRequest: Sendable {
    /// The HTTP method.
    public var method: String
    /// Without the query.
    public var path: String
    /// The parameters.
    public var query: [String: String] = [:]
    /// All headers, the names in lower case; of several with the same name the values are joined by commas.
    public var headers: [String: String]
    /// The body.
    public var body: [UInt8] = []

    /// Takes a request line's target apart.
    init(method: String, target: String, headers: [String: String]) {
        self.method = method
        self.headers = headers
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = Self.decode(parts[0])
        for item in parts.count > 1 ? parts[1].split(separator: "&") : [] {
            let pair = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            query[Self.decode(pair[0])] = pair.count > 1 ? Self.decode(pair[1]) : ""
        }
    }

    /// Whether it asks for a watch.
    public var isWatch: Bool { query["watch"] == "true" || query["watch"] == "1" }

    /// The kind that it asks for.
    public var kind: ObjectID.Kind? {
        switch path {
        case "/api/v1/services": .service
        case "/apis/discovery.k8s.io/v1/endpointslices": .endpointSlice
        case "/api/v1/nodes": .node
        case "/apis/networking.k8s.io/v1/servicecidrs": .serviceCIDR
        default: nil
        }
    }

    private static func decode(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Which objects a request wants: the label and field selectors that a dataplane uses.
struct Selector: Sendable {
    /// Labels that the object must not have.
    private var absent: [String] = []
    /// Labels that the object must have, with their values.
    private var equal: [(String, String)] = []
    private var name: String?

    init(_ request: ReceivedRequest) {
        for term in (request.query["labelSelector"] ?? "").split(separator: ",") {
            if term.hasPrefix("!") {
                absent.append(String(term.dropFirst()))
            } else if let pair = Self.pair(term) {
                equal.append(pair)
            }
        }
        for term in (request.query["fieldSelector"] ?? "").split(separator: ",") {
            if let pair = Self.pair(term), pair.0 == "metadata.name" { name = pair.1 }
        }
    }

    private static func pair(_ term: Substring) -> (String, String)? {
        let parts = term.split(separator: "=", omittingEmptySubsequences: true)
        return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
    }

    func matches(_ object: StoredObject) -> Bool {
        if let name, object.id.key.name != name { return false }
        return absent.allSatisfy { object.labels[$0] == nil } && equal.allSatisfy { object.labels[$0.0] == $0.1 }
    }
}
