import ArgumentParser
import Dispatch
import Logging
import ManifestSource
import NetlinkTransport
import Observability

/// `fairlead run`.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keep the kernel's rules in line with the manifests, as a daemon.",
        discussion: """
            Brings the rules in line at the start, then commits each change by itself, as it happens. A file that becomes \
            invalid keeps its last good version in force. SIGTERM or SIGINT ends the daemon and leaves the rules in place.
            """)

    @OptionGroup var source: SourceOptions
    @OptionGroup var node: NodeOptions
    @OptionGroup var observation: ObservationOptions
    @OptionGroup(title: "Connection tracking") var conntrack: ConntrackOptions
    @OptionGroup var log: LogOptions

    @Flag(help: "Remove the rules when the daemon ends.")
    var cleanupOnExit = false

    func run() async throws {
        let logger = log.logger(showsTime: true)
        node.warn(logger)
        guard let kernel = Wiring.kernel(logger) else { throw ExitCode.failure }
        // Listens before anybody looks at an address, so that no change falls in between.
        let addresses = try Wiring.addressWatcher(node, logger)
        let board = StatusBoard(version: Fairlead.version)
        let desired = try Wiring.desiredState(node, logger)
        let daemon = Daemon(kernel: kernel, desired: desired, board: board, logger: logger)
        let counters = ServiceCounters(options: try node.dataplaneOptions(), logger: logger)
        let servers = try NodeServers(observation, board: board, counters: counters, logger: logger)
        conntrack.apply(logger)
        Takeover.warn(logger)
        let watcher = ManifestWatcher(paths: source.manifests)
        let stop = StopSignals()
        logger.notice("starting", metadata: ["version": "\(Fairlead.version)"])
        await servers.start()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await servers.run() }
            group.addTask {
                for await update in watcher.updates {
                    Session.report(update.failures, update.skipped, logger)
                    await daemon.take(update.clusterUpdate)
                }
            }
            if let addresses { group.addTask { await daemon.follow(addresses) } }
            group.addTask { await daemon.keepWatch() }
            group.addTask { [received = stop.received] in
                for await name in received {
                    logger.notice("stopping", metadata: ["signal": "\(name)"])
                    ServiceManager.notifyStopping()
                    return
                }
            }
            await group.next()
            group.cancelAll()
        }
        watcher.stop()
        addresses?.stop()
        withExtendedLifetime(stop) {}
        let isClean = cleanupOnExit ? await daemon.cleanUp() : true
        await servers.stop()
        if !isClean { throw ExitCode.failure }
    }
}

/// The signals that end the daemon.
final class StopSignals {
    /// The name of each signal that arrives.
    let received: AsyncStream<String>
    private let sources: [any DispatchSourceSignal]

    init() {
        let (stream, continuation) = AsyncStream<String>.makeStream(bufferingPolicy: .bufferingNewest(1))
        received = stream
        sources = [("SIGTERM", SignalNumber.terminate), ("SIGINT", SignalNumber.interrupt)].map { name, number in
            SignalNumber.ignore(number)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { continuation.yield(name) }
            source.resume()
            return source
        }
    }
}
