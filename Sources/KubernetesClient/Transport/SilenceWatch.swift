import Synchronization

/// Cuts a request when nothing has come for too long. Only time that is spent waiting for bytes counts: a consumer may take
/// its time.
final class SilenceWatch: Sendable {
    private struct State {
        var limit: Duration
        /// Since when bytes are waited for; nil while nobody waits.
        var waitsSince: ContinuousClock.Instant?
    }

    private let state: Mutex<State>

    private init(_ limit: Duration) { state = Mutex(State(limit: limit)) }

    /// From now on this much silence is too much.
    func setLimit(_ limit: Duration) { state.withLock { $0.limit = limit } }

    /// Bytes are waited for.
    func beginWaiting() { state.withLock { $0.waitsSince = .now } }

    /// Bytes have come, or there will be none.
    func endWaiting() { state.withLock { $0.waitsSince = nil } }

    /// How long it may go on like this; zero if it is too much.
    private var rest: Duration {
        state.withLock { state in
            guard let since = state.waitsSince else { return state.limit }
            return max(.zero, state.limit - (ContinuousClock.now - since))
        }
    }

    /// Returns true when there was too much silence, false when cancelled.
    private func expires() async -> Bool {
        while true {
            let rest = rest
            if rest == .zero { return true }
            // The limit may be lowered meanwhile.
            let pause = min(rest, .seconds(5))
            do { try await Task.sleep(for: pause, tolerance: pause / 20) } catch { return false }
        }
    }

    private enum Outcome<Value: Sendable>: Sendable {
        case finished(Result<Value, APIError>)
        case silent
        case stopped
    }

    /// Runs the body until it ends by itself, or is cut with an error of the cause `silence`.
    static func guarding<Value: Sendable>(
        _ limit: Duration, _ body: @escaping @Sendable (SilenceWatch) async throws(APIError) -> Value
    ) async throws(APIError) -> Value {
        let watch = SilenceWatch(limit)
        let result = await withTaskGroup(of: Outcome<Value>.self) { group -> Result<Value, APIError> in
            group.addTask {
                do throws(APIError) { return .finished(.success(try await body(watch))) } catch {
                    return .finished(.failure(error))
                }
            }
            group.addTask { await watch.expires() ? .silent : .stopped }
            var isSilent = false
            while let outcome = await group.next() {
                switch outcome {
                case .silent:
                    isSilent = true
                    group.cancelAll()
                case .finished(.failure(let error)) where isSilent && error.cause == .cancelled:
                    return .failure(APIError(.silence, "nothing came for \(watch.state.withLock(\.limit))"))
                case .finished(let result):
                    group.cancelAll()
                    return result
                case .stopped: continue
                }
            }
            return .failure(APIError(.cancelled, "cancelled"))
        }
        return try result.get()
    }
}
