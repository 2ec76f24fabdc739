import Synchronization

/// What a server can and cannot do, as far as servers differ.
public struct ServerBehaviour: Sendable {
    /// How a server answers to `sendInitialEvents=true`.
    public enum Streaming: Sendable {
        /// As it should.
        case served
        /// A server that has it off: 422.
        case invalid
        /// One whose store cannot do it: an error in the stream.
        case failing
    }

    /// Lists as streams.
    public var streaming = Streaming.served
    /// Whether lists with `resourceVersion=0` have no pages, as those from an API server's memory.
    public var ignoresLimitOfOldLists = false
    /// Whether a version that has expired is HTTP status 410; else it is an event.
    public var expiresByStatus = false
    /// Whether ServiceCIDRs exist.
    public var hasServiceCIDRs = true
    /// The tokens that are accepted; nil for anybody.
    public var tokens: Set<String>?
    /// After how many milliseconds a watch has a bookmark, again and again; nil for never.
    public var bookmarkMilliseconds: Int64?

    /// A server that can do everything.
    public init() {}
}

/// What the tests and the connections of a server share.
final class ServerState: Sendable {
    struct Content: Sendable {
        var behaviour = ServerBehaviour()
        var troubles: [Trouble] = []
        var requests: [ReceivedRequest] = []
        var connections = 0
    }

    let cluster = FakeCluster()
    private let content = Mutex(Content())

    func update<Result: Sendable>(_ body: (inout Content) -> sending Result) -> Result {
        content.withLock { body(&$0) }
    }

    var behaviour: ServerBehaviour { update { $0.behaviour } }

    /// Notes a request and says what trouble it meets.
    func receive(_ request: ReceivedRequest) -> Trouble.Kind? {
        update { content in
            content.requests.append(request)
            guard let index = content.troubles.firstIndex(where: { $0.left > 0 && $0.matches(request) }) else {
                return nil
            }
            content.troubles[index].left -= 1
            return content.troubles[index].kind
        }
    }
}
