import KubernetesModel

/// What an API server answers in `application/vnd.kubernetes.protobuf`.
public enum WireEncoder {
    /// The beginning of each body.
    public static let magic: [UInt8] = [0x6B, 0x38, 0x73, 0x00]

    /// A body, or the object of a watch event: the magic and a `runtime.Unknown` around the message.
    public static func body(_ message: ProtobufMessage, apiVersion: String, kind: String) -> [UInt8] {
        magic
            + ProtobufMessage {
                $0.message(1) {
                    $0.text(1, apiVersion)
                    $0.text(2, kind)
                }
                $0.message(2, message)
                $0.text(3, "")
                $0.text(4, "")
            }.bytes
    }

    /// The body of a `GET` of one object.
    public static func body(_ object: ClusterObject, _ metadata: EncodedMetadata = EncodedMetadata()) -> [UInt8] {
        let kind = object.id.kind
        return body(object.protobuf(metadata), apiVersion: apiVersion(kind), kind: kind.rawValue)
    }

    /// The body of a list, or of a page of one.
    ///
    /// - Parameters:
    ///   - items: Encoded objects of the kind, `ClusterObject.protobuf`.
    ///   - continueToken: What asks for the next page; empty for the last one.
    ///   - remainingItemCount: How many items are on later pages.
    public static func list(
        _ kind: ObjectID.Kind, _ items: [ProtobufMessage], resourceVersion: String, continueToken: String = "",
        remainingItemCount: Int? = nil
    ) -> [UInt8] {
        let message = ProtobufMessage {
            $0.message(1) {
                $0.text(1, "")
                $0.text(2, resourceVersion)
                $0.text(3, continueToken)
                if let remainingItemCount { $0.integer(4, remainingItemCount) }
            }
            for item in items { $0.message(2, item) }
        }
        return body(message, apiVersion: apiVersion(kind), kind: kind.rawValue + "List")
    }

    /// The body of a `v1` Status: an error with its HTTP status code.
    public static func status(
        code: Int, reason: String, message: String = "", retryAfterSeconds: Int? = nil
    ) -> [UInt8] {
        let status = ProtobufMessage {
            $0.message(1) { _ in }
            $0.text(2, "Failure")
            $0.text(3, message)
            $0.text(4, reason)
            if let retryAfterSeconds { $0.message(5) { $0.integer(5, retryAfterSeconds) } }
            $0.integer(6, code)
        }
        return body(status, apiVersion: "v1", kind: "Status")
    }

    /// `apiVersion` of a kind.
    public static func apiVersion(_ kind: ObjectID.Kind) -> String {
        switch kind {
        case .service, .node: "v1"
        case .endpointSlice: "discovery.k8s.io/v1"
        case .serviceCIDR: "networking.k8s.io/v1"
        }
    }
}

/// Frames of a watch: four bytes of length, most significant first, and a `WatchEvent`.
extension WireEncoder {
    /// `type` of a watch event.
    public enum EventType: String, Sendable, CaseIterable {
        /// The object is new to the watch.
        case added = "ADDED"
        /// The object changed.
        case modified = "MODIFIED"
        /// The object is gone; the event has its last state.
        case deleted = "DELETED"
        /// Only the resource version is news.
        case bookmark = "BOOKMARK"
        /// The object is a Status, and the watch ends.
        case error = "ERROR"
    }

    /// A frame around an enveloped object.
    public static func frame(_ type: String, _ object: [UInt8]) -> [UInt8] {
        frame(
            ProtobufMessage {
                $0.text(1, type)
                $0.message(2) { $0.data(1, object) }
            }.bytes)
    }

    /// A frame around any bytes.
    public static func frame(_ content: [UInt8]) -> [UInt8] {
        withUnsafeBytes(of: UInt32(content.count).bigEndian) { Array($0) } + content
    }

    /// A frame that tells of an object.
    public static func frame(
        _ type: EventType, _ object: ClusterObject, _ metadata: EncodedMetadata = EncodedMetadata()
    ) -> [UInt8] {
        frame(type.rawValue, body(object, metadata))
    }

    /// A bookmark: an object of the kind with a resource version only.
    ///
    /// - Parameter endsInitialEvents: Whether it ends what `sendInitialEvents=true` asked for.
    public static func bookmark(
        _ kind: ObjectID.Kind, resourceVersion: String, endsInitialEvents: Bool = false
    ) -> [UInt8] {
        var metadata = EncodedMetadata(resourceVersion: resourceVersion)
        if endsInitialEvents { metadata.annotations["k8s.io/initial-events-end"] = "true" }
        let object = ProtobufMessage { $0.message(1, metadata.message(ObjectKey(name: ""))) }
        return frame(EventType.bookmark.rawValue, body(object, apiVersion: apiVersion(kind), kind: kind.rawValue))
    }

    /// An error that ends the watch, such as 410 `Expired`.
    public static func errorFrame(
        code: Int, reason: String, message: String = "", retryAfterSeconds: Int? = nil
    ) -> [UInt8] {
        frame(
            EventType.error.rawValue,
            status(code: code, reason: reason, message: message, retryAfterSeconds: retryAfterSeconds))
    }
}
