import KubernetesClient
import KubernetesModel
import Logging
import ManifestSource
import Observability
import Telemetry

/// Where the daemon's objects come from, opened.
package enum ObjectFeed: Sendable {
    /// Files, as they change.
    case manifests(ManifestWatcher)
    /// An API server, as it tells of changes.
    case api(APISource, APIConnection)

    /// Opens the source. Nothing is read or sent yet.
    ///
    /// - Parameter board: is told why objects cannot be had.
    init(_ choice: SourceChoice, nodeName: String, board: StatusBoard, _ logger: Logger) throws(APIError) {
        switch choice {
        case .manifests(let paths): self = .manifests(ManifestWatcher(paths: paths))
        case .api(let settings):
            let connection = try Wiring.connection(settings, logger)
            let source = APISource(connection, nodeName: nodeName, logger: logger) { resource, failure in
                let text = failure.map { "\(resource) cannot be followed: \($0)" }
                board.update { $0.troubles.set(.source, of: resource, text, at: .now) }
            }
            self = .api(source, connection)
        }
    }

    /// Opens the source for one Service and all Nodes. Manifests tell of everything they have.
    package init(_ choice: SourceChoice, about service: ObjectKey, _ logger: Logger) throws(APIError) {
        switch choice {
        case .manifests(let paths): self = .manifests(ManifestWatcher(paths: paths))
        case .api(let settings):
            let connection = try Wiring.connection(settings, logger)
            self = .api(APISource(connection, about: service, logger: logger), connection)
        }
    }

    /// The way to the API server, if that is the source.
    var connection: APIConnection? {
        if case .api(_, let connection) = self { connection } else { nil }
    }

    /// How this node's Node is looked for if it is missing.
    func nodeLookup(_ logger: Logger) -> NodeLookup {
        guard let connection else { return NodeLookup(names: nil) }
        return NodeLookup { await connection.nodeNamesForHint(logger) }
    }

    /// Hands all news to the consumer, one after the other, until cancelled.
    ///
    /// - Parameter board: is told which files cannot be used.
    package func run(
        pace: Pace, board: StatusBoard? = nil, _ logger: Logger, _ take: @Sendable (ClusterUpdate) async -> Void
    )
        async
    {
        switch self {
        case .manifests(let watcher):
            var failing: Set<String> = []
            for await update in watcher.updates {
                ObjectLog.report(update.failures, update.skipped, logger)
                let now = Set(update.failing.map(\.path))
                for path in failing.subtracting(now).sorted() { logger.notice("\(path) is in force again") }
                failing = now
                board?.note(update.failing)
                await pace.apart { await take(update.clusterUpdate) }
            }
        case .api(let source, _):
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await source.run() }
                for await update in source.updates {
                    // What is loaded only is not worth a wait.
                    if update.readiness == .loading {
                        await take(update)
                    } else {
                        await pace.apart { await take(update) }
                    }
                }
                group.cancelAll()
            }
        }
    }

    /// Ends the source.
    package func stop() async {
        switch self {
        case .manifests(let watcher): watcher.stop()
        case .api(_, let connection): await connection.shutdown()
        }
    }
}

/// Keeps commits apart while changes keep coming (`--iptables-min-sync-period`, `nftables.minSyncPeriod`).
///
/// A change that comes alone goes out at once. What comes within the period after it waits for its end, together: sources
/// fold what waits into one update.
package struct Pace: Sendable {
    /// The least time from one commit to the next.
    let period: Duration

    /// - Parameter period: the least time from one commit to the next; zero for none.
    package init(period: Duration) { self.period = period }

    /// Carries out an update, and returns when the next one may begin.
    func apart(_ body: () async -> Void) async {
        let clock = ContinuousClock()
        let start = clock.now
        await body()
        if period > .zero { try? await clock.sleep(until: start + period) }
    }
}

extension StatusBoard {
    fileprivate func note(_ failing: [ManifestError]) {
        let now = Moment.now
        update { status in
            status.troubles.endAll(.manifest, except: Set(failing.map(\.path)))
            for failure in failing { status.troubles.note(.manifest, of: failure.path, "\(failure)", at: now) }
        }
    }
}

extension APIConnection {
    /// How long a line of the log may wait for names that make it more helpful.
    private static let hintPatience: Duration = .seconds(10)

    /// The names of Nodes; none if the server does not tell, or not soon.
    func nodeNamesForHint(_ logger: Logger) async -> [String] {
        await withTaskGroup(of: [String]?.self) { group in
            group.addTask {
                do throws(APIError) { return try await self.nodeNames() } catch {
                    logger.debug("names of Nodes are not known: \(error)")
                    return []
                }
            }
            group.addTask {
                try? await Task.sleep(for: Self.hintPatience)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first ?? []
        }
    }
}
