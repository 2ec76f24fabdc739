import KubernetesModel
import Synchronization
import WireTestKit

/// An object as the server keeps it.
struct StoredObject: Sendable {
    var id: ObjectID
    var labels: [String: String]
    var resourceVersion: Int
    /// Without the envelope.
    var message: ProtobufMessage
}

/// The objects of a cluster with their history, as an API server and its etcd keep them.
public final class FakeCluster: Sendable {
    /// A watch that is told of changes.
    struct Watcher: Sendable {
        var kind: ObjectID.Kind
        var selector: Selector
        var wantsBookmarks: Bool
        /// Takes a frame.
        var send: @Sendable ([UInt8]) -> Void
    }

    /// A change, for watches that begin later.
    struct Event: Sendable {
        var version: Int
        var before: StoredObject?
        var after: StoredObject?
        var id: ObjectID
    }

    struct State {
        var version = 100
        var objects: [ObjectID: StoredObject] = [:]
        var history: [Event] = []
        /// What happened up to here is forgotten.
        var compacted = 100
        var watchers: [Int: Watcher] = [:]
        var nextWatcher = 0
        /// What pages of lists are left, by token.
        var pages: [String: (version: Int, rest: ArraySlice<StoredObject>)] = [:]
        var models: [ObjectID: ClusterObject] = [:]
        var everGone: Set<ObjectID> = []
    }

    let state = Mutex(State())

    /// Makes an empty cluster.
    public init() {}

    /// Makes or replaces objects.
    ///
    /// - Parameter labels: Besides those that the model has a field for.
    public func apply(_ objects: [ClusterObject], labels: [String: String] = [:]) {
        state.withLock { state in
            for object in objects {
                var metadata = EncodedMetadata(resourceVersion: "\(state.version + 1)")
                metadata.labels = labels
                state.put(object.id, object.protobuf(metadata), labels.merging(object.selectableLabels) { $1 }, object)
            }
        }
    }

    /// Makes or replaces an object of which the message is invalid, or whatever the caller wants.
    ///
    /// - Parameter message: Made for a resource version.
    public func apply(_ id: ObjectID, _ message: (String) -> ProtobufMessage) {
        state.withLock { state in state.put(id, message("\(state.version + 1)"), [:], nil) }
    }

    /// Deletes an object.
    public func delete(_ id: ObjectID) {
        state.withLock { state in
            guard let object = state.objects.removeValue(forKey: id) else { return }
            state.version += 1
            state.models[id] = nil
            state.everGone.insert(id)
            state.note(before: object, after: nil, id)
        }
    }

    /// Forgets the history: watches from an older version, and lists that are under way, have expired.
    public func compact() {
        state.withLock { state in
            // Something else has happened in the cluster.
            state.version += 1
            state.compacted = state.version
            state.history = []
            state.pages = [:]
        }
    }

    /// Sends a bookmark to all watches that want one.
    public func sendBookmarks() {
        state.withLock { state in
            for watcher in state.watchers.values where watcher.wantsBookmarks {
                watcher.send(WireEncoder.bookmark(watcher.kind, resourceVersion: "\(state.version)"))
            }
        }
    }

    /// All objects that make sense, as they are.
    public var objects: [ObjectID: ClusterObject] { state.withLock { $0.models } }

    /// The identities of all objects.
    public var ids: Set<ObjectID> { state.withLock { Set($0.objects.keys) } }

    /// The objects that were deleted at any time, though they may be there again.
    public var everGone: Set<ObjectID> { state.withLock { $0.everGone } }

    /// Notes that clients may take an object for gone, as after a change of its labels.
    public func noteGone(_ id: ObjectID) { state.withLock { _ = $0.everGone.insert(id) } }

    /// How many watches there are.
    public var watchCount: Int { state.withLock { $0.watchers.count } }
}

extension FakeCluster.State {
    fileprivate mutating func put(
        _ id: ObjectID, _ message: ProtobufMessage, _ labels: [String: String], _ model: ClusterObject?
    ) {
        version += 1
        let object = StoredObject(id: id, labels: labels, resourceVersion: version, message: message)
        let before = objects.updateValue(object, forKey: id)
        models[id] = model
        note(before: before, after: object, id)
    }

    fileprivate mutating func note(before: StoredObject?, after: StoredObject?, _ id: ObjectID) {
        let event = FakeCluster.Event(version: version, before: before, after: after, id: id)
        history.append(event)
        for watcher in watchers.values where watcher.kind == id.kind {
            if let frame = frame(event, watcher.selector) { watcher.send(frame) }
        }
    }

    /// The event as a watch with the selector sees it; nil if it does not.
    func frame(_ event: FakeCluster.Event, _ selector: Selector) -> [UInt8]? {
        let (was, isNow) = (event.before.map(selector.matches) ?? false, event.after.map(selector.matches) ?? false)
        let type: WireEncoder.EventType
        switch (was, isNow) {
        case (false, false): return nil
        case (false, true): type = .added
        case (true, true): type = .modified
        case (true, false): type = .deleted
        }
        guard let object = isNow ? event.after : event.before else { return nil }
        let kind = event.id.kind
        if type != .deleted { return Self.encode(type, kind, object.message) }
        // The last state of the object, with the version of its deletion.
        let metadata = EncodedMetadata(resourceVersion: "\(event.version)")
        return Self.encode(type, kind, metadata.object(event.id.key))
    }

    static func encode(_ type: WireEncoder.EventType, _ kind: ObjectID.Kind, _ message: ProtobufMessage) -> [UInt8] {
        WireEncoder.frame(
            type.rawValue,
            WireEncoder.body(message, apiVersion: WireEncoder.apiVersion(kind), kind: kind.rawValue))
    }

    /// What happened since a version; nil if that is forgotten.
    func frames(since version: Int, _ kind: ObjectID.Kind, _ selector: Selector) -> [[UInt8]]? {
        guard version >= compacted else { return nil }
        return history.filter { $0.version > version && $0.id.kind == kind }.compactMap { frame($0, selector) }
    }

    /// What exists, sorted by key.
    func selected(_ kind: ObjectID.Kind, _ selector: Selector) -> [StoredObject] {
        objects.values.filter { $0.id.kind == kind && selector.matches($0) }.sorted { $0.id < $1.id }
    }
}

extension EncodedMetadata {
    /// An object of which only namespace, name and version are known.
    fileprivate func object(_ key: ObjectKey) -> ProtobufMessage {
        ProtobufMessage {
            $0.message(1) {
                $0.text(1, key.name)
                $0.text(3, key.namespace)
                $0.text(6, resourceVersion)
            }
        }
    }
}

extension ClusterObject {
    /// The labels that selectors ask about.
    fileprivate var selectableLabels: [String: String] {
        var labels: [String: String] = [:]
        switch self {
        case .service(let service): labels["service.kubernetes.io/service-proxy-name"] = service.serviceProxyName
        case .endpointSlice(let slice):
            labels["kubernetes.io/service-name"] = slice.serviceName
            if slice.isHeadless { labels["service.kubernetes.io/headless"] = "" }
        case .node, .serviceCIDR: break
        }
        return labels
    }
}
