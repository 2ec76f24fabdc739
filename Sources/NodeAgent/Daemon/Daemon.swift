import Dispatch
import KubernetesModel
import Logging
import Netfilter
import NetlinkTransport
import Observability
import Reconciliation
import ServiceDataplane
import Telemetry

/// The daemon's state: takes updates one after the other and keeps the kernel in line.
///
/// A commit blocks until the kernel has carried it out; the actor runs on a queue of its own, so that no thread of the
/// shared pool waits for it.
actor Daemon {
    private let queue = CommitQueue()
    nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

    let reconciler: Reconciler<MeteredKernel<NftablesKernel>>
    let meteredKernel: MeteredKernel<NftablesKernel>
    let board: StatusBoard
    let kernel: NftablesKernel
    let logger: Logger
    private let events: EventReports
    /// Whether the source has told so much that rules may be written.
    private var isReady = false
    private var hasStarted = false
    private var pace = RetryPace()
    private var nextLook: ContinuousClock.Instant = .now
    private var lastFailure: (text: String, time: ContinuousClock.Instant)?
    private var refusalDelay: Duration = Daemon.firstRefusalRetry
    private var refusalRetry: ContinuousClock.Instant?
    /// Who else may change the tables, and what is done about it.
    var drift: DriftWatch
    private(set) var sourceFindings: [Finding] = []
    private let flows: FlowCleanup
    private let clients: ClientCleanup
    /// Whether there should be a Node object of this node's name, and is none.
    var isNodeMissing = false
    /// The taint by which the node's operator drains it.
    var drainTaint: String?
    var lookup: NodeLookup
    var reminder = TroubleReminder()
    private let localhost: LocalhostRoute?

    /// How often the daemon looks whether there is anything to be tried again.
    private static let watchInterval: Duration = .seconds(1)
    /// After a look at the tables that somebody's commit made necessary, or that the kernel told too much for, the next
    /// one has to wait that long.
    static let verifyInterval: Duration = .seconds(5)
    private static let firstRefusalRetry: Duration = .seconds(30)
    private static let longestRefusalRetry: Duration = .seconds(600)
    /// An owner of the tables that ends says nothing.
    private static let ownerRetry: Duration = .seconds(1)

    init(
        kernel: sending NftablesKernel, desired: DesiredState, board: StatusBoard, events: EventReports,
        lookup: NodeLookup = NodeLookup(names: nil), ownsTables: Bool, logger: Logger
    ) {
        self.lookup = lookup
        self.events = events
        self.kernel = kernel
        self.board = board
        self.logger = logger
        meteredKernel = MeteredKernel(kernel)
        reconciler = Reconciler(kernel: meteredKernel, desired: desired)
        reconciler.onPhase = LoadProgress.show
        reconciler.claimsTables = kernel.makesOwnedTables
        drift = DriftWatch(wantsProtection: ownsTables)
        localhost = desired.options.servesLocalhostNodePorts ? LocalhostRoute(logger) : nil
        flows = FlowCleanup(logger) { report in
            board.update { status in
                status.metrics.failingCleanups[.flows] = report == nil
                if let report {
                    status.metrics.cleanedFlows(
                        deleted: report.deleted, connections: report.connections, duration: report.duration)
                }
            }
        }
        clients = ClientCleanup(logger) { forgotten, isFailing in
            board.update { status in
                status.metrics.failingCleanups[.clients] = isFailing
                status.metrics.forgotten(forgotten)
            }
        }
    }

    // MARK: Updates

    /// Takes news of the objects and commits what they mean. Before the first complete list nothing is written.
    func take(_ update: ClusterUpdate) {
        noteQueued(update.changes)
        reportSourceFindings(update.findings)
        _ = reconciler.hold(update.heldServices)
        let knowsAll = update.readiness == .complete
        if update.readiness == .loading {
            reconciler.load(update.changes)
            return
        }
        if knowsAll != reconciler.knowsAllObjects || !isReady {
            isReady = true
            reconciler.knowsAllObjects = knowsAll
            if !knowsAll { logger.warning("some objects could not be read yet: until then no rule is removed") }
            reconciler.load(update.changes)
            // While commits fail, news of any kind wait for the next try.
            if mayTry { synchronize(cause: hasStarted ? "source" : "start") }
        } else if !reconciler.postpone(update.changes, at: .now, pace: pace) {
            attempt("change") { () throws(NetlinkError) in try reconciler.apply(update.changes) }
        }
        judgeNode(after: update)
        reportFindings()
        publish()
    }

    private func synchronize(cause: String) {
        attempt(cause, withHost: true) { () throws(NetlinkError) in try reconciler.synchronize() }
    }

    /// Has the kernel changed, and takes note of how that went.
    ///
    /// - Parameter withHost: whether to look at the node's addresses before, which is always done after a failure.
    func attempt(_ cause: String, withHost: Bool = false, _ body: () throws(NetlinkError) -> SyncReport) {
        if withHost || !reconciler.isSynchronized { reconciler.observe(Wiring.hostFacts(logger)) }
        let clock = ContinuousClock()
        let start = clock.now
        let observations = meteredKernel.meter.observations
        noteBegin()
        // After a failure the kernel may hold a part of what is wanted: looks wait until it holds all of it.
        flows.beginCommit()
        do throws(NetlinkError) {
            let report = try body()
            flows.endCommit(report.staleFlows)
            if reconciler.takeStaleClients() { clients.look(for: self) }
            noteSuccess(
                report, cause: cause, isFull: meteredKernel.meter.observations > observations, clock.now - start)
            if !hasStarted {
                hasStarted = true
                LoadProgress.clear()
                reconciler.onPhase = nil
                ServiceManager.notifyReady()
                logger.notice("serving", metadata: ["services": "\(reconciler.desired.serviceCount)"])
                localhost?.open()
            }
            pace.succeeded()
            if lastFailure != nil { logger.notice("the kernel is in line again", metadata: ["cause": "\(cause)"]) }
            lastFailure = nil
            log(report, cause: cause, duration: clock.now - start)
        } catch {
            noteFailure("\(error)", cause: cause, retryDelay: pace.delay)
            pace.failed(at: clock.now, longest: error.isOwned ? Self.ownerRetry : RetryPace.longestWait)
            logFailure("\(error); trying again", cause: cause, at: clock.now)
        }
    }

    /// What fails in the same way every second is worth a line every half a minute.
    private func logFailure(_ text: String, cause: String, at now: ContinuousClock.Instant) {
        if let lastFailure, lastFailure.text == text, now - lastFailure.time < RetryPace.longestWait { return }
        lastFailure = (text, now)
        logger.error("\(text)", metadata: ["cause": "\(cause)"])
    }

    private func log(_ report: SyncReport, cause: String, duration: Duration) {
        guard !report.counts.isEmpty else { return }
        logger.info(
            "committed",
            metadata: [
                "cause": "\(cause)", "added": "\(report.counts.added)", "removed": "\(report.counts.removed)",
                "structural": "\(report.counts.structural)", "transactions": "\(report.transactions)",
                "ms": "\(Double(duration / .microseconds(1)).rounded() / 1000)",
            ])
    }

    /// An update has all findings that hold; those that were there before have been logged.
    private func reportSourceFindings(_ findings: [Finding]) {
        guard findings != sourceFindings else { return }
        let before = Set(sourceFindings)
        let news = findings.filter { !before.contains($0) }
        ObjectLog.report(news, logger)
        events.found(news)
        sourceFindings = findings
    }

    func reportFindings() {
        let news = reconciler.takeNewFindings()
        ObjectLog.report(news, logger)
        events.found(news)
    }

    // MARK: Addresses

    /// Follows the node's own addresses until cancelled.
    nonisolated func follow(_ addresses: AddressFollower) async { await addresses.run { await refreshNode() } }

    /// Without objects, or after a failure, the next full synchronization looks at the addresses anyway.
    private func refreshNode() {
        guard hasStarted, reconciler.isSynchronized else { return }
        attempt("addresses", withHost: true) { () throws(NetlinkError) in try reconciler.refreshNode() }
        reportFindings()
        publish()
    }

    // MARK: Watch

    /// Looks after the kernel until cancelled: tries again what failed, and repairs what others did to the tables.
    func keepWatch() async {
        let clock = ContinuousClock()
        defer { drift.stop() }
        while !Task.isCancelled {
            try? await clock.sleep(for: Self.watchInterval)
            flows.tick()
            clients.tick(for: self)
            remindOfTroubles()
            if hasStarted {
                localhost?.tick()
                watchTables()
            }
            guard isReady, !Task.isCancelled, mayTry else { continue }
            if !reconciler.desired.knowsAddresses { refreshNode() }
            if !reconciler.isSynchronized {
                verify()
                reportFindings()
            } else if isTimeForRefused(clock.now) {
                attempt("refused") { () throws(NetlinkError) in try reconciler.retryRefused() ?? SyncReport() }
                reportFindings()
            } else if !drift.isCovered, clock.now >= nextLook {
                nextLook = clock.now + Self.verifyInterval
                verify()
            }
        }
    }

    /// Whether a failure does not have to wait any longer.
    private var mayTry: Bool { pace.isDue(at: .now) }

    /// Whether what the kernel refused is to be tried again: after half a minute, then twice as long each time.
    private func isTimeForRefused(_ now: ContinuousClock.Instant) -> Bool {
        guard !reconciler.desired.refused.isEmpty else {
            (refusalDelay, refusalRetry) = (Self.firstRefusalRetry, nil)
            return false
        }
        guard let retry = refusalRetry, retry <= now else {
            refusalRetry = refusalRetry ?? now + refusalDelay
            return false
        }
        refusalDelay = min(refusalDelay * 2, Self.longestRefusalRetry)
        refusalRetry = now + refusalDelay
        return true
    }

    /// Brings the tables in line if anybody has committed anything.
    ///
    /// - Parameter committer: who did, if that is known.
    func verify(after committer: Committer? = nil) {
        guard isReady, reconciler.isSynchronized || mayTry else { return }
        attempt("verification") { () throws(NetlinkError) in
            let wasSynchronized = reconciler.isSynchronized
            guard let report = try reconciler.verify() else { return SyncReport() }
            // What failed before has to be made good, whoever is to blame.
            if wasSynchronized, !report.counts.isEmpty { noteRepair(report, by: committer) }
            return report
        }
    }

    /// Removes the tables. False if that failed; it has been logged then.
    func cleanUp() -> Bool {
        do throws(NetlinkError) {
            let removed = try kernel.removeTables(named: DataplaneOptions().tableName)
            logger.notice("removed the rules", metadata: ["tables": "\(removed.count)"])
            return true
        } catch {
            logger.error("\(error)")
            return false
        }
    }
}

/// A dispatch queue as an actor's executor.
final class CommitQueue: SerialExecutor {
    private let queue: DispatchQueue

    init(label: String = "fairlead.commit") { queue = DispatchQueue(label: label, qos: .userInitiated) }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = asUnownedSerialExecutor()
        queue.async { job.runSynchronously(on: executor) }
    }
}
