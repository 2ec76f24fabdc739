import Dispatch
import KubernetesClient
import Logging
import NetlinkTransport
import Observability
import Reconciliation
import ServiceDataplane
import Telemetry

/// The daemon as a whole: what `fairlead run` does once its options are read.
package struct Agent {
    /// What the daemon does besides what `Settings` say.
    package struct Options: Sendable {
        /// Whether no other program may change the tables while it runs.
        package var ownsTables = true
        /// Whether the status page and what `fairlead status` reads are served where metrics are told.
        package var servesStatusPage = true
        /// Whether the rules go when it ends.
        package var cleansUpAtEnd = false
        /// How long objects may not be followed before `/readyz` fails; nil if it does not matter how long.
        package var sourcePatience: Duration? = .seconds(600)

        /// The defaults.
        package init() {}
    }

    private let settings: Settings
    private let source: SourceChoice
    private let options: Options

    /// - Parameters:
    ///   - settings: what the daemon works by.
    ///   - source: where its objects come from.
    ///   - options: what else it does.
    package init(_ settings: Settings, source: SourceChoice, _ options: Options) {
        self.settings = settings
        self.source = source
        self.options = options
    }

    /// Serves until a signal ends it. False if it could not begin or end as it should, or has to be started again; why has
    /// been logged then.
    package func run() async throws(UsageError) -> Bool {
        let logger = settings.logger
        let node = try settings.node()
        let board = StatusBoard(version: Release.version)
        guard let feed = feed(nodeName: node.nodeName, board) else { return false }
        settings.warn()
        guard let kernel = Wiring.kernel(logger, making: options.ownsTables ? .owned : .plain) else { return false }
        guard Wiring.isCapable(kernel, settings) else { return false }
        Wiring.tellLimits(kernel, ownsTables: options.ownsTables, logger)
        let leavesFlag = kernel.makesOwnedTables
        // Listens before anybody looks at an address, so that no change falls in between.
        let addresses = try Wiring.addressFollower(settings)
        let events = EventReports(feed.connection, nodeName: node.nodeName, logger)
        var desired = try Wiring.desiredState(settings, kernel: kernel)
        desired.answersHealthChecks = true
        desired.countTriggers(after: Moment.now.microseconds * 1000)
        let daemon = Daemon(
            kernel: kernel, desired: desired, board: board, events: events, lookup: feed.nodeLookup(logger),
            ownsTables: options.ownsTables, logger: logger)
        let counters = ServiceCounters(options: settings.dataplane, logger: logger) { reading in
            guard let growth = History.Growth(of: reading) else { return }
            board.update { $0.history.counted(growth) }
        }
        let servers = NodeServers(
            settings.configuration, pages: settings.componentPages, board: board, counters: counters,
            status: options.servesStatusPage ? status(board, counters, daemon, node) : nil,
            events: events, logger: logger)
        if servers.tellsAnybody { logger.notice("\(NodeServers.openWarning)") }
        settings.prepare(board)
        defer { LoadProgress.clear() }
        KubeProxyRules.warn(logger)
        Privileges.warn(logger)
        if leavesFlag { InstalledNft.warn(logger) }
        if node.resetsGoneEndpoints { ConntrackSetup.warnOfStrictTracking(logger) }
        let stop = StopSignals()
        logger.notice("starting", metadata: ["version": "\(Release.description)"])
        events.starting()
        let unopened = await servers.start()
        LoadProgress.showReading()
        if settings.endsOnTakenPorts, let failure = unopened.first {
            logger.error("\(failure); --bind-address-hard-fail ends the daemon")
            await feed.stop()
            await servers.stop()
            return false
        }
        let configurationWatch = settings.configurationWatch
        board.update { $0.sourcePatience = options.sourcePatience }
        let network = NetworkWatch(board, logger) { await daemon.serviceSamples() }
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
            group.addTask { await network.run() }
            if options.servesStatusPage { group.addTask { await counters.keepHistory() } }
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
        let isClean = options.cleansUpAtEnd && !isToStartAgain ? await daemon.cleanUp() : true
        await servers.stop()
        return isClean && !isToStartAgain
    }
}

extension Agent {
    /// Opens the source of objects, or logs why that failed.
    private func feed(nodeName: String, _ board: StatusBoard) -> ObjectFeed? {
        do throws(APIError) { return try ObjectFeed(source, nodeName: nodeName, board: board, settings.logger) } catch {
            settings.logger.error("\(error)")
            return nil
        }
    }

    /// What answers for the status page.
    private func status(
        _ board: StatusBoard, _ counters: ServiceCounters, _ daemon: Daemon, _ node: NodeSettings
    ) -> StatusAPI {
        let views = DaemonViews(board) {
            let known = await daemon.knowledge()
            return DaemonView(
                desired: known.desired, sourceFindings: known.sourceFindings, revision: known.revision)
        }
        return StatusAPI(
            board: board, counters: counters, views: views, nodeName: node.nodeName,
            counts: StatusAPI.Counts(
                connections: settings.dataplane.countsConnections, traffic: settings.dataplane.countsTraffic))
    }
}
