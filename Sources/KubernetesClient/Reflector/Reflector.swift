import KubernetesModel
import KubernetesWire
import Logging
import NIOCore

/// Follows the objects of a kind: sends what its machine wants sent, and hands over what the answers mean.
actor Reflector {
    private let resource: WatchedResource
    private let timing: ReflectorTiming
    private let connection: APIConnection
    private let mailbox: UpdateMailbox
    private var machine: ReflectorMachine
    private var journal: ReflectorJournal
    private var random = SystemRandomNumberGenerator()
    private let start = ContinuousClock.now

    /// Items of a long page are handed over before its end.
    private static let portion = 500

    init(
        _ resource: WatchedResource, _ timing: ReflectorTiming, connection: APIConnection, mailbox: UpdateMailbox,
        logger: Logger, report: @escaping SourceReport = { _, _ in }
    ) {
        self.resource = resource
        self.timing = timing
        self.connection = connection
        self.mailbox = mailbox
        machine = ReflectorMachine(resource, timing)
        journal = ReflectorJournal(resource.name, logger, report)
    }

    private var now: Duration { .now - start }

    /// Goes on until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            let step = machine.next(at: now, using: &random)
            if step.delay > .zero {
                do { try await Task.sleep(for: step.delay) } catch { return }
            }
            do throws(APIError) {
                try await carryOut(step.order)
            } catch {
                if Task.isCancelled { return }
                note(error)
            }
        }
    }

    private func carryOut(_ order: ReflectorMachine.Order) async throws(APIError) {
        let request = order.request(for: resource)
        switch order {
        case .list: try await list(request)
        case .stream(_, _, let seconds), .watch(_, _, let seconds): try await watch(request, seconds: seconds)
        }
    }

    private func note(_ error: APIError) {
        let news = machine.failed(error, at: now, using: &random)
        journal.failed(error, machine)
        if let news { mailbox.post([news], of: resource.kind) }
    }

    // MARK: Lists

    private func list(_ request: APIRequest) async throws(APIError) {
        let kind = resource.kind
        let page = try await connection.perform(request, silence: timing.listSilence) {
            (body) async throws(APIError) in
            try body.requireProtobuf()
            var decoder = ListDecoder(kind: kind)
            while let piece = try await body.next() {
                do throws(WireError) {
                    try piece.withUnsafeReadableBytes { (bytes) throws(WireError) in try decoder.append(bytes) }
                } catch { throw APIError(.nonsense, error.description) }
                if decoder.itemCount >= Self.portion { await self.take(decoder.takeItems()) }
            }
            do throws(WireError) { return try decoder.finish() } catch {
                throw APIError(.nonsense, error.description)
            }
        }
        post(try machine.received(page))
        await mailbox.room()
    }

    private func take(_ items: [WireObject]) async {
        post(machine.received(items))
        await mailbox.room()
    }

    private func post(_ news: [ReflectorMachine.News]) {
        journal.succeeded()
        mailbox.post(news, of: resource.kind)
    }

    // MARK: Watches

    private func watch(_ request: APIRequest, seconds: Int) async throws(APIError) {
        let kind = resource.kind
        let limit = machine.isWatching ? .seconds(seconds) + timing.watchSlack : timing.listSilence
        try await connection.perform(request, silence: limit) { (body) async throws(APIError) in
            try body.requireProtobuf()
            var frames = WatchFrameReader()
            while let piece = try await body.next() {
                frames.append(piece.readableBytesView)
                var events: [WatchEvent] = []
                do throws(WireError) {
                    while let frame = try frames.next() { events.append(try decodeWatchEvent(frame, kind: kind)) }
                } catch {
                    // What came before the nonsense counts.
                    _ = try await self.take(events, seconds)
                    throw APIError(.nonsense, error.description)
                }
                if !events.isEmpty { body.watch.setLimit(try await self.take(events, seconds)) }
            }
            if frames.isWithinFrame { throw APIError(.connection, "the watch ended in the middle of an event") }
        }
        if let error = machine.ended(at: now, using: &random) {
            journal.failed(error.during(request, to: connection.server), machine)
        }
    }

    /// - Returns: How long the watch may be silent from now on.
    private func take(_ events: [WatchEvent], _ seconds: Int) async throws(APIError) -> Duration {
        var news: [ReflectorMachine.News] = []
        var failure: APIError?
        do throws(APIError) {
            for event in events {
                if let item = try machine.received(event) { news.append(item) }
            }
        } catch { failure = error }
        post(news)
        if let failure { throw failure }
        await mailbox.room()
        guard machine.isWatching else { return timing.listSilence }
        let limit = .seconds(seconds) + timing.watchSlack
        return machine.hasBookmarks ? min(limit, timing.bookmarkSilence) : limit
    }
}

extension ReflectorMachine.Order {
    /// The order as the API spells it.
    func request(for resource: WatchedResource) -> APIRequest {
        var request: APIRequest
        switch self {
        case .list(let path, let version, let limit, let token):
            request = APIRequest(path: path)
            if let limit { request.query.append(("limit", "\(limit)")) }
            // A token stands for the version, too.
            if !token.isEmpty {
                request.query.append(("continue", token))
            } else if !version.isEmpty {
                request.query.append(("resourceVersion", version))
            }
        case .stream(let path, let version, let seconds):
            request = Self.watch(path, version, seconds)
            request.query += [("sendInitialEvents", "true"), ("resourceVersionMatch", "NotOlderThan")]
        case .watch(let path, let version, let seconds): request = Self.watch(path, version, seconds)
        }
        if let selector = resource.labelSelector { request.query.append(("labelSelector", selector)) }
        if let selector = resource.fieldSelector { request.query.append(("fieldSelector", selector)) }
        return request
    }

    private static func watch(_ path: String, _ version: String, _ seconds: Int) -> APIRequest {
        var request = APIRequest(path: path)
        request.format = .protobufStream
        request.query = [("watch", "true"), ("allowWatchBookmarks", "true"), ("timeoutSeconds", "\(seconds)")]
        if !version.isEmpty { request.query.append(("resourceVersion", version)) }
        return request
    }
}
