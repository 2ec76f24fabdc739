import KubernetesModel
import KubernetesWire
import Synchronization

/// Joins what the reflectors tell, and keeps it until the consumer has time.
///
/// At most one change waits for each object, and past a limit the reflectors wait: a flood of events takes no more memory
/// than the limit.
final class UpdateMailbox: Sendable {
    fileprivate struct State {
        var changes: [ObjectID: ClusterChange] = [:]
        /// The keys that a complete list had, kept up with what came after it.
        var retained: [ObjectID.Kind: Set<ObjectKey>] = [:]
        /// Of the objects that something is wrong with.
        var findings: [ObjectID: [Finding]] = [:]
        /// The kinds of which nothing complete is known yet.
        var missing: Set<ObjectID.Kind>
        var hasNews = false
        var isClosed = false
        var nextWaiter = 0
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
    }

    private let state: Mutex<State>
    private let limit: Int
    private let continuation: AsyncStream<Void>.Continuation
    /// Fires when there is something to take; never holds more than one.
    let wakeUps: AsyncStream<Void>

    init(_ kinds: Set<ObjectID.Kind>, limit: Int) {
        state = Mutex(State(missing: kinds))
        self.limit = limit
        (wakeUps, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Adds news of a kind to what waits.
    func post(_ news: [ReflectorMachine.News], of kind: ObjectID.Kind) {
        guard !news.isEmpty else { return }
        let mustWake = state.withLock { state in
            for item in news { state.take(item, kind) }
            return state.hasNews
        }
        if mustWake { continuation.yield() }
    }

    /// Returns once there is room, or the task is cancelled.
    func room() async {
        let number = state.withLock { state -> Int? in
            guard state.changes.count >= limit, !state.isClosed else { return nil }
            defer { state.nextWaiter += 1 }
            return state.nextWaiter
        }
        guard let number else { return }
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isFree = state.withLock { state in
                    let isFree = state.changes.count < limit || state.isClosed || Task.isCancelled
                    if !isFree { state.waiters[number] = waiter }
                    return isFree
                }
                if isFree { waiter.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: number) }?.resume()
        }
    }

    /// Takes all that waits; nil if there is nothing new.
    func take() -> ClusterUpdate? {
        let (taken, waiters) = state.withLock { state -> (State?, [CheckedContinuation<Void, Never>]) in
            guard state.hasNews else { return (nil, []) }
            let copy = state
            state.changes = [:]
            state.retained = [:]
            state.hasNews = false
            state.waiters = [:]
            return (copy, Array(copy.waiters.values))
        }
        for waiter in waiters { waiter.resume() }
        guard let taken else { return nil }
        var update = ClusterUpdate()
        update.changes = Array(taken.changes.values)
        for kind in ObjectID.Kind.allCases {
            if let keys = taken.retained[kind] { update.changes.append(.retained(kind, keys)) }
        }
        update.findings = taken.findings.sorted { $0.key < $1.key }.flatMap(\.value)
        update.heldServices = Set(update.findings.compactMap(\.heldService))
        update.readiness = taken.missing.isEmpty ? .complete : .loading
        return update
    }

    /// Ends the sequence once what waits is taken.
    func close() {
        let waiters = state.withLock { state in
            state.isClosed = true
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume() }
        continuation.finish()
    }
}

extension UpdateMailbox.State {
    fileprivate mutating func take(_ news: ReflectorMachine.News, _ kind: ObjectID.Kind) {
        switch news {
        case .object(let decoded): take(decoded)
        case .deleted(let id):
            changes[id] = .deleted(id)
            findings[id] = nil
            retained[id.kind]?.remove(id.key)
            hasNews = true
        case .complete(let keys):
            // What waits is older than the list, or part of it.
            for id in changes.keys where id.kind == kind && !keys.contains(id.key) { changes[id] = nil }
            for id in findings.keys where id.kind == kind && !keys.contains(id.key) { findings[id] = nil }
            retained[kind] = keys
            missing.remove(kind)
            hasNews = true
        case .absent:
            // Nothing is known to be gone: a right that was taken away says nothing about the objects.
            hasNews = missing.remove(kind) != nil || hasNews
        }
    }

    private mutating func take(_ decoded: WireObject) {
        let id = decoded.id
        retained[id.kind]?.insert(id.key)
        if let object = decoded.object {
            changes[id] = .applied(object)
            hasNews = true
        }
        let old = findings[id]
        let new = decoded.findings.isEmpty ? nil : decoded.findings
        if old != new {
            findings[id] = new
            hasNews = true
        }
    }
}
