import Netfilter
import NetworkTypes
import ServiceDataplane

/// What one clean-up of stale flows did.
public struct FlowCleanupReport: Hashable, Sendable {
    /// The entries deleted.
    public var deleted: [IPFamily: Int] = [:]
    /// Those of TCP among them: their connections are reset at the client's next segment.
    public var connections: [IPFamily: Int] = [:]
    /// The entries that the kernel handed over.
    public var examined = 0
    /// Stale entries that could not be deleted at the moment: the kernel would not, or a commit was under way.
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
    /// Whether somebody goes on to make stale flows, so that looks have become rare.
    public private(set) var isContested = false
    private let news: () -> StaleFlows?
    private let open: () throws(Table.Failure) -> Table
    private var table: Table?
    /// What another look is due for, and when.
    private var later: (flows: StaleFlows, at: ContinuousClock.Instant)?
    private var hasFailed = false
    private var looksLeft = FlowCleaner.mostLooks
    private var retryDelay = FlowCleaner.firstRetry

    /// How long after a look the next one is.
    private static var pause: Duration { .seconds(1) }
    /// How many looks there are after a commit at this pace, if each finds something.
    private static var mostLooks: Int { 5 }
    /// How long after a look the next one is, once those have not helped.
    private static var longPause: Duration { .seconds(30) }
    private static var firstRetry: Duration { .seconds(1) }
    private static var longestRetry: Duration { .seconds(30) }

    /// Makes a cleaner that has nothing to do yet.
    ///
    /// - Parameters:
    ///   - open: opens the table when it is needed for the first time, or after that failed.
    ///   - news: what commits have changed since the cleaner was last told; asked during looks, in the moment before anything is deleted.
    ///     Nil if that cannot be told now, because a commit is under way.
    public init(
        open: @escaping () throws(Table.Failure) -> Table, news: @escaping () -> StaleFlows? = { StaleFlows() }
    ) {
        self.open = open
        self.news = news
    }

    /// Removes flows that a commit just made stale. Nil if there is none to look for.
    public func remove(_ flows: StaleFlows, at now: ContinuousClock.Instant) -> Outcome? {
        if flows.isEmpty {
            // What has become live meanwhile matters to the looks that are due.
            if !flows.saysNothing, let due = later { later = (Self.union(due.flows, flows), due.at) }
            return nil
        }
        let all = Self.union(later?.flows ?? StaleFlows(), flows)
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

    private static func union(_ flows: StaleFlows, _ newer: StaleFlows) -> StaleFlows {
        var result = flows
        result.formUnion(newer)
        result.forgetGrowth()
        return result
    }

    private func look(
        for flows: StaleFlows, then next: (flows: StaleFlows, at: ContinuousClock.Instant),
        at now: ContinuousClock.Instant
    ) -> Outcome {
        let isFirst = looksLeft == Self.mostLooks || hasFailed
        looksLeft -= 1
        let knowledge = Knowledge(flows, all: next.flows)
        var report = FlowCleanupReport()
        let start = ContinuousClock.now
        var failure: Table.Failure?
        do throws(Table.Failure) {
            try removeAll(knowledge, &report)
        } catch {
            failure = error
            table = nil
        }
        report.duration = ContinuousClock.now - start
        for (family, count) in report.deleted { deleted[family, default: 0] += count }
        if failure == nil && report.refused == 0 {
            hasFailed = false
            retryDelay = Self.firstRetry
            scheduleNext(knowledge, at: next.at, now, isFirst: isFirst, report)
            return .done(report)
        }
        let delay = retryDelay
        hasFailed = true
        later = (knowledge.all, now + delay)
        looksLeft = Self.mostLooks
        retryDelay = min(retryDelay * 2, Self.longestRetry)
        return .failed(failure, report, retryAfter: delay)
    }

    /// Decides on the look after one that was complete.
    private func scheduleNext(
        _ knowledge: Knowledge, at next: ContinuousClock.Instant, _ now: ContinuousClock.Instant, isFirst: Bool,
        _ report: FlowCleanupReport
    ) {
        if knowledge.hasNewPlaces {
            // A commit made others stale while this look was under way: at once, and from the beginning.
            looksLeft = Self.mostLooks
            later = (knowledge.all, now)
        } else if isFirst || report.deleted.values.contains(where: { $0 > 0 }) {
            later = (knowledge.all, looksLeft > 0 ? next : now + Self.longPause)
            isContested = looksLeft <= 0
        } else {
            later = nil
            isContested = false
        }
    }

    /// What a look knows: it learns while it goes on.
    private final class Knowledge {
        /// What is looked for.
        private(set) var flows: StaleFlows
        /// With it, what the next look is for.
        private(set) var all: StaleFlows
        /// Whether there are places now that the look does not go to.
        private(set) var hasNewPlaces = false

        init(_ flows: StaleFlows, all: StaleFlows) {
            self.flows = flows
            self.all = all
        }

        func learn(_ news: StaleFlows) {
            guard !news.saysNothing else { return }
            flows = union(flows, news)
            all = union(all, news)
            hasNewPlaces = hasNewPlaces || !news.isEmpty
        }
    }

    private func opened() throws(Table.Failure) -> Table {
        if let table { return table }
        let fresh = try open()
        table = fresh
        return fresh
    }

    private func removeAll(_ knowledge: Knowledge, _ report: inout FlowCleanupReport) throws(Table.Failure) {
        let table = try opened()
        for filter in knowledge.flows.filters {
            let removal = try table.remove(filter) {
                knowledge.flows.contains($0)
            } settle: {
                guard let news = news() else { return false }
                knowledge.learn(news)
                return true
            }
            report.deleted[filter.family, default: 0] += removal.deleted
            if filter.transport == .tcp { report.connections[filter.family, default: 0] += removal.deleted }
            report.examined += removal.examined
            report.refused += removal.refused
        }
    }
}
