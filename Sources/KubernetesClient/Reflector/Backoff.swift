/// Waits that grow with each failure and forget after a healthy time.
struct Backoff: Sendable, Equatable {
    private let first: Duration
    private let longest: Duration
    private let healthyAfter: Duration
    private var count = 0
    private var hadFree = false
    private var last: Duration?

    init(_ timing: ReflectorTiming) {
        first = timing.firstDelay
        longest = timing.longestDelay
        healthyAfter = timing.healthyAfter
    }

    /// The wait after a failure.
    ///
    /// - Parameters:
    ///   - now: Time since any moment.
    ///   - isFree: Whether to begin without a wait if the time before was healthy: what has worked a moment ago
    ///     mostly works at once again.
    ///   - jitter: 0..<1; the wait is longer by up to its own length.
    mutating func delay(at now: Duration, isFree: Bool, jitter: Double) -> Duration {
        if let last, now - last > healthyAfter { (count, hadFree) = (0, false) }
        last = now
        if isFree && !hadFree && count == 0 {
            hadFree = true
            return .zero
        }
        let delay = min(longest, first * (1 << min(count, 20)))
        count += 1
        return delay + delay * jitter
    }
}
