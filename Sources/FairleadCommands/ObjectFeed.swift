import KubernetesClient
import KubernetesModel
import Logging
import ManifestSource

/// Where the daemon's objects come from, opened.
enum ObjectFeed: Sendable {
    /// Files, as they change.
    case manifests(ManifestWatcher)
    /// An API server, as it tells of changes.
    case api(APISource, APIConnection)

    /// Opens the source. Nothing is read or sent yet.
    init(_ choice: SourceChoice, nodeName: String, _ logger: Logger) throws(APIError) {
        switch choice {
        case .manifests(let paths): self = .manifests(ManifestWatcher(paths: paths))
        case .api(let settings):
            let connection = try Wiring.connection(settings, logger)
            self = .api(APISource(connection, nodeName: nodeName, logger: logger), connection)
        }
    }

    /// Opens the source for one Service and all Nodes. Manifests tell of everything they have.
    init(_ choice: SourceChoice, about service: ObjectKey, _ logger: Logger) throws(APIError) {
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

    /// Hands all news to the consumer, one after the other, until cancelled.
    func run(pace: Pace, _ logger: Logger, _ take: @Sendable (ClusterUpdate) async -> Void) async {
        switch self {
        case .manifests(let watcher):
            for await update in watcher.updates {
                Session.report(update.failures, update.skipped, logger)
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
    func stop() async {
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
struct Pace: Sendable {
    /// The least time from one commit to the next.
    let period: Duration

    /// Carries out an update, and returns when the next one may begin.
    func apart(_ body: () async -> Void) async {
        let clock = ContinuousClock()
        let start = clock.now
        await body()
        if period > .zero { try? await clock.sleep(until: start + period) }
    }
}
