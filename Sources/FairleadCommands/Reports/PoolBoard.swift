import LoadBalancing
import NetworkTypes
import Observability
import Telemetry

/// The pools of a Service for programs that ask over HTTP, at once or as soon as something changes.
actor PoolBoard {
    /// Tells one state of the pools from another. It begins with the time, so that a program that asks on after a restart here is
    /// answered at once.
    private var index = Int(Moment.now.microseconds)
    private var pools: [NodePool] = []
    private var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    private var nextWaiter = 0

    /// How long an answer may be held back at the most.
    static let longestWait: Duration = .seconds(300)
    private static let usualWait: Duration = .seconds(30)
    /// Programs that may wait at the same time; one more is answered at once.
    private static let mostWaiters = 100
    private static let path = "/v1/pools"

    /// The pools are these now.
    func publish(_ pools: [NodePool]) {
        guard pools != self.pools else { return }
        self.pools = pools
        index += 1
        for waiter in waiting.values { waiter.resume() }
        waiting = [:]
    }

    /// Answers `/v1/pools`. With `index` of an answer before, it waits until the pools are others, or for `wait` seconds, and no longer
    /// than the client is there.
    func answer(_ request: HTTPRequest) async -> HTTPAnswer {
        guard request.path == Self.path else { return .notFound }
        guard request.method == "GET" || request.method == "HEAD" else { return .methodNotAllowed }
        let query = HTTPQuery(request.query)
        var wait = Self.usualWait
        if let text = query["wait"] {
            guard let seconds = Int(text), (0...300).contains(seconds) else {
                return .text("wait: seconds, from 0 to 300\n", status: 400)
            }
            wait = .seconds(seconds)
        }
        if let text = query["index"] {
            guard let known = Int(text) else { return .text("index: that of an answer before\n", status: 400) }
            if known == index, wait > .zero, waiting.count < Self.mostWaiters { await change(within: wait) }
        }
        guard !pools.isEmpty else { return .text("the pools are not known yet\n", status: 503) }
        let list = pools.map { PoolJSON.line($0).trimmingSuffix() }.joined(separator: ",")
        return .json("{\"index\":\(index),\"pools\":[\(list)]}\n")
    }

    private func change(within limit: Duration) async {
        let waiter = nextWaiter
        nextWaiter += 1
        let timer = Task {
            try? await Task.sleep(for: limit)
            self.end(waiter)
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled { continuation.resume() } else { waiting[waiter] = continuation }
            }
        } onCancel: {
            Task { await self.end(waiter) }
        }
        timer.cancel()
    }

    private func end(_ waiter: Int) { waiting.removeValue(forKey: waiter)?.resume() }
}

extension String {
    /// Without the line's end.
    fileprivate func trimmingSuffix() -> String { hasSuffix("\n") ? String(dropLast()) : self }
}
