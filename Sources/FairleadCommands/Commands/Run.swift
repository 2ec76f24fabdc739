import ArgumentParser
import Dispatch
import KubernetesClient
import Logging
import NetlinkTransport
import Observability
import Reconciliation
import Telemetry

/// `fairlead run`.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keep the kernel's rules in line with the manifests, as a daemon.",
        discussion: """
            Brings the rules in line at the start, then commits each change by itself, as it happens. A file that becomes \
            invalid keeps its last good version in force. SIGTERM or SIGINT ends the daemon and leaves the rules in place. \
            If the file of --config comes to ask for something else, the daemon ends with exit code 1, to be started again.

            \(KubeProxyArguments.help)
            """,
        version: Fairlead.version)

    @OptionGroup var source: SourceOptions
    @OptionGroup var file: FileOptions
    @OptionGroup var node: NodeOptions
    @OptionGroup var observation: ObservationOptions
    @OptionGroup(title: "Connection tracking") var conntrack: ConntrackOptions
    @OptionGroup(title: "Process") var process: ProxyOptions
    @OptionGroup var log: LogOptions

    @Flag(help: "Remove the rules when the daemon ends.")
    var cleanupOnExit = false

    @Flag(
        inversion: .prefixedNo,
        help: ArgumentHelp(
            "Own the tables, so that no other program can change them while the daemon runs (Linux 6.9 or later).",
            discussion: "Without it, or where the kernel cannot do it, foreign changes are noticed and repaired."))
    var ownTables = true

    func run() async throws {
        let settings = try Settings(
            file: file, source: source, node: node, log: log, others: [process, observation, conntrack], showsTime: true
        )
        let logger = settings.logger
        if try process.runsInstead(settings) { return }
        let board = StatusBoard(version: Fairlead.version)
        let feed = try Self.open(try settings.source(), nodeName: try settings.node().nodeName, board, logger)
        settings.warn()
        guard let kernel = Wiring.kernel(logger, making: ownTables ? .owned : .plain) else { throw ExitCode.failure }
        guard Wiring.isCapable(kernel, settings) else { throw ExitCode.failure }
        Wiring.tellLimits(kernel, ownsTables: ownTables, logger)
        let leavesFlag = kernel.makesOwnedTables
        // Listens before anybody looks at an address, so that no change falls in between.
        let addresses = try Wiring.addressFollower(settings)
        let events = EventReports(feed.connection, nodeName: try settings.node().nodeName, logger)
        var desired = try Wiring.desiredState(settings)
        desired.answersHealthChecks = true
        desired.countTriggers(after: Moment.now.microseconds * 1000)
        let daemon = Daemon(
            kernel: kernel, desired: desired, board: board, events: events, lookup: feed.nodeLookup(logger),
            ownsTables: ownTables, logger: logger)
        let counters = ServiceCounters(options: settings.dataplane, logger: logger)
        let servers = NodeServers(
            settings.configuration, board: board, counters: counters,
            status: observation.statusPage(board, counters, daemon, try settings.node(), settings.dataplane),
            events: events, logger: logger)
        if servers.tellsAnybody { logger.notice("\(NodeServers.openWarning)") }
        settings.prepare(board)
        defer { LoadProgress.clear() }
        Takeover.warn(logger)
        Privileges.warn(logger)
        if leavesFlag { InstalledNft.warn(logger) }
        let stop = StopSignals()
        logger.notice("starting", metadata: ["version": "\(Fairlead.version)"])
        events.starting()
        let unopened = await servers.start()
        LoadProgress.showReading()
        if settings.endsOnTakenPorts, let failure = unopened.first {
            logger.error("\(failure); --bind-address-hard-fail ends the daemon")
            await feed.stop()
            await servers.stop()
            throw ExitCode.failure
        }
        let configurationWatch = settings.configurationWatch
        let surroundings = SurroundingsWatch(board, logger) { await daemon.serviceSamples() }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await servers.run() }
            group.addTask {
                await feed.run(pace: Pace(period: settings.minSyncPeriod), board: board, logger) {
                    await daemon.take($0)
                }
            }
            if events.isActive { group.addTask { await events.run() } }
            group.addTask { await daemon.follow(addresses) }
            group.addTask { await daemon.keepWatch() }
            group.addTask { await surroundings.run() }
            if let configurationWatch { group.addTask { await configurationWatch.run() } }
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
        await feed.stop()
        withExtendedLifetime(stop) {}
        let isToStartAgain = configurationWatch?.hasChanged ?? false
        let isClean = cleanupOnExit && !isToStartAgain ? await daemon.cleanUp() : true
        await servers.stop()
        if !isClean || isToStartAgain { throw ExitCode.failure }
    }
}

extension Run {
    private static func open(
        _ choice: SourceChoice, nodeName: String, _ board: StatusBoard, _ logger: Logger
    ) throws -> ObjectFeed {
        do throws(APIError) { return try ObjectFeed(choice, nodeName: nodeName, board: board, logger) } catch {
            logger.error("\(error)")
            throw ExitCode.failure
        }
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
