import APIServerKit
import KubernetesConfiguration
import KubernetesModel
import Testing

@testable import KubernetesClient

/// What a consumer knows of the cluster, and the law that it is held to after each update: nothing is gone that the server
/// has had all the time, and nothing is ready that lacks an object that was there from the beginning.
actor ClusterView {
    private(set) var objects: [ObjectID: ClusterObject] = [:]
    private(set) var isReady = false
    private(set) var updates = 0
    private(set) var largestUpdate = 0
    private(set) var findings: [Finding] = []
    private(set) var held: Set<ObjectKey> = []
    private let cluster: FakeCluster
    private let initial: Set<ObjectID>

    init(_ cluster: FakeCluster, lacking hidden: Set<ObjectID> = []) {
        self.cluster = cluster
        initial = cluster.ids.subtracting(hidden)
    }

    func take(_ update: ClusterUpdate) {
        updates += 1
        largestUpdate = max(largestUpdate, update.changes.count)
        for change in update.changes {
            switch change {
            case .applied(let object): objects[object.id] = object
            case .deleted(let id): drop(id)
            case .retained(let kind, let keys):
                for id in objects.keys where id.kind == kind && !keys.contains(id.key) { drop(id) }
            }
        }
        findings = update.findings
        held = update.heldServices
        switch update.readiness {
        case .complete:
            if !isReady {
                let missing = initial.subtracting(objects.keys).subtracting(cluster.everGone)
                    .filter { !held.contains($0.key) }
                #expect(missing.isEmpty, "ready without all objects")
            }
            isReady = true
        case .loading, .partial: #expect(!isReady, "no longer ready")
        }
    }

    /// Whether it knows exactly these objects, and that these are all.
    func knows(_ expected: [ObjectID: ClusterObject]) -> Bool { isReady && objects == expected }

    private func drop(_ id: ObjectID) {
        objects[id] = nil
        #expect(cluster.everGone.contains(id), "\(id) is told to be gone")
    }
}

extension Bench {
    /// Timing for tests: hardly any waits.
    static var timing: ReflectorTiming {
        var timing = ReflectorTiming()
        timing.firstDelay = .milliseconds(5)
        timing.longestDelay = .milliseconds(50)
        timing.shortestWatch = .milliseconds(1)
        timing.absentRetry = .milliseconds(200)
        return timing
    }

    /// Follows the server while a test runs.
    func following(
        _ timing: ReflectorTiming = Bench.timing, settings: ConnectionSettings? = nil,
        waitingLimit: Int = APISource.waitingLimit, hidden: Set<ObjectID> = [], pause: Duration = .zero,
        _ body: (ClusterView) async throws -> Void
    ) async throws {
        let view = ClusterView(server.cluster, lacking: hidden)
        try await withConnection(settings) { connection in
            let source = APISource(
                connection, nodeName: "node1", timing: timing, waitingLimit: waitingLimit, logger: logger)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await source.run() }
                group.addTask {
                    for await update in source.updates {
                        await view.take(update)
                        if pause > .zero { try await Task.sleep(for: pause) }
                    }
                }
                defer { group.cancelAll() }
                try await body(view)
            }
        }
    }

    /// Waits until the consumer knows what the server has.
    func converged(
        _ view: ClusterView, without hidden: Set<ObjectID> = [], sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try await eventually("the client knows what the server has", sourceLocation: sourceLocation) {
            let expected = server.cluster.objects.filter { !hidden.contains($0.key) }
            return await view.knows(expected)
        }
    }
}
