/// When to look at something that packets change, after a commit: at once, then a moment later, until a look finds nothing.
///
/// The look after the first is for packets that were on their way while the tables changed. Whoever goes on to find something is followed
/// more rarely after a while, but not left.
public struct LookPace: Sendable {
    /// When the next look is due; nil if none is.
    private var due: ContinuousClock.Instant?
    private var isFirst = false
    private var looksLeft = 0
    private var retryDelay = Self.firstRetry
    private var failures = 0

    private static let pause: Duration = .seconds(1)
    private static let longPause: Duration = .seconds(30)
    private static let looks = 5
    private static let firstRetry: Duration = .seconds(1)
    private static let longestRetry: Duration = .seconds(30)
    private static let lasting = 3

    /// Nothing is due.
    public init() {}

    /// Whether looks find something again and again.
    public private(set) var isContested = false

    /// Whether looks have failed for a while.
    public var isFailing: Bool { failures >= Self.lasting }

    /// Something is to be looked for from now on.
    public mutating func begin(at now: ContinuousClock.Instant) {
        // Where changes come all the time and looks take long, half of the time has to do.
        due = max(now, restsUntil ?? now)
        isFirst = true
        looksLeft = Self.looks
    }

    private var restsUntil: ContinuousClock.Instant?

    /// Whether it is time for a look.
    public func isDue(at now: ContinuousClock.Instant) -> Bool { due.map { now >= $0 } ?? false }

    /// A look was taken.
    ///
    /// - Parameter isClean: whether it found everything as it should be.
    public mutating func looked(
        isClean: Bool, from start: ContinuousClock.Instant, to end: ContinuousClock.Instant
    ) {
        failures = 0
        retryDelay = Self.firstRetry
        looksLeft -= 1
        let rest = end - start
        restsUntil = end + rest
        if isClean && !isFirst {
            (due, isContested) = (nil, false)
        } else {
            isContested = looksLeft <= 0
            due = end + max(isContested ? Self.longPause : Self.pause, rest)
        }
        isFirst = false
    }

    /// A look could not be taken. It is tried again, later each time.
    ///
    /// - Returns: when.
    public mutating func failed(at now: ContinuousClock.Instant) -> Duration {
        failures += 1
        let delay = retryDelay
        due = now + delay
        looksLeft = Self.looks
        retryDelay = min(retryDelay * 2, Self.longestRetry)
        return delay
    }
}
