import Logging
import Netfilter
import NetlinkTransport
import NetworkTypes
import Reconciliation
import Synchronization

/// Forgets clients with affinity that are remembered for endpoints which their pool has no longer, and says what came of it. A failure
/// costs those clients their Service until it works again, or until their time is up; it never holds up the rules, nor fails a commit.
///
/// The maps are dumped on a thread and by a socket of its own. What looks stale is handed to the daemon, a few hundred clients at a time,
/// which looks again by key and removes it (`Reconciler.forget`).
actor ClientCleanup {
    private let queue = CommitQueue(label: "fairlead.clients")
    nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

    private let logger: Logger
    private let note: @Sendable (_ forgotten: [IPFamily: Int], _ isFailing: Bool) -> Void
    private let state = Mutex(Request())
    private var pace = LookPace()
    private var kernel: NftablesKernel?
    private var halves: Set<ElementKey> = []
    private var isLooking = false
    private var hasComplained = false

    private struct Request {
        var isNew = false
        var isScheduled = false
    }

    /// - Parameter note: told of each look, for metrics: whom it has forgotten, and whether looks have failed for a while.
    init(_ logger: Logger, note: @escaping @Sendable ([IPFamily: Int], Bool) -> Void = { _, _ in }) {
        self.logger = logger
        self.note = note
    }

    // MARK: For the one who commits

    /// A commit may have left clients that are remembered wrongly. Nothing is waited for.
    nonisolated func look(for daemon: Daemon) {
        state.withLock { $0.isNew = true }
        tick(for: daemon)
    }

    /// From time to time.
    nonisolated func tick(for daemon: Daemon) {
        let isFirst = state.withLock { state in
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if isFirst { Task { await work(for: daemon) } }
    }

    private func work(for daemon: Daemon) async {
        // While a look waits for the daemon, another one may be asked for; it is taken by the next tick.
        if isLooking { return state.withLock { $0.isScheduled = false } }
        let isNew = state.withLock { state in
            defer { state = Request() }
            return state.isNew
        }
        if isNew { pace.begin(at: .now) }
        guard pace.isDue(at: .now) else { return }
        isLooking = true
        defer { isLooking = false }
        let start = ContinuousClock.now
        do throws(NetlinkError) {
            guard let verdicts = try await verdicts(from: daemon) else { return }
            halves = verdicts.halves
            pace.looked(isClean: verdicts.isClean, from: start, to: .now)
            report(verdicts, ContinuousClock.now - start)
        } catch {
            kernel = nil
            let delay = pace.failed(at: .now)
            note([:], pace.isFailing)
            logger.warning(
                "clients with affinity could not be looked at: \(error); trying again",
                metadata: ["seconds": "\(delay.components.seconds)"])
        }
    }

    /// Takes one look. Nil while the kernel does not hold what is wanted: then it is put off.
    private func verdicts(from daemon: Daemon) async throws(NetlinkError) -> ClientVerdicts? {
        guard let look = await daemon.clientLook() else { return nil }
        let kernel: NftablesKernel
        if let open = self.kernel { kernel = open } else { kernel = try Wiring.openKernel(dumpLimit: .max) }
        self.kernel = kernel
        var verdicts = ClientVerdicts()
        for suspects in try look.suspects(in: kernel) {
            verdicts.add(try await daemon.forget(suspects, halves: halves))
        }
        return verdicts
    }

    private func report(_ verdicts: ClientVerdicts, _ duration: Duration) {
        note(verdicts.forgotten, pace.isFailing)
        let count = verdicts.forgotten.values.reduce(0, +)
        logger.log(
            level: count > 0 ? .info : .debug, "forgot clients of endpoints that have gone",
            metadata: [
                "clients": "\(count)", "ms": "\(Double(duration / .microseconds(1)).rounded() / 1000)",
            ])
        if pace.isContested && !hasComplained {
            logger.warning(
                "clients are remembered for gone endpoints again and again; they are looked for every half a minute")
        }
        hasComplained = pace.isContested
    }
}
