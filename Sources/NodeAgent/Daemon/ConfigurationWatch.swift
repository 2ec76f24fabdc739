import KubernetesConfiguration
import Logging
import ManifestSource
import Synchronization

/// Looks after the configuration file while the daemon runs.
///
/// As with kube-proxy, a changed configuration ends the process, whose supervisor restarts it: nearly everything in
/// the file shapes what is made once. Other than with kube-proxy a file that says the same in other words changes
/// nothing, and a file that a new start would refuse is reported and not in force: the daemon goes on as it is.
final class ConfigurationWatch: Sendable {
    private let path: String
    private let configuration: KubeProxyConfiguration
    private let logger: Logger
    private let changed = Mutex(false)

    /// A file in a ConfigMap is replaced through symbolic links, which a watch on the file would not see.
    private static let interval: Duration = .seconds(5)

    /// - Parameter configuration: what the file said when the daemon started.
    init(path: String, configuration: KubeProxyConfiguration, logger: Logger) {
        self.path = path
        self.configuration = configuration
        self.logger = logger
    }

    /// Whether the file now asks for something else.
    var hasChanged: Bool { changed.withLock { $0 } }

    /// Returns when the file asks for something else, or when cancelled.
    func run() async {
        var seen: FileSystem.Stamp?
        var complaints: [ConfigurationError] = []
        while !Task.isCancelled {
            let stamp = try? FileSystem.stamp(path)
            if stamp == nil || stamp != seen {
                seen = stamp
                let (problems, isRead) = look()
                // What could not be read may be readable the next time, without another change.
                if !isRead { seen = nil }
                for problem in problems where !complaints.contains(problem) {
                    logger.error("\(problem); the configuration in force stays")
                }
                complaints = problems
            }
            if hasChanged {
                logger.error("\(path) has changed: ending, to be started again with it")
                return
            }
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// Reads the file. Returns what is wrong with it, and whether it could be read at all.
    private func look() -> (problems: [ConfigurationError], isRead: Bool) {
        do throws(ConfigurationError) {
            let draft = try ConfigurationDraft(file: path)
            let problems = draft.problems
            if problems.isEmpty, draft.configuration != configuration { changed.withLock { $0 = true } }
            return (problems, true)
        } catch {
            return ([error], false)
        }
    }
}
