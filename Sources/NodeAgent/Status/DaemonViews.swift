import KubernetesModel
import Observability
import Reconciliation

/// What the daemon knows, at one moment.
struct DaemonView: Sendable {
    /// The objects and what they mean.
    var desired: DesiredState
    /// What is wrong with objects that could not be read.
    var sourceFindings: [Finding]
    /// The state of the board that this belongs to, or a later one.
    var revision: UInt64
    /// The keys of all Services, sorted.
    let keys: [ObjectKey]

    init(desired: DesiredState, sourceFindings: [Finding], revision: UInt64) {
        (self.desired, self.sourceFindings, self.revision) = (desired, sourceFindings, revision)
        keys = desired.cluster.serviceKeys
    }

    /// All findings, the worst first.
    var findings: [Finding] {
        (sourceFindings + desired.findings).enumerated().sorted {
            ($1.element.severity, $0.offset) < ($0.element.severity, $1.offset)
        }.map(\.element)
    }
}

/// Hands out what the daemon knows, so that questions about it cost the daemon next to nothing.
///
/// A view shares its storage with the daemon's state: taking it is cheap, but the daemon's next change copies the tables of
/// Services once. So there is a new view once a second at the most, only when somebody asks and only if something
/// has changed; and the last one is forgotten when nobody asks any more.
actor DaemonViews {
    private let board: StatusBoard
    private let take: @Sendable () async -> DaemonView
    private var latest: DaemonView?
    private var takenAt: ContinuousClock.Instant?
    private var usedAt = ContinuousClock.now
    private var pending: Task<Void, Never>?

    /// Questions within that time share a view.
    private static let freshness: Duration = .seconds(1)
    /// How long the daemon may be busy before the view before is good enough.
    private static let patience: Duration = .milliseconds(250)
    /// How long one waits where there is none.
    private static let longPatience: Duration = .seconds(5)
    /// How long a view is kept that nobody asks for.
    private static let memory: Duration = .seconds(10)

    init(_ board: StatusBoard, take: @escaping @Sendable () async -> DaemonView) {
        self.board = board
        self.take = take
    }

    /// What the daemon knows, or knew a moment ago; nil if it is busy and has told nothing yet.
    func current() async -> DaemonView? {
        let clock = ContinuousClock()
        usedAt = clock.now
        if let latest, let takenAt {
            if latest.revision == board.current.revision || clock.now - takenAt < Self.freshness { return latest }
        }
        let task = pending ?? Task { keep(await take()) }
        pending = task
        await Self.wait(for: task, atMost: latest == nil ? Self.longPatience : Self.patience)
        return latest
    }

    private func keep(_ view: DaemonView) {
        pending = nil
        let isAlone = latest == nil
        latest = view
        takenAt = .now
        if isAlone { Task { await forgetWhenUnused() } }
    }

    private func forgetWhenUnused() async {
        while usedAt.duration(to: .now) < Self.memory { try? await Task.sleep(for: Self.memory) }
        latest = nil
    }

    /// Waiting for a task's value cannot be given up; this can.
    private static func wait(for task: Task<Void, Never>, atMost limit: Duration) async {
        let (stream, continuation) = AsyncStream<Void>.makeStream()
        Task {
            await task.value
            continuation.finish()
        }
        let alarm = Task {
            try? await Task.sleep(for: limit)
            continuation.finish()
        }
        for await _ in stream {}
        alarm.cancel()
    }
}
