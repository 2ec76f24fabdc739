import KubernetesModel
import Netfilter

/// When what failed is tried again: after half a second, then twice as long each time, at the most half a minute.
///
/// It holds for whatever could be a reason to try: a storm of updates must not become a storm of full synchronizations while the
/// kernel refuses each.
public struct RetryPace: Sendable {
    /// A moment.
    public typealias Instant = ContinuousClock.Instant

    /// How long the next try has to wait after the next failure.
    public private(set) var delay = RetryPace.firstWait
    private var notBefore: Instant?

    /// The first wait.
    public static let firstWait: Duration = .milliseconds(500)
    /// The longest wait.
    public static let longestWait: Duration = .seconds(30)

    /// Before the first failure.
    public init() {}

    /// Whether a try may be made: nothing has failed since the last success, or the wait is over.
    public func isDue(at now: Instant) -> Bool { notBefore.map { $0 <= now } ?? true }

    /// A try failed.
    ///
    /// - Parameter longest: the longest wait after this kind of failure.
    public mutating func failed(at now: Instant, longest: Duration = RetryPace.longestWait) {
        notBefore = now + delay
        delay = min(delay * 2, longest)
    }

    /// A try did not fail.
    public mutating func succeeded() { self = RetryPace() }
}

extension Reconciler {
    /// Takes changes of objects without trying to commit them, if the last try failed and the next one has to wait: `verify` has
    /// to follow when it is due.
    ///
    /// - Returns: false if they are to be applied now; nothing was taken then.
    public func postpone(_ changes: [ClusterChange], at now: RetryPace.Instant, pace: RetryPace) -> Bool {
        guard !isSynchronized, !pace.isDue(at: now) else { return false }
        load(changes)
        return true
    }
}
