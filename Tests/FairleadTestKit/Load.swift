import Glibc
import NetworkTypes
import Synchronization

/// Requests, one after the other, until it is stopped: each a connection of its own that a server has to answer.
public final class Load: Sendable {
    /// How requests are made.
    public struct Options: Sendable {
        /// Requests at the same time.
        public var width = 4
        /// The time from one batch of requests to the next, unless it takes longer.
        public var period = Duration.milliseconds(8)
        /// After that time a request has failed.
        public var timeLimit = Duration.seconds(3)

        /// The usual load.
        public init() {}
    }

    /// What the thread that makes the requests shares with whoever started it.
    private final class State: Sendable {
        let report = Mutex(LoadReport())
        let isStopped = Atomic<Bool>(false)
    }

    private let state: State
    private let work: Task<Void, any Error>

    /// Begins.
    public init(to destination: HostPort, from client: ClusterTopology.Host, _ options: Options = Options()) {
        let probe = Probe(.tcp, to: destination, timeLimit: options.timeLimit)
        let state = State()
        self.state = state
        work = Task.detached {
            try await client.namespace.perform { () throws(TestKitError) in
                let clock = ContinuousClock()
                let start = clock.now
                while !state.isStopped.load(ordering: .relaxed) {
                    let sent = clock.now
                    let outcomes = ProbeBatch.run(Array(repeating: probe, count: options.width))
                    let now = clock.now
                    state.report.withLock { $0.add(outcomes, ended: now - start) }
                    pause(options.period - (now - sent))
                }
            }
        }
    }

    deinit { state.isStopped.store(true, ordering: .relaxed) }

    /// What has happened so far.
    public var report: LoadReport { state.report.withLock { $0 } }

    /// Ends after the requests that are under way.
    public func stop() async throws -> LoadReport {
        state.isStopped.store(true, ordering: .relaxed)
        try await work.value
        return report
    }

    /// Waits until so many more requests were answered; false if the time is over before.
    public func goesOn(for count: Int, timeLimit: Duration = .seconds(30)) async -> Bool {
        let before = report.answered
        return await eventually(within: timeLimit) { self.report.answered >= before + count }
    }
}

/// What became of the requests of a load.
public struct LoadReport: Sendable {
    /// How many were sent.
    public private(set) var sent = 0
    /// The answers of each server.
    public private(set) var servers: [String: Int] = [:]
    /// The source addresses that servers saw.
    public private(set) var sources: Set<IPAddress> = []
    /// What became of those that failed.
    public private(set) var failures: [String: Int] = [:]
    /// The longest time from one answer to the next.
    public private(set) var longestSilence = Duration.zero
    private var lastAnswer: Duration?

    /// The report of a load that has not begun.
    public init() {}

    /// How many were answered.
    public var answered: Int { servers.values.reduce(0, +) }
    /// How many were not.
    public var failed: Int { failures.values.reduce(0, +) }

    /// The answers of servers whose names begin so, such as those of a node.
    public func answers(_ prefix: String) -> Int {
        servers.filter { $0.key.hasPrefix(prefix) }.values.reduce(0, +)
    }

    /// The answers that have come since an earlier report.
    public func servers(since earlier: LoadReport) -> [String: Int] {
        servers.mapValues { $0 }.merging(earlier.servers) { $0 - $1 }.filter { $0.value > 0 }
    }

    mutating func add(_ outcomes: [Outcome], ended: Duration) {
        sent += outcomes.count
        for outcome in outcomes {
            if let answer = outcome.answer {
                servers[answer.server, default: 0] += 1
                sources.insert(answer.source.address)
            } else {
                failures["\(outcome)", default: 0] += 1
            }
        }
        if outcomes.contains(where: { $0.answer != nil }) {
            if let lastAnswer { longestSilence = max(longestSilence, ended - lastAnswer) }
            lastAnswer = ended
        }
    }
}

extension LoadReport: CustomStringConvertible {
    /// One line.
    public var description: String {
        let parts = servers.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        let reasons = failures.sorted { $0.key < $1.key }.map { "\($0.value) x \($0.key)" }
        return "\(sent) requests sent, \(failed) failed"
            + (reasons.isEmpty ? "" : " (\(reasons.joined(separator: ", ")))")
            + "; " + (parts.isEmpty ? "nobody answered" : parts.joined(separator: ", "))
    }
}

/// Lets the calling thread rest; not at all if the time is over.
private func pause(_ duration: Duration) {
    let parts = duration.components
    guard duration > .zero else { return }
    var wanted = timespec(tv_sec: Int(parts.seconds), tv_nsec: Int(parts.attoseconds / 1_000_000_000))
    nanosleep(&wanted, nil)
}
