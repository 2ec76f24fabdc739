import KubernetesModel
import KubernetesWire

/// How a reflector follows a kind of objects: what to ask the server next, and what its answers mean. No I/O, no clock.
///
/// A list (in pages, or as a stream of first events) tells everything that exists; a watch goes on from there. What is
/// known stays until a list is complete that lacks it, or the server tells of its deletion.
struct ReflectorMachine: Sendable {
    /// What to ask for.
    enum Order: Sendable, Equatable {
        /// A page of a list. `resourceVersion` "0" means: as old as you like; empty: the newest.
        case list(path: String, resourceVersion: String, limit: Int?, continueToken: String)
        /// A watch that begins with everything that exists.
        case stream(path: String, resourceVersion: String, seconds: Int)
        /// A watch from where the last answer left off.
        case watch(path: String, resourceVersion: String, seconds: Int)
    }

    /// What to do next.
    struct Step: Sendable, Equatable {
        var delay: Duration
        var order: Order
    }

    /// What an answer means.
    enum News: Sendable, Equatable {
        /// The object is there, and is so now.
        case object(WireObject)
        /// The object is gone.
        case deleted(ObjectID)
        /// Exactly these objects exist.
        case complete(Set<ObjectKey>)
        /// The server has no such kind of objects for us.
        case absent
    }

    private enum Phase: Equatable {
        /// A list has to begin.
        case idle
        /// The next page is asked for.
        case paging(token: String)
        /// The first events of a stream.
        case streaming
        case watching
        /// There is nothing to follow, for the time being.
        case absent
    }

    let resource: WatchedResource
    let timing: ReflectorTiming
    private var phase = Phase.idle
    private var path = 0
    /// The wait before the next step.
    private(set) var delay = Duration.zero
    private var backoff: Backoff
    /// What the last complete list, or the last event, was of; empty before there is one.
    private(set) var resourceVersion = ""
    /// Whether the server can still tell what happened since: else the newest list is asked for.
    private var isVersionUsable = true
    /// The version that the list under way was asked for.
    private var requestedVersion = ""
    private var canPage = true
    private var canStream: Bool
    private var brokenStreams = 0
    private var hasToldAbsence = false
    /// Whether the last failure only told what the server cannot do, and the next step does without.
    private(set) var wasQuestion = false
    /// Whether the watch under way has had a bookmark.
    private(set) var hasBookmarks = false
    /// Failures since the server has last said anything about objects.
    private var fruitless = 0
    private var watchBegan = Duration.zero
    private var watchHasEvents = false
    /// The objects of the list under way.
    private var keys: Set<ObjectKey> = []

    /// Whether everything is known and changes are followed.
    var isWatching: Bool { phase == .watching }

    /// Whether the server does not have such objects, or not for us.
    var isAbsent: Bool { phase == .absent }

    init(_ resource: WatchedResource, _ timing: ReflectorTiming) {
        self.resource = resource
        self.timing = timing
        backoff = Backoff(timing)
        canStream = timing.streamsLists
    }

    /// What to do next. Each call is followed by exactly one outcome: a page, the end of a watch, or a failure.
    mutating func next(at now: Duration, using random: inout some RandomNumberGenerator) -> Step {
        let delay = delay
        self.delay = .zero
        let path = resource.paths[self.path]
        let seconds = Int.random(in: timing.watchSeconds, using: &random)
        watchBegan = now + delay
        watchHasEvents = false
        hasBookmarks = false
        switch phase {
        case .watching:
            return Step(delay: delay, order: .watch(path: path, resourceVersion: resourceVersion, seconds: seconds))
        case .paging(let token):
            let order = Order.list(path: path, resourceVersion: "", limit: timing.pageSize, continueToken: token)
            return Step(delay: delay, order: order)
        case .idle, .streaming, .absent:
            keys = []
            if canStream && brokenStreams < 2 {
                phase = .streaming
                let version = isVersionUsable ? resourceVersion : ""
                return Step(delay: delay, order: .stream(path: path, resourceVersion: version, seconds: seconds))
            }
            phase = .idle
            // Not older than what is known: another server's memory may lag behind.
            requestedVersion = isVersionUsable ? (resourceVersion.isEmpty ? "0" : resourceVersion) : ""
            // Servers that have a limit and a version ask etcd, not their memory.
            let isPaged = canPage && (requestedVersion.isEmpty || requestedVersion == "0")
            let order = Order.list(
                path: path, resourceVersion: requestedVersion, limit: isPaged ? timing.pageSize : nil,
                continueToken: "")
            return Step(delay: delay, order: order)
        }
    }

    /// A part of a list has come: handed over before the page is complete.
    mutating func received(_ items: [WireObject]) -> [News] {
        items.map { item in
            keys.insert(item.id.key)
            return .object(item)
        }
    }

    /// A page of a list has come, with the items that were not handed over before.
    mutating func received(_ page: ObjectListPage) throws(APIError) -> [News] {
        if page.continueToken.isEmpty && page.resourceVersion.isEmpty {
            throw APIError(.nonsense, "a list without a resource version")
        }
        fruitless = 0
        var news = received(page.items)
        if page.continueToken.isEmpty {
            news.append(complete(page.resourceVersion))
        } else {
            phase = .paging(token: page.continueToken)
        }
        return news
    }

