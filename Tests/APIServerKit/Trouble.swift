import KubernetesModel
import WireTestKit

/// How the server misbehaves.
public struct Trouble: Sendable {
    /// What becomes of an answer.
    public enum Kind: Sendable {
        /// Another answer: a Status.
        case status(Int, reason: String = "", message: String = "", retryAfter: Int? = nil)
        /// Another answer, as proxies send it.
        case text(Int, String)
        /// An answer 200 of another type.
        case page(String)
        /// In a watch: an event that is an error, and the end.
        case errorEvent(Int, reason: String, message: String = "")
        /// The connection is closed without an answer.
        case hangUp
        /// The connection is closed after so many bytes of the body.
        case cut(afterBytes: Int)
        /// Nothing more comes after so many bytes of the body.
        case stall(afterBytes: Int)
        /// After so many bytes of the body come others that are invalid, and the end.
        case garbage(afterBytes: Int)
        /// The body comes in small pieces.
        case drip(bytes: Int, milliseconds: Int64)
        /// An answer 200 whose body never ends.
        case endless
        /// The answer comes late.
        case delay(milliseconds: Int64)
    }

    var kind: Kind
    var matches: @Sendable (ReceivedRequest) -> Bool
    var left: Int

    /// Describes a trouble.
    ///
    /// - Parameters:
    ///   - times: How many requests meet it.
    ///   - matches: Which ones.
    public init(
        _ kind: Kind, times: Int = 1, _ matches: @escaping @Sendable (ReceivedRequest) -> Bool = { _ in true }
    ) {
        self.kind = kind
        self.matches = matches
        left = times
    }

    /// A trouble of lists, and of streams that begin with one.
    public static func lists(_ object: ObjectID.Kind? = nil, _ kind: Kind, times: Int = 1) -> Trouble {
        Trouble(kind, times: times) {
            (!$0.isWatch || $0.query["sendInitialEvents"] != nil) && $0.kind != nil
                && (object == nil || $0.kind == object)
        }
    }

    /// A trouble of watches.
    public static func watches(_ object: ObjectID.Kind? = nil, _ kind: Kind, times: Int = 1) -> Trouble {
        Trouble(kind, times: times) { $0.isWatch && $0.kind != nil && (object == nil || $0.kind == object) }
    }
}

/// What happens to watches that are under way.
public enum Disturbance: Sendable {
    /// The connection is closed.
    case cut
    /// The answer ends as it should.
    case end
    /// Half an event, and the connection is closed.
    case halfEventThenCut
    /// Half an event, and then nothing.
    case halfEventThenSilence
    /// From now on nothing is sent any more.
    case silence
    /// Bytes that are no frame.
    case garbage
    /// An event that is an error, and the end.
    case errorEvent(Int, reason: String, message: String)

    /// The history that the watch asked for is gone.
    public static let expired = errorEvent(410, reason: "Expired", message: "too old resource version")

    /// What is sent, before the end.
    var bytes: [UInt8] {
        let object = ClusterObject.service(Service(key: ObjectKey(namespace: "half", name: "an-event")))
        let event = WireEncoder.frame(.added, object)
        switch self {
        case .cut, .end, .silence: return []
        case .halfEventThenCut, .halfEventThenSilence: return Array(event.prefix(event.count / 2))
        case .garbage: return WireEncoder.frame(Array("this is not protobuf".utf8))
        case .errorEvent(let code, let reason, let message):
            return WireEncoder.errorFrame(code: code, reason: reason, message: message)
        }
    }
}
