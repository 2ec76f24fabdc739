import Netfilter
import NetworkTypes
import ServiceDataplane

/// What one clean-up of stale flows did.
public struct FlowCleanupReport: Hashable, Sendable {
    /// The entries deleted.
    public var deleted: [IPFamily: Int] = [:]
    /// The entries that the kernel handed over.
    public var examined = 0
    /// Stale entries that the kernel would not delete at the moment.
    public var refused = 0
    /// How long it took.
    public var duration = Duration.zero

    /// Nothing done.
    public init() {}
}

/// Removes stale flows after commits: at once, and again a moment later until a look finds none.
///
/// The looks after the first are for packets that were on their way while the tables changed, and for answers that were
/// on their way when an entry was deleted: their entries come into the table after the look, and would then live as long
/// as the client goes on sending.
public final class FlowCleaner<Table: FlowTable> {
    /// What became of an attempt.
    public enum Outcome {
        /// The table holds no stale flow of those that were asked for.
        case done(FlowCleanupReport)
        /// The table could not be looked at, or not all stale flows be removed; it is tried again later by itself.
        case failed(Table.Failure?, FlowCleanupReport, retryAfter: Duration)
    }

    /// All entries deleted so far.
    public private(set) var deleted: [IPFamily: Int] = [:]
    private let open: () throws(Table.Failure) -> Table
    private var table: Table?
    /// What another look is due for, and when.
    private var later: (flows: StaleFlows, at: ContinuousClock.Instant)?
    private var hasFailed = false
    private var looksLeft = FlowCleaner.mostLooks
    private var retryDelay = FlowCleaner.firstRetry

    /// How long after a look the next one is.
    private static var pause: Duration { .seconds(1) }
    /// How many looks there are after a commit, if each finds something.
    private static var mostLooks: Int { 5 }
    private static var firstRetry: Duration { .seconds(1) }
    private static var longestRetry: Duration { .seconds(30) }

    /// Makes a cleaner that has nothing to do yet.
    ///
    /// - Parameter open: opens the table when it is needed for the first time, or after that failed.
    public init(open: @escaping () throws(Table.Failure) -> Table) { self.open = open }

    /// Removes flows that a commit just made stale. Nil if there is none to look for.
    public func remove(_ flows: StaleFlows, at now: ContinuousClock.Instant) -> Outcome? {
        if flows.isEmpty { return nil }
        var all = later?.flows ?? StaleFlows()
        all.formUnion(flows)
        // What failed before is tried with it; a second look keeps its time, and the newer word on each frontend.
        let at = hasFailed ? nil : later?.at
        later = nil
        looksLeft = Self.mostLooks
        return look(for: hasFailed ? all : flows, then: (all, at ?? now + Self.pause), at: now)
    }

    /// Takes a second look, or tries again what failed, if it is time. Nil if it is not.
    public func tick(at now: ContinuousClock.Instant) -> Outcome? {
        guard let due = later, now >= due.at else { return nil }
        later = nil
        return look(for: due.flows, then: (due.flows, now + Self.pause), at: now)
    }

    private func look(
        for flows: StaleFlows, then next: (flows: StaleFlows, at: ContinuousClock.Instant),
        at now: ContinuousClock.Instant
    ) -> Outcome {
        let isFirst = looksLeft == Self.mostLooks || hasFailed
        looksLeft -= 1
        var report = FlowCleanupReport()
        let start = ContinuousClock.now
        var failure: Table.Failure?
        do throws(Table.Failure) {
            try removeAll(flows, &report)
        } catch {
            failure = error
            table = nil
        }
        report.duration = ContinuousClock.now - start
        for (family, count) in report.deleted { deleted[family, default: 0] += count }
        if failure == nil && report.refused == 0 {
            hasFailed = false
            retryDelay = Self.firstRetry
            let foundSome = report.deleted.values.contains { $0 > 0 }
            later = looksLeft > 0 && (isFirst || foundSome) ? next : nil
            return .done(report)
        }
        let delay = retryDelay
        hasFailed = true
        later = (next.flows, now + delay)
        looksLeft = Self.mostLooks
        retryDelay = min(retryDelay * 2, Self.longestRetry)
        return .failed(failure, report, retryAfter: delay)
    }

    private func opened() throws(Table.Failure) -> Table {
        if let table { return table }
        let fresh = try open()
        table = fresh
        return fresh
    }

    private func removeAll(_ flows: StaleFlows, _ report: inout FlowCleanupReport) throws(Table.Failure) {
        let table = try opened()
        for filter in flows.filters {
            let removal = try table.remove(filter) { flows.contains($0) }
            report.deleted[filter.family, default: 0] += removal.deleted
            report.examined += removal.examined
            report.refused += removal.refused
        }
    }
}
