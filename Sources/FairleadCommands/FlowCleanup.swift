import Logging
import NetlinkTransport
import Reconciliation
import ServiceDataplane

/// Removes stale conntrack entries and says what came of it. A failure costs old flows of UDP and SCTP clients their
/// way to new endpoints, until it works again; it never holds up the rules.
final class FlowCleanup {
    /// What it did so far, for metrics.
    let cleaner: FlowCleaner<ConntrackKernel>
    private let logger: Logger
    private let note: (FlowCleanupReport) -> Void
    private var hasFailed = false

    /// - Parameter note: told of each look, for metrics.
    init(_ logger: Logger, note: @escaping (FlowCleanupReport) -> Void = { _ in }) {
        self.logger = logger
        self.note = note
        cleaner = FlowCleaner { () throws(NetlinkError) in try ConntrackKernel() }
    }

    /// After a commit.
    func remove(_ flows: StaleFlows) { log(cleaner.remove(flows, at: .now), isLast: false) }

    /// After the only commit.
    func removeOnce(_ flows: StaleFlows) {
        for _ in 0..<3 {
            let outcome = cleaner.remove(flows, at: .now)
            log(outcome, isLast: true)
            // An answer that was under way when its flow's entry went makes another entry.
            guard case .done(let report)? = outcome, report.deleted.values.contains(where: { $0 > 0 }) else { return }
        }
    }

    /// From time to time.
    func tick() { log(cleaner.tick(at: .now), isLast: false) }

    private func log(_ outcome: FlowCleaner<ConntrackKernel>.Outcome?, isLast: Bool) {
        switch outcome {
        case nil: return
        case .done(let report):
            note(report)
            if hasFailed { logger.notice("stale UDP and SCTP flows can be removed again") }
            hasFailed = false
            let count = report.deleted.values.reduce(0, +)
            logger.log(level: count > 0 ? .info : .debug, "removed stale flows", metadata: Self.metadata(report))
        case .failed(let error, let report, let delay):
            note(report)
            hasFailed = true
            let reason = error.map { "\($0)" } ?? "the kernel refused to delete \(report.refused) of them (EBUSY)"
            logger.warning(
                "stale UDP and SCTP flows could not be removed: \(reason)\(isLast ? "" : "; trying again")",
                metadata: isLast ? [:] : ["seconds": "\(delay.components.seconds)"])
        }
    }

    private static func metadata(_ report: FlowCleanupReport) -> Logger.Metadata {
        [
            "deleted": "\(report.deleted.values.reduce(0, +))", "examined": "\(report.examined)",
            "ms": "\(Double(report.duration / .microseconds(1)).rounded() / 1000)",
        ]
    }
}
