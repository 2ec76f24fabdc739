import KubernetesModel

/// What happened in the last hour, in steps of half a minute: some kilobytes, whatever happens.
public struct History: Sendable {
    /// How long a step is.
    public static let step: Duration = .seconds(30)
    /// How many steps are kept.
    public static let capacity = 120

    /// What counters grew by in a step.
    private struct Step {
        var connections = 0.0
        var refused = 0.0
        var bytes = 0.0
        /// For how many seconds of the step there are readings.
        var counted = 0.0
        var commits = 0
        var slowestCommit: Double?
        var slowestChange: Double?
    }

    /// The steps, the newest last; without one for a time before the program began.
    private var steps: [Step] = []
    /// The number of the newest step, counted from the start of `Moment.uptime`.
    private var newest: Int64 = -1

    /// Nothing happened.
    public init() {}

    /// The tables were changed.
    ///
    /// - Parameters:
    ///   - duration: how long that took.
    ///   - triggers: the changes of EndpointSlices that the kernel holds now.
    public mutating func committed(_ duration: Duration, _ triggers: [EndpointTrigger] = [], at now: Moment) {
        change(now.uptime) { step in
            step.commits += 1
            step.slowestCommit = max(step.slowestCommit ?? 0, duration / .seconds(1))
            for trigger in triggers {
                let seconds = Double(max(0, now.microseconds - trigger.time / 1000)) / 1_000_000
                step.slowestChange = max(step.slowestChange ?? 0, seconds)
            }
        }
    }

    /// Counters were read. What they grew by is spread over the time since the reading before.
    public mutating func counted(_ growth: Growth) {
        var start = growth.start
        while start < growth.end {
            let number = Self.number(of: start)
            let end = min(growth.end, Self.step * (number + 1))
            let share = (end - start) / (growth.end - growth.start)
            change(start) { step in
                step.connections += growth.connections * share
                step.refused += growth.refused * share
                step.bytes += growth.bytes * share
                step.counted += (end - start) / .seconds(1)
            }
            start = end
        }
    }

    private static func number(of uptime: Duration) -> Int64 { uptime.components.seconds / step.components.seconds }

    /// Changes the step of a moment; one that is kept no longer is left alone.
    private mutating func change(_ uptime: Duration, _ body: (inout Step) -> Void) {
        advance(to: uptime)
        let index = steps.count - 1 - Int(newest - Self.number(of: uptime))
        if steps.indices.contains(index) { body(&steps[index]) }
    }

    private mutating func advance(to uptime: Duration) {
        let number = Self.number(of: uptime)
        guard number > newest else { return }
        let missing = Int(min(number - newest, Int64(Self.capacity)))
        steps += Array(repeating: Step(), count: missing)
        steps.removeFirst(max(0, steps.count - Self.capacity))
        newest = number
    }

    // MARK: Growth

    /// What counters grew by from one reading to the next.
    public struct Growth: Sendable {
        /// The time of the reading before, as `Moment.uptime`.
        public var start: Duration
        /// The time of the reading.
        public var end: Duration
        /// New connections.
        public var connections = 0.0
        /// Packets that were rejected or dropped.
        public var refused = 0.0
        /// Bytes, both ways.
        public var bytes = 0.0

        /// Takes the sums of a reading; nil if there is none before it to compare with.
        public init?(of reading: CounterReading) {
            guard let interval = reading.interval else { return nil }
            end = reading.time.uptime
            start = end - interval
            let seconds = interval / .seconds(1)
            for counter in reading.counters {
                let growth = (reading.rate(of: counter) ?? 0) * seconds
                switch counter.event {
                case .connection: connections += growth
                case .rejected, .dropped, .droppedOutside: refused += growth
                case .bytesIn, .bytesOut: bytes += growth
                case .packetsIn, .packetsOut: continue
                }
            }
        }
    }

    // MARK: Report

    /// The last hour as lists of the same length, the newest step last: the answer of `/api/v1/history`.
    public struct Report: Codable, Hashable, Sendable {
        /// How long a step is.
        public var stepSeconds: Double
        /// When the newest step ends, which may be in the future (RFC 3339).
        public var end: String
        /// New connections per second; null where the counters were not read, absent without `--service-counters`.
        public var connectionRate: [Double?]?
        /// Packets per second that were rejected or dropped for want of an endpoint.
        public var refusedRate: [Double?]
        /// Bytes per second, both ways; absent without `--service-traffic`.
        public var trafficRate: [Double?]?
        /// How often the tables were changed.
        public var commits: [Int]
        /// The longest that took; null if there was none.
        public var slowestCommitSeconds: [Double?]
        /// The longest time from what triggered a change of an EndpointSlice to its being in the rules; null if there was none.
        public var slowestChangeSeconds: [Double?]
    }

    /// Reports what happened.
    ///
    /// - Parameters:
    ///   - countsConnections: whether there are counters of new connections.
    ///   - countsTraffic: whether there are counters of bytes.
    public func report(at now: Moment, countsConnections: Bool, countsTraffic: Bool) -> Report {
        var history = self
        history.advance(to: now.uptime)
        func rates(_ growth: (Step) -> Double) -> [Double?] {
            history.steps.map { $0.counted > 0 ? growth($0) / $0.counted : nil }
        }
        var end = now
        let left = Self.step * (history.newest + 1) - now.uptime
        end.microseconds += Int64(left / .microseconds(1))
        return Report(
            stepSeconds: Self.step / .seconds(1), end: end.timestamp,
            connectionRate: countsConnections ? rates(\.connections) : nil, refusedRate: rates(\.refused),
            trafficRate: countsTraffic ? rates(\.bytes) : nil, commits: history.steps.map(\.commits),
            slowestCommitSeconds: history.steps.map(\.slowestCommit),
            slowestChangeSeconds: history.steps.map(\.slowestChange))
    }
}
