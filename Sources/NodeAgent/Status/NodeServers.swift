import KubernetesConfiguration
import Logging
import NetworkTypes
import Observability
import Telemetry

/// The HTTP servers of `run`: health, metrics, and the health check ports of Services.
struct NodeServers: Sendable {
    private let board: StatusBoard
    private let listeners: ListenerSet
    private let fixed: [ListenAddress: HTTPResponder]
    private let healthPlaces: [ListenAddress]
    private let metricsPlaces: [ListenAddress]

    /// How often servers that could not be opened are tried again.
    private static let retryInterval: Duration = .seconds(5)

    /// Whether the status page answers on an address that others than this host may reach.
    let tellsAnybody: Bool

    /// What somebody should know about that.
    static let openWarning =
        "the status page tells the cluster's Services and endpoints to whoever reaches --metrics-bind-address; "
        + "--status-page=false turns it off"

    /// - Parameters:
    ///   - configuration: where they are.
    ///   - pages: what the metrics address tells of the program itself.
    ///   - board: what is told.
    ///   - counters: those of Services.
    ///   - status: what answers for the status page; nil if it is turned off.
    ///   - events: takes ports that are taken.
    ///   - logger: for the same.
    init(
        _ configuration: KubeProxyConfiguration, pages: ComponentPages, board: StatusBoard, counters: ServiceCounters,
        status: StatusAPI?,
        events: EventReports, logger: Logger
    ) {
        self.board = board
        board.update { $0.pages = pages }
        listeners = ListenerSet { event in
            Self.log(event, logger)
            board.update { $0.troubles.note(event, at: .now) }
            guard case .failed(let failure) = event, let check = board.current.checks[failure.address.port] else {
                return
            }
            events.failed(failure, of: check)
        }
        var fixed: [ListenAddress: HTTPResponder] = [:]
        for address in configuration.healthzPlaces { fixed[address] = { board.answerHealth($0) } }
        for address in configuration.metricsPlaces {
            fixed[address] = { request in
                if let status, let answer = await status.respond(to: request) { return answer }
                return await board.answerMetrics(request) { await counters.reading() }
            }
        }
        tellsAnybody = status != nil && configuration.metricsPlaces.contains { !$0.host.isLoopback }
        self.fixed = fixed
        healthPlaces = configuration.healthzPlaces
        metricsPlaces = configuration.metricsPlaces
    }

    /// Opens the servers that do not depend on objects. Returns those of them that could not be opened.
    func start() async -> [ListenFailure] {
        await settle()
        return await listeners.unopened.filter { fixed[$0.address] != nil }
    }

    /// Opens and closes servers until cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: Self.retryInterval)
                    board.askForPorts()
                }
            }
            for await _ in board.portChanges { await settle() }
            group.cancelAll()
        }
    }

    private func settle() async {
        let ports = board.healthCheckServers
        let proxied = Set(ports.keys).union(healthPlaces).subtracting(metricsPlaces)
        await listeners.settle(ports.merging(fixed) { $1 }, proxied: proxied)
        let (open, failed) = (await listeners.openCount, await listeners.failedCount)
        board.update {
            $0.metrics.openPorts = open
            $0.metrics.failedPorts = failed
        }
    }

    /// Closes all servers; requests in flight are answered.
    func stop() async { await listeners.shutDown() }

    private static func log(_ event: ListenerEvent, _ logger: Logger) {
        switch event {
        case .opened(let address): logger.info("listening", metadata: ["address": "\(address)"])
        case .openedAtLast(let address):
            logger.notice("listening on \(address) now", metadata: ["address": "\(address)"])
        case .closed(let address): logger.info("no longer listening", metadata: ["address": "\(address)"])
        case .failed(let failure): logger.warning("\(failure); trying again every \(Self.retryInterval)")
        }
    }
}

extension Troubles {
    /// Keeps which servers cannot listen.
    fileprivate mutating func note(_ event: ListenerEvent, at now: Moment) {
        switch event {
        case .failed(let failure): note(.listen, of: "\(failure.address)", "\(failure)", at: now)
        case .opened(let address), .openedAtLast(let address), .closed(let address):
            end(.listen, of: "\(address)")
        }
    }
}