    /// A watch tells something.
    ///
    /// - Throws: The error that ends the watch, if that is what it tells.
    mutating func received(_ event: WatchEvent) throws(APIError) -> News? {
        watchHasEvents = true
        switch event {
        case .applied(let object):
            if phase == .streaming { keys.insert(object.id.key) } else { advance(to: object.resourceVersion) }
            return .object(object)
        case .deleted(let id, let version):
            if phase == .streaming { keys.remove(id.key) } else { advance(to: version) }
            return .deleted(id)
        case .bookmark(let version, let endsInitialEvents):
            hasBookmarks = true
            if phase != .streaming {
                advance(to: version)
                return nil
            }
            guard endsInitialEvents else { return nil }
            return complete(version)
        case .failed(let status): throw APIError(status: status)
        }
    }

    private mutating func advance(to version: String) {
        fruitless = 0
        if !version.isEmpty { resourceVersion = version }
    }

    private mutating func complete(_ version: String) -> News {
        phase = .watching
        isVersionUsable = true
        canPage = true
        brokenStreams = 0
        hasToldAbsence = false
        advance(to: version)
        defer { keys = [] }
        return .complete(keys)
    }
}

/// Failures.
extension ReflectorMachine {
    /// The server has ended a watch as it should.
    ///
    /// - Returns: The failure that it was all the same.
    mutating func ended(at now: Duration, using random: inout some RandomNumberGenerator) -> APIError? {
        let error: APIError
        if phase == .streaming {
            error = APIError(.connection, "the stream ended before it was complete")
        } else if !watchHasEvents && now - watchBegan < timing.shortestWatch {
            error = APIError(.connection, "the watch ended at once")
        } else {
            return nil
        }
        _ = failed(error, at: now, using: &random)
        return error
    }

    /// A request has failed, or a watch was cut.
    mutating func failed(
        _ error: APIError, at now: Duration, using random: inout some RandomNumberGenerator
    ) -> News? {
        wasQuestion = false
        if resource.isOptional, error.statusCode == 404 || error.statusCode == 403, phase != .watching {
            return noteAbsence(error, &random)
        }
        fruitless += 1
        let isWatch = phase == .watching
        let couldStream = canStream
        note(error)
        // The server has answered, and is asked for something else now.
        if couldStream && !canStream {
            wasQuestion = true
            return nil
        }
        let wasHealthy = isWatch && (watchHasEvents || now - watchBegan >= timing.shortestWatch)
        let isFree = error.retryAfter == nil && (error.statusCode == 410 || (wasHealthy && error.cause == .connection))
        let jitter = Double.random(in: 0..<1, using: &random)
        delay = backoff.delay(at: now, isFree: isFree, jitter: jitter)
        if let wait = error.retryAfter {
            let believed = min(wait, timing.longestRetryAfter)
            delay = max(believed + believed * (jitter / 10), delay)
        }
        return nil
    }

    private mutating func noteAbsence(_ error: APIError, _ random: inout some RandomNumberGenerator) -> News? {
        if error.statusCode == 404 && path + 1 < resource.paths.count {
            path += 1
            phase = .idle
            wasQuestion = true
            return nil
        }
        path = 0
        phase = .absent
        delay = timing.absentRetry * Double.random(in: 0.75..<1.25, using: &random)
        defer { hasToldAbsence = true }
        return hasToldAbsence ? nil : .absent
    }

    /// Decides how to go on.
    private mutating func note(_ error: APIError) {
        switch phase {
        case .idle, .absent: noteListFailure(error)
        case .paging:
            // The list that the token belongs to is forgotten; the next one comes as a whole.
            if error.statusCode == 410 { canPage = false }
            // One more try for the page, then from the start: what has come is kept anyway.
            if error.statusCode != nil || fruitless > 1 { phase = .idle }
        case .streaming:
            phase = .idle
            noteStreamFailure(error)
        case .watching: noteWatchFailure(error)
        }
    }

    private mutating func noteListFailure(_ error: APIError) {
        if error.isVersionUnavailable { isVersionUsable = false }
    }

    private mutating func noteStreamFailure(_ error: APIError) {
        if error.isVersionUnavailable { isVersionUsable = false }
        switch error.cause {
        case .answer(let status):
            switch status.code {
            case 401, 403, 410, 429, 503, 504: return
            case 502: brokenStreams += 1
            // A server before 1.27, one that has the feature off, or whose store cannot do it.
            default: canStream = false
            }
        case .connection, .silence, .nonsense: brokenStreams += 1
        case .settings, .credential, .trust, .cancelled: return
        }
    }

    private mutating func noteWatchFailure(_ error: APIError) {
        switch error.cause {
        case .answer(let status):
            switch status.code {
            case 401, 403, 429: return
            case 500..<600: if fruitless >= 3 { phase = .idle }
            default: phase = .idle
            }
        // The same bytes may come again and again.
        case .nonsense: if fruitless >= 3 { phase = .idle }
        case .settings, .credential, .connection, .trust, .silence, .cancelled: return
        }
    }
}

extension APIError {
    /// Whether the server cannot tell, or cannot tell yet, about the resource version that it was asked for.
    fileprivate var isVersionUnavailable: Bool {
        guard case .answer(let status) = cause else { return false }
        return status.code == 410 || (status.code == 504 && status.message.hasPrefix("Too large resource version"))
    }
}
