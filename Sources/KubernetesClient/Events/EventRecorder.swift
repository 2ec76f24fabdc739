import CLinux
import FoundationEssentials
import Logging
import Synchronization

/// Writes Events to the API server.
///
/// ``record(_:)`` never waits and never fails: nothing depends on an Event. What cannot be sent is tried again for some
/// minutes, then dropped; the log says so at level debug.
public final class EventRecorder: Sendable {
    private struct State {
        var ledger = EventLedger()
        /// The sender's rest; cancelled when there is something to send.
        var rest: Task<Void, Never>?
        var hasNews = false
    }

    /// What an Event has, by far: of a longer answer the rest is not read.
    static let bodyLimit = 64 << 10

    private let connection: APIConnection
    private let controller: String
    private let instance: String
    private let logger: Logger
    private let state = Mutex(State())
    private let start = ContinuousClock.now

    /// Prepares the recorder; nothing is sent yet.
    ///
    /// - Parameters:
    ///   - connection: To the API server.
    ///   - nodeName: Distinguishes the daemons of a cluster, `reportingInstance`.
    ///   - controller: `reportingController`.
    public init(_ connection: APIConnection, nodeName: String, controller: String = "fairlead", logger: Logger) {
        self.connection = connection
        self.controller = controller
        self.logger = logger
        instance = "\(controller)-\(nodeName)"
    }

    /// Something has happened; the same again makes a series.
    public func record(_ event: ClusterEvent) {
        var seconds: Int64 = 0
        var microseconds: Int32 = 0
        fl_wall_clock(&seconds, &microseconds)
        let wallClock = seconds * 1_000_000 + Int64(microseconds)
        let rest = state.withLock { state in
            state.ledger.note(event, at: now, wallClock: wallClock)
            state.hasNews = true
            return state.rest
        }
        rest?.cancel()
    }

    private var now: Duration { .now - start }

    /// Sends what is recorded until the task is cancelled.
    public func run() async {
        while !Task.isCancelled {
            let step = state.withLock { state in
                state.hasNews = false
                return state.ledger.next(at: now)
            }
            switch step {
            case .wait(let duration): await pause(duration)
            case .send(let message): await send(message)
            }
        }
    }

    /// Rests for so long, or until something is recorded.
    private func pause(_ duration: Duration) async {
        let rest = Task<Void, Never> { try? await Task.sleep(for: duration) }
        let hasNews = state.withLock { state in
            state.rest = rest
            return state.hasNews
        }
        if hasNews { rest.cancel() }
        await withTaskCancellationHandler {
            await rest.value
        } onCancel: {
            rest.cancel()
        }
    }

    private func send(_ message: EventLedger.Message) async {
        do throws(APIError) {
            // The status says all: what else the answer has is the Event itself, or whatever somebody in between makes up.
            try await connection.perform(try request(message), bodyLimit: Self.bodyLimit)
            state.withLock { $0.ledger.sent(message, at: now) }
        } catch {
            if Task.isCancelled { return }
            logger.debug("an Event was not taken: \(error)")
            note(error, of: message)
        }
    }

    private func note(_ error: APIError, of message: EventLedger.Message) {
        state.withLock { state in
            switch (message, error.statusCode) {
            case (.patch, 404): state.ledger.lost(message)
            // The answer to an earlier attempt was lost.
            case (.post, 409): state.ledger.sent(message, at: now)
            case (_, 400), (_, 403), (_, 404), (_, 405), (_, 415), (_, 422): state.ledger.refused(message)
            default: state.ledger.failed(message, at: now)
            }
        }
    }

    private func request(_ message: EventLedger.Message) throws(APIError) -> APIRequest {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var request: APIRequest
        do {
            switch message {
            case .post(let entry):
                request = APIRequest(.post, path: Self.path(entry))
                let document = EventDocument(entry, controller: controller, instance: instance)
                request.body = (Array(try encoder.encode(document)), "application/json")
            case .patch(let entry):
                request = APIRequest(.patch, path: "\(Self.path(entry))/\(EventDocument.name(entry))")
                let document = EventDocument.Patch(series: EventDocument.series(entry))
                request.body = (Array(try encoder.encode(document)), "application/merge-patch+json")
            }
        } catch { throw APIError(.settings, "\(error)") }
        request.format = .json
        return request
    }

    private static func path(_ entry: EventLedger.Entry) -> String {
        "/apis/events.k8s.io/v1/namespaces/\(EventDocument.namespace(entry.event))/events"
    }
}
