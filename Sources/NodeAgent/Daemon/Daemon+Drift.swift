import Logging
import Netfilter
import NetlinkTransport
import NetworkTypes
import Observability
import Reconciliation
import ServiceDataplane
import Telemetry

/// Who else may change the tables, and how the daemon learns of it.
struct DriftWatch {
    /// Whether the operator wants the tables to be the daemon's own.
    let wantsProtection: Bool
    /// Whether nobody else can change any table.
    var isProtected = false
    /// Tells of changes, while the tables are not protected.
    private(set) var watcher: RulesetWatcher?
    private var listener: Task<Void, Never>?
    /// How soon foreign changes are repaired.
    var pace = DriftPace()
    /// The tables that were reported as open to others.
    var reported: Set<IPFamily> = []

    /// Whether it was said that nothing tells of changes.
    var hasComplained = false

    init(wantsProtection: Bool) { self.wantsProtection = wantsProtection }

    /// Whether every foreign change is told, or impossible; otherwise somebody has to look.
    var isCovered: Bool { isProtected || watcher != nil }

    mutating func start(_ watcher: RulesetWatcher, _ listener: Task<Void, Never>) {
        self.watcher = watcher
        self.listener = listener
    }

    mutating func stop() {
        watcher?.stop()
        listener?.cancel()
        (watcher, listener) = (nil, nil)
    }
}

/// What the daemon does about other programs that change its tables.
extension Daemon {
    /// After the tables were read whole: looks who may change them.
    func noteProtection() {
        do throws(NetlinkError) {
            let owners = try kernel.ownership(ofTable: reconciler.desired.options.tableName)
            drift.isProtected = IPFamily.allCases.allSatisfy { owners[$0] == .own }
            board.update { status in
                for family in IPFamily.allCases { status.metrics.protectedTables[family] = owners[family] == .own }
            }
            report(owners)
        } catch {
            drift.isProtected = false
            logger.error("\(error)")
        }
    }

    /// Says once why a table is not protected although it should be.
    private func report(_ owners: [IPFamily: TableOwnership]) {
        guard drift.wantsProtection else { return }
        let open = IPFamily.allCases.filter { owners[$0] != nil && owners[$0] != .own }
        let news = open.filter { drift.reported.insert($0).inserted }
        guard !news.isEmpty else { return }
        let tables = news.map { "\($0.nftName) \(reconciler.desired.options.tableName)" }.joined(separator: ", ")
        let reason =
            kernel.makesOwnedTables
            ? "they were not made to be owned, and can be recreated only after 'fairlead cleanup'"
            : "this kernel cannot do that, Linux 6.9 or later can"
        logger.notice(
            "tables not protected from other programs: \(reason); their changes are noticed and repaired",
            metadata: ["tables": "\(tables)"])
    }

    /// Listens for foreign changes where they are possible, and only there: while somebody listens, every commit on the
    /// node costs more.
    func watchTables() {
        if drift.pace.settle(at: .now) {
            board.update {
                $0.metrics.isDriftContested = false
                $0.troubles.end(.contested)
            }
            logger.notice("the tables are left alone again")
        }
        if drift.isProtected {
            if drift.watcher != nil { drift.stop() }
            return
        }
        guard drift.watcher == nil else { return }
        do throws(NetlinkError) {
            let watcher = try RulesetWatcher(
                tableName: reconciler.desired.options.tableName, except: kernel.portID)
            drift.start(watcher, Task { await self.follow(watcher) })
            // What happened before it listened.
            verify()
            // What was complained of at a higher level is taken back there.
            logger.log(
                level: drift.hasComplained ? .notice : .info,
                "listening for changes of the tables by other programs")
            drift.hasComplained = false
        } catch {
            if !drift.hasComplained {
                logger.error("\(error); foreign changes of the tables are looked for every \(Self.verifyInterval)")
            }
            drift.hasComplained = true
        }
    }

    /// Repairs each foreign change until the watcher ends.
    private func follow(_ watcher: RulesetWatcher) async {
        let clock = ContinuousClock()
        var lastLook = clock.now - Self.verifyInterval
        for await change in watcher.changes {
            let next = change.isCertain ? drift.pace.nextRepair(at: clock.now) : lastLook + Self.verifyInterval
            if next > clock.now { try? await clock.sleep(until: next) }
            guard !Task.isCancelled else { return }
            if !change.isCertain { lastLook = clock.now }
            verify(after: change.committer)
        }
        // Looked for again, or listened to again.
        if drift.watcher === watcher { drift.stop() }
    }

    /// Another program's changes were repaired.
    func noteRepair(_ report: SyncReport, by committer: Committer?) {
        let name = committer.map { "\($0)" } ?? "unknown"
        drift.pace.repaired(at: .now)
        let pace = drift.pace
        board.update {
            $0.metrics.driftRepairs += 1
            $0.metrics.isDriftContested = pace.isContest
            if pace.isContest {
                $0.troubles.note(
                    .contested,
                    "another program (\(name)) keeps changing the tables: each repair waits \(pace.wait.components.seconds) s",
                    at: .now)
            }
        }
        logger.warning(
            "the tables had been changed by another program; repaired",
            metadata: ["by": "\(name)", "changes": "\(report.summary)"])
        if pace.isContest {
            logger.error(
                "another program keeps changing the tables: the next repair waits \(pace.wait.components.seconds) s",
                metadata: ["by": "\(name)", "repairs": "\(pace.streak)"])
        }
    }
}
