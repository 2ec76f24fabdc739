/// Which Events are to be sent when: what repeats becomes a series, and neither memory nor the API server is flooded.
/// No I/O, no clock.
struct EventLedger: Sendable {
    /// What to send.
    enum Message: Sendable, Equatable {
        /// A new Event.
        case post(Entry)
        /// An Event's series: how often, and when last.
        case patch(Entry)

        fileprivate var entry: Entry {
            switch self {
            case .post(let entry), .patch(let entry): entry
            }
        }
    }

    /// An event and how often it has happened.
    struct Entry: Sendable, Equatable {
        var event: ClusterEvent
        /// Microseconds since 1970.
        var first: Int64
        var last: Int64
        var count = 1
        /// Whether the server has it.
        fileprivate(set) var isPosted = false
        fileprivate var sentCount = 0
        fileprivate var attempts = 0
        /// When it may be sent, and when it happened last, of a clock that nobody sets.
        fileprivate var due: Duration
        fileprivate var seen: Duration

        fileprivate var isWaiting: Bool { sentCount < count }
    }

    /// What to do now.
    enum Step: Sendable, Equatable {
        case send(Message)
        /// Nothing for so long, or until something is noted.
        case wait(Duration)
    }

    /// So many different events are remembered.
    static let capacity = 256
    /// After so long without a repetition an event is forgotten; the next one is a new Event.
    static let seriesEnd: Duration = .seconds(360)
    /// A series is told this often.
    static let seriesInterval: Duration = .seconds(60)
    /// So many requests may be sent in a row, and one more after each interval.
    static let burst = 25
    static let interval: Duration = .seconds(5)
    /// The wait after a failure, and how many there may be.
    static let retryDelay: Duration = .seconds(10)
    static let attemptLimit = 12

    private var entries: [ClusterEvent: Entry] = [:]
    private var tokens = Double(burst)
    private var filled: Duration?

    /// Something has happened.
    mutating func note(_ event: ClusterEvent, at now: Duration, wallClock: Int64) {
        forget(at: now)
        if var entry = entries[event] {
            entry.count += 1
            entry.last = wallClock
            entry.seen = now
            entries[event] = entry
            return
        }
        if entries.count >= Self.capacity, let oldest = entries.min(by: { $0.value.seen < $1.value.seen })?.key {
            entries[oldest] = nil
        }
        entries[event] = Entry(event: event, first: wallClock, last: wallClock, due: now, seen: now)
    }

    /// What to do now.
    mutating func next(at now: Duration) -> Step {
        forget(at: now)
        guard let entry = entries.values.filter(\.isWaiting).min(by: { $0.due < $1.due }) else {
            return .wait(.seconds(3600))
        }
        if entry.due > now { return .wait(entry.due - now) }
        refill(at: now)
        guard tokens >= 1 else { return .wait(Self.interval * (1 - tokens)) }
        tokens -= 1
        return .send(entry.isPosted ? .patch(entry) : .post(entry))
    }

    /// A message has been sent.
    mutating func sent(_ message: Message, at now: Duration) {
        update(message) { entry in
            // The first repetition is told at once.
            entry.due = entry.isPosted ? now + Self.seriesInterval : now
            entry.isPosted = true
            entry.sentCount = message.entry.count
            entry.attempts = 0
        }
    }

    /// The server does not know the Event any more: it is recreated.
    mutating func lost(_ message: Message) { update(message) { $0.isPosted = false } }

    /// A message could not be sent, but perhaps can be later.
    mutating func failed(_ message: Message, at now: Duration) {
        update(message) { entry in
            entry.attempts += 1
            entry.due = now + Self.retryDelay
            // Nobody waits for it any more.
            if entry.attempts >= Self.attemptLimit { entry.sentCount = entry.count }
        }
    }

    /// A message will never be taken.
    mutating func refused(_ message: Message) { update(message) { $0.sentCount = message.entry.count } }

    private mutating func update(_ message: Message, _ change: (inout Entry) -> Void) {
        // It may have been dropped for others meanwhile.
        let key = message.entry.event
        guard var entry = entries[key], entry.first == message.entry.first else { return }
        change(&entry)
        entries[key] = entry
    }

    private mutating func forget(at now: Duration) {
        entries = entries.filter { $0.value.isWaiting || now - $0.value.seen < Self.seriesEnd }
    }

    private mutating func refill(at now: Duration) {
        if let filled { tokens = min(Double(Self.burst), tokens + (now - filled) / Self.interval) }
        filled = now
    }
}
