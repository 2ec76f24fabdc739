import KubernetesModel
import Synchronization

/// What changes in the manifests, one update after the other; for one consumer.
///
/// Nothing queues up for a slow consumer: updates that it has not fetched yet are folded into one, which holds at most
/// one change for each object.
public struct ManifestUpdates: AsyncSequence, Sendable {
    /// What the sequence is made of.
    public typealias Element = ManifestUpdate

    let mailbox: ManifestMailbox
    /// Keeps the watcher's thread running while someone listens.
    let lifetime: WatcherThread

    /// Fetches the next update; nil once the watcher has stopped or the task is cancelled.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let mailbox: ManifestMailbox
        let lifetime: WatcherThread
        var wakeUps: AsyncStream<Void>.AsyncIterator

        /// The next update.
        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws(Never) -> ManifestUpdate? {
            while true {
                if Task.isCancelled { return nil }
                if let update = mailbox.take() { return update }
                guard await wakeUps.next(isolation: actor) != nil else { return mailbox.take() }
            }
        }
    }

    /// Makes the iterator; a sequence has room for one at a time.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(mailbox: mailbox, lifetime: lifetime, wakeUps: mailbox.wakeUps.makeAsyncIterator())
    }
}

/// Hands updates from the watcher's thread to the consumer.
final class ManifestMailbox: Sendable {
    private struct Pending {
        var changes = Changes.none
        var failures: [String: ManifestError] = [:]
        var failing: [ManifestError] = []
        var findings: [Finding] = []
        var skipped: [SkippedObject] = []
        var isComplete = false
    }

    /// At most one change for each object.
    private enum Changes {
        case none
        /// Those of one update, as they came: of a first load nothing is sorted or copied.
        case ofOne([ClusterChange])
        case ofSeveral([ObjectID: ClusterChange])

        mutating func fold(_ new: [ClusterChange]) {
            var all: [ObjectID: ClusterChange] = [:]
            switch self {
            case .none:
                self = .ofOne(new)
                return
            case .ofOne(let old):
                for change in old { if let id = change.id { all[id] = change } }
            case .ofSeveral(let old): all = old
            }
            self = .none
            for change in new { if let id = change.id { all[id] = change } }
            self = .ofSeveral(all)
        }

        var all: [ClusterChange] {
            switch self {
            case .none: []
            case .ofOne(let changes): changes
            case .ofSeveral(let changes): changes.sorted { $0.key < $1.key }.map(\.value)
            }
        }
    }

    private static let skippedLimit = 1000
    private let pending = Mutex<Pending?>(nil)
    private let continuation: AsyncStream<Void>.Continuation
    /// Fires when there is something to take; never holds more than one.
    let wakeUps: AsyncStream<Void>

    init() {
        (wakeUps, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Calls `action` when the consumer's task is cancelled or the mailbox is closed.
    func whenTerminated(_ action: @escaping @Sendable () -> Void) {
        continuation.onTermination = { _ in action() }
    }

    /// Adds an update to what waits.
    func post(_ update: ManifestUpdate) {
        pending.withLock { pending in
            var folded = pending ?? Pending()
            pending = nil
            folded.changes.fold(update.changes)
            for failure in update.failures { folded.failures[failure.path] = failure }
            folded.failing = update.failing
            folded.findings = update.findings
            // They are for a debug line only: nothing may pile up for a slow consumer.
            if folded.skipped.count < Self.skippedLimit { folded.skipped += update.skipped }
            folded.isComplete = update.isComplete
            pending = folded
        }
        continuation.yield()
    }

    /// Takes all that waits.
    func take() -> ManifestUpdate? {
        guard let folded = pending.withLock({ $0.take() }) else { return nil }
        var update = ManifestUpdate()
        update.changes = folded.changes.all
        update.failures = folded.failures.sorted { $0.key < $1.key }.map(\.value)
        update.failing = folded.failing
        update.findings = folded.findings
        update.skipped = folded.skipped
        update.isComplete = folded.isComplete
        return update
    }

    /// Ends the sequence once what waits is taken.
    func close() { continuation.finish() }
}

extension ClusterChange {
    /// The object that changes; nil for a list of all keys, which manifests never tell.
    var id: ObjectID? {
        switch self {
        case .applied(let object): object.id
        case .deleted(let id): id
        case .retained: nil
        }
    }
}
