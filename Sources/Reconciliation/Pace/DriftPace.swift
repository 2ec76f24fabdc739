/// How soon after another program's change of the tables they are repaired.
///
/// At once, as a rule. A program that undoes each repair would turn that into a race at full speed: from the sixth repair
/// in a row on each has to wait, twice as long each time.
public struct DriftPace: Sendable {
    /// A moment.
    public typealias Instant = ContinuousClock.Instant

    /// The repairs in a row.
    public private(set) var streak = 0
    private var last: Instant?

    /// So many repairs in a row are made at once.
    private static let tolerance = 5
    private static let firstWait: Duration = .seconds(1)
    private static let longestWait: Duration = .seconds(60)
    /// A repair that comes so much later than it could have does not continue the row.
    private static let calm: Duration = .seconds(10)

    /// Before the first repair.
    public init() {}

    /// How long the next repair has to wait after the last one.
    public var wait: Duration {
        let excess = streak - Self.tolerance
        return excess <= 0 ? .zero : min(Self.firstWait * (1 << min(excess - 1, 6)), Self.longestWait)
    }

    /// Whether another program seems to undo the repairs.
    public var isContest: Bool { streak > Self.tolerance }

    /// When the tables may be repaired: now, or later.
    public func nextRepair(at now: Instant) -> Instant { max(now, last.map { $0 + wait } ?? now) }

    /// The tables were repaired.
    public mutating func repaired(at now: Instant) {
        _ = settle(at: now)
        streak += 1
        last = now
    }

    /// Ends the row of repairs if nothing happened for a while.
    ///
    /// - Returns: whether a contest ends with it.
    public mutating func settle(at now: Instant) -> Bool {
        guard let last, now - last > wait + Self.calm else { return false }
        defer { streak = 0 }
        return isContest
    }
}
