import NIOCore

/// The connections of one server. Stays on its event loop.
final class ConnectionTable {
    let limits: HTTPLimits
    private var connections: [ObjectIdentifier: HTTPConnection] = [:]
    private var isFinishing = false
    private var drained: [EventLoopPromise<Void>] = []

    init(limits: HTTPLimits) { self.limits = limits }

    func admit(_ connection: HTTPConnection) {
        if connections.count >= limits.connections {
            let quiet = connections.values.filter { !$0.isAnswering }
            (quiet.min { $0.quietSince < $1.quietSince } ?? connection).close()
        }
        connections[ObjectIdentifier(connection)] = connection
        if isFinishing { connection.finish() }
    }

    func remove(_ connection: HTTPConnection) {
        connections[ObjectIdentifier(connection)] = nil
        if connections.isEmpty { complete() }
    }

    /// Lets requests in flight end, for a while.
    func finish(on loop: any EventLoop) -> EventLoopFuture<Void> {
        let promise = loop.makePromise(of: Void.self)
        drained.append(promise)
        if !isFinishing {
            isFinishing = true
            for connection in Array(connections.values) { connection.finish() }
            loop.assumeIsolated().scheduleTask(in: TimeAmount(limits.closingTime)) {
                for connection in Array(self.connections.values) { connection.close() }
            }
        }
        if connections.isEmpty { complete() }
        return promise.futureResult
    }

    private func complete() {
        let waiting = drained
        drained = []
        for promise in waiting { promise.succeed() }
    }
}
