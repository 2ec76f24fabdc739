import Glibc
import Logging
import NetlinkTransport
import Reconciliation
import ServiceDataplane
import Synchronization

/// Removes stale conntrack entries and says what came of it. A failure costs old flows of UDP and SCTP clients their
/// way to new endpoints, until it works again; it never holds up the rules.
///
/// Looks take seconds where conntrack is full. They have a thread and a socket of their own, so that no commit waits for them; commits
/// leave word of what they made stale (`FlowMail`), and what has come while a look was under way is done together by the next one.
package actor FlowCleanup {
    private let queue = CommitQueue(label: "fairlead.flows")
    package nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

    private let cleaner: FlowCleaner<ConntrackKernel>
    private let mail = FlowMail()
    private let logger: Logger
    private let note: @Sendable (FlowCleanupReport?) -> Void
    private var failures = 0
    private var hasComplained = false

    /// So many failures in a row are one that lasts.
    private static let lasting = 3

    /// - Parameter note: told of each look, for metrics; nil of one that has failed for a while.
    package init(_ logger: Logger, note: @escaping @Sendable (FlowCleanupReport?) -> Void = { _ in }) {
        self.logger = logger
        self.note = note
        cleaner = FlowCleaner { () throws(NetlinkError) in
            try Wiring.openConntrack()
        } news: { [mail] in
            mail.settle()
        }
    }

    // MARK: For the one who commits

    /// Something is about to be committed: from now on a look cannot know which flows are stale.
    nonisolated func beginCommit() { mail.beginCommit() }

    /// The kernel holds what is wanted, and these flows are stale by that. Nothing is waited for.
    nonisolated func endCommit(_ flows: StaleFlows) {
        mail.endCommit(flows)
        tick()
    }

    /// From time to time.
    nonisolated func tick() {
        guard mail.schedule() else { return }
        Task { await work() }
    }

    private func work() {
        mail.unschedule()
        if let flows = mail.take() { log(cleaner.remove(flows, at: .now), isLast: false) }
        log(cleaner.tick(at: .now), isLast: false)
    }

    /// After the only commit.
    package func removeOnce(_ flows: StaleFlows) {
        for _ in 0..<3 {
            let outcome = cleaner.remove(flows, at: .now)
            log(outcome, isLast: true)
            // An answer that was under way when its flow's entry went makes another entry.
            guard case .done(let report)? = outcome, report.deleted.values.contains(where: { $0 > 0 }) else { return }
        }
    }

    // MARK: Log

    private func log(_ outcome: FlowCleaner<ConntrackKernel>.Outcome?, isLast: Bool) {
        switch outcome {
        case nil: return
        case .done(let report):
            if failures > 0 { logger.notice("stale flows can be removed again") }
            failures = 0
            note(report)
            let count = report.deleted.values.reduce(0, +)
            logger.log(level: count > 0 ? .info : .debug, "removed stale flows", metadata: Self.metadata(report))
            if cleaner.isContested && !hasComplained {
                logger.warning("stale flows come again and again; they are removed every half a minute")
            }
            hasComplained = cleaner.isContested
        case .failed(let error, let report, let delay):
            failures += 1
            note(report)
            if failures >= Self.lasting { note(nil) }
            let reason = error.map { "\($0)" } ?? "\(report.refused) of them cannot be deleted at the moment"
            logger.warning(
                "stale flows could not be removed: \(reason)\(isLast ? "" : "; trying again")",
                metadata: isLast ? [:] : ["seconds": "\(delay.components.seconds)"])
        }
    }

    private static func metadata(_ report: FlowCleanupReport) -> Logger.Metadata {
        [
            "deleted": "\(report.deleted.values.reduce(0, +))",
            "connections": "\(report.connections.values.reduce(0, +))", "examined": "\(report.examined)",
            "ms": "\(Double(report.duration / .microseconds(1)).rounded() / 1000)",
        ]
    }
}

/// What commits tell looks, and whether one is under way.
///
/// A flow to an endpoint that a commit has just added is live; a look that knows nothing of the commit yet would take it for stale. So
/// nothing is deleted before a moment at which the kernel held what was told last.
final class FlowMail: Sendable {
    private struct Held {
        var flows: StaleFlows
        var since: ContinuousClock.Instant
    }

    private struct State {
        var flows: StaleFlows?
        /// What is said of TCP connections, and since when: what waits for its time, and what came after that.
        var held: Held?
        var next: Held?
        var isCommitting = false
        /// How many commits have ended.
        var ends = 0
        var isScheduled = false

        /// What waits must learn of endpoints that came back, but wait no longer for others that went after them.
        mutating func hold(_ connections: StaleFlows, at now: ContinuousClock.Instant) {
            guard held != nil else {
                if !connections.isEmpty { held = Held(flows: connections, since: now) }
                return
            }
            held?.flows.formUnion(connections.asGrowth)
            guard next != nil || !connections.isEmpty else { return }
            var flows = next?.flows ?? StaleFlows()
            flows.formUnion(connections)
            next = Held(flows: flows, since: now)
        }
    }

    private let state = Mutex(State())

    /// How long a look waits for the end of a commit. It is tried again later.
    private let patience: Duration

    /// For how long an endpoint has to be gone before connections to it are. While a controller moves endpoints from one slice to
    /// another, one may be in none for a moment.
    private let hold: Duration

    init(patience: Duration = .seconds(5), hold: Duration = .seconds(3)) {
        (self.patience, self.hold) = (patience, hold)
    }

    func beginCommit() { state.withLock { $0.isCommitting = true } }

    func endCommit(_ flows: StaleFlows) {
        state.withLock { state in
            state.isCommitting = false
            state.ends += 1
            guard !flows.saysNothing else { return }
            var flows = flows
            let connections = flows.takeConnections()
            if !connections.saysNothing { state.hold(connections, at: .now) }
            guard !flows.saysNothing else { return }
            var all = state.flows ?? StaleFlows()
            all.formUnion(flows)
            state.flows = all
        }
    }

    /// Hands over what was told since the last time, and of connections what has been so for long enough.
    func take() -> StaleFlows? {
        state.withLock { state in
            defer { state.flows = nil }
            guard let held = state.held, .now - held.since >= hold else { return state.flows }
            (state.held, state.next) = (state.next, nil)
            var all = state.flows ?? StaleFlows()
            all.formUnion(held.flows)
            return all
        }
    }

    /// Hands over what was told since the last time to a look that is under way.
    private func takeNews() -> StaleFlows {
        state.withLock { state in
            defer { state.flows = nil }
            var news = state.flows ?? StaleFlows()
            // A look may know of endpoints that are gone what was so a while ago.
            for held in [state.held, state.next].compactMap({ $0 }) { news.formUnion(held.flows.asGrowth) }
            return news
        }
    }

    /// Waits for a moment at which no commit is half done, and hands over what was told by then; nil if there is none in time. For a
    /// thread that may block.
    func settle() -> StaleFlows? {
        let deadline = ContinuousClock.now + patience
        let before = state.withLock { $0.ends }
        while state.withLock({ $0.isCommitting && $0.ends == before }) {
            if ContinuousClock.now > deadline { return nil }
            usleep(1000)
        }
        return takeNews()
    }

    /// Whether a look has to be asked for; false if one that has not begun yet was.
    func schedule() -> Bool {
        state.withLock { state in
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
    }

    func unschedule() { state.withLock { $0.isScheduled = false } }
}
