import CLinux
import KubernetesModel
import Netfilter
import Observability
import Reconciliation
import ServicePolicy
import Telemetry

/// What the daemon tells the HTTP servers.
extension Daemon {
    /// Changes came.
    func noteQueued(_ changes: [ClusterChange]) {
        let now = Moment.now
        board.update { $0.metrics.queued(changes, at: now) }
    }

    /// Something is about to be brought in line; until that is done, it waits.
    func noteBegin() {
        let now = Moment.now
        board.update { $0.health.queued(at: now) }
    }

    /// The kernel holds what is wanted. A look that found nobody's changes is no synchronization, but it tells the same.
    func noteSuccess(_ report: SyncReport, cause: String, isFull: Bool, _ duration: Duration) {
        let now = Moment.now
        let commit = isFull || !report.counts.isEmpty ? commit(report, cause, duration, at: now) : nil
        board.update {
            $0.health.applied(at: now)
            $0.troubles.end(.kernel)
            $0.journal.succeeded(commit)
            if commit != nil { $0.history.committed(duration, report.triggers, at: now) }
            $0.metrics.programmed(report.triggers, at: now)
            if isFull || report.transactions > 0 {
                let round: ProxyMetrics.Round = isFull ? .full : .partial
                $0.metrics.succeeded(round, restarts: report.restarts, duration: duration, at: now)
            }
            $0.metrics.settled()
        }
        if isFull {
            noteProtection()
            publish()
            fl_release_memory()
        }
    }

    private func commit(
        _ report: SyncReport, _ cause: String, _ duration: Duration, at now: Moment
    ) -> SyncJournal.Commit {
        var commit = SyncJournal.Commit(time: now, cause: cause, duration: duration)
        commit.added = report.counts.added
        commit.removed = report.counts.removed
        commit.structural = report.counts.structural
        commit.transactions = report.transactions
        commit.services = report.services
        commit.generation = reconciler.generation
        return commit
    }

    /// The kernel refused.
    func noteFailure(_ reason: String, cause: String, retryDelay: Duration) {
        let failure = SyncJournal.Failure(time: .now, cause: cause, reason: reason, retryDelay: retryDelay)
        board.update {
            $0.metrics.failed()
            $0.journal.failed(failure)
            $0.troubles.note(.kernel, reason, at: failure.time)
        }
    }

    /// What is known now, for questions that are answered elsewhere. Costs nothing: the values share their storage.
    func knowledge() -> (desired: DesiredState, sourceFindings: [Finding], revision: UInt64) {
        (reconciler.desired, sourceFindings, board.current.revision)
    }

    /// Hands over what follows from the objects; costs what changed since the last time.
    func publish() {
        let changes = reconciler.takeChangedHealthChecks()
        let desired = reconciler.desired
        let meter = meteredKernel.meter
        var findings = desired.findingCounts
        for finding in sourceFindings { findings[ProxyMetrics.FindingKind(finding), default: 0] += 1 }
        let localGaps = desired.ledger.localGaps
        let drainTaint = desired.drainTaint
        noteDraining(drainTaint)
        board.setHealthChecks(
            changes,
            addresses: desired.settings.nodePortAddresses.takesAll ? .all : .these(desired.nodePortAddresses))
        board.update { status in
            status.revision += 1
            status.health.eligibility = NodeEligibility(
                of: desired.cluster.node(desired.settings.nodeName), isMissing: isNodeMissing,
                drainTaints: desired.settings.drainTaints)
            status.health.drainTaint = drainTaint
            noteTroubles(&status, at: .now)
            status.metrics.isNodeMissing = isNodeMissing
            status.metrics.isNodeDraining = drainTaint != nil
            status.metrics.kernel = meter
            status.metrics.findings = findings
            status.metrics.localGaps = localGaps
            status.metrics.services = desired.serviceCount
            status.metrics.heldServices = desired.held.count
            status.metrics.refusedServices = desired.refused.count
        }
    }
}
