import KubernetesModel
import Synchronization
import WireTestKit

/// Why a request is refused.
struct Refusal: Error {
    var code: Int
    var reason: String
    var message: String

    static let expired = Refusal(
        code: 410, reason: "Expired", message: "The provided continue parameter is too old")
}

/// Lists.
extension FakeCluster {
    /// The body of a list, or of a page of it.
    func list(
        _ request: ReceivedRequest, _ kind: ObjectID.Kind, _ behaviour: ServerBehaviour
    ) -> Result<[UInt8], Refusal> {
        let wanted = request.query["resourceVersion"] ?? ""
        let isPaged = !(behaviour.ignoresLimitOfOldLists && wanted == "0")
        let limit = isPaged ? request.query["limit"].flatMap { Int($0) } : nil
        return state.withLock { state in
            if let version = Int(wanted), version > state.version {
                return .failure(
                    Refusal(
                        code: 504, reason: "Timeout",
                        message: "Too large resource version: \(version), current: \(state.version)"))
            }
            let rest: ArraySlice<StoredObject>
            let version: Int
            if let token = request.query["continue"] {
                guard let page = state.pages[token] else { return .failure(.expired) }
                (version, rest) = page
            } else {
                (version, rest) = (state.version, state.selected(kind, Selector(request))[...])
            }
            let items = rest.prefix(limit ?? rest.count)
            let left = rest.dropFirst(items.count)
            var token = ""
            if !left.isEmpty {
                token = "\(version)/\(kind.rawValue)/\(left.startIndex)"
                state.pages[token] = (version, left)
            }
            return .success(
                WireEncoder.list(
                    kind, items.map(\.message), resourceVersion: "\(version)", continueToken: token,
                    remainingItemCount: left.isEmpty ? nil : left.count))
        }
    }
}

/// Watches.
extension FakeCluster {
    /// Begins a watch.
    ///
    /// - Parameters:
    ///   - begin: Sends the head and the first frames.
    ///   - send: Sends a frame.
    /// - Returns: The watch's number; nil if it is over already.
    func beginWatch(
        _ request: ReceivedRequest, _ kind: ObjectID.Kind, _ behaviour: ServerBehaviour,
        begin: ([UInt8]) -> Void, send: @escaping @Sendable ([UInt8]) -> Void
    ) -> Result<Int?, Refusal> {
        let selector = Selector(request)
        let wantsBookmarks = request.query["allowWatchBookmarks"] == "true"
        let watcher = Watcher(kind: kind, selector: selector, wantsBookmarks: wantsBookmarks, send: send)
        let since = Int(request.query["resourceVersion"] ?? "") ?? 0
        return state.withLock { state in
            var first: [UInt8] = []
            if request.query["sendInitialEvents"] == "true" {
                if case .failing = behaviour.streaming {
                    begin(
                        WireEncoder.errorFrame(
                            code: 500, reason: "InternalError", message: "RequestWatchProgress is disabled"))
                    return .success(nil)
                }
                first = Self.everything(state, kind, selector)
                first += WireEncoder.bookmark(kind, resourceVersion: "\(state.version)", endsInitialEvents: true)
            } else if since == 0 {
                first = Self.everything(state, kind, selector)
            } else if let frames = state.frames(since: since, kind, selector) {
                first = frames.flatMap { $0 }
            } else if behaviour.expiresByStatus {
                return .failure(Refusal(code: 410, reason: "Expired", message: "too old resource version: \(since)"))
            } else {
                begin(
                    WireEncoder.errorFrame(
                        code: 410, reason: "Expired", message: "too old resource version: \(since)"))
                return .success(nil)
            }
            begin(first)
            state.nextWatcher += 1
            state.watchers[state.nextWatcher] = watcher
            return .success(state.nextWatcher)
        }
    }

    private static func everything(_ state: State, _ kind: ObjectID.Kind, _ selector: Selector) -> [UInt8] {
        state.selected(kind, selector).flatMap { State.encode(.added, kind, $0.message) }
    }

    /// Sends a bookmark; false if the watch is over.
    func sendBookmark(toWatch number: Int) -> Bool {
        state.withLock { state in
            guard let watcher = state.watchers[number] else { return false }
            watcher.send(WireEncoder.bookmark(watcher.kind, resourceVersion: "\(state.version)"))
            return true
        }
    }

    /// Tells the watch nothing more.
    func endWatch(_ number: Int) { state.withLock { $0.watchers[number] = nil } }

    /// What a watch is of.
    func kind(ofWatch number: Int) -> ObjectID.Kind? { state.withLock { $0.watchers[number]?.kind } }
}
