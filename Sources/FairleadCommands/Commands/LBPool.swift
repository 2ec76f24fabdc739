import ArgumentParser
import KubernetesClient
import KubernetesModel
import LoadBalancing
import Logging
import NetworkTypes
import NodeAgent
import Observability
import Telemetry

/// `fairlead lb-pool`.
struct LBPool: AsyncParsableCommand {
    enum Form: String, ExpressibleByArgument, CaseIterable {
        case json
        case haproxy
        case as3
        case nginx
        case envoy

        /// The form of a file that another load balancer reads.
        var configuration: PoolConfiguration? { PoolConfiguration(rawValue: rawValue) }
    }

    enum Family: String, ExpressibleByArgument, CaseIterable {
        case ipv4 = "IPv4"
        case ipv6 = "IPv6"
    }

    static let configuration = CommandConfiguration(
        commandName: "lb-pool",
        abstract: "Say which nodes belong in an external load balancer's pool for a Service, and with which weights.",
        discussion: """
            Under externalTrafficPolicy Cluster every node belongs in it, under Local those with endpoints, weighted by \
            their number. Needs no privilege, and may run anywhere. docs/lb-pool.md says what for.

            fairlead lb-pool default/web --manifests DIR
            fairlead lb-pool default/web --kubeconfig FILE --watch
            fairlead lb-pool default/web --kubeconfig FILE --watch --haproxy-socket /run/haproxy/admin.sock --backend web
            """)

    @Argument(help: "The Service: NAMESPACE/NAME.")
    var service: String

    @Option(help: "The port of the Service, by its name or number. Default: all.")
    var port: String?

    @Option(help: "IPv4 or IPv6. Default: each family that the Service has.")
    var family: Family?

    @Flag(help: "Follow changes until SIGTERM or SIGINT.")
    var watch = false

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "json (one pool a line), haproxy (commands of its runtime API), as3 (BIG-IP), nginx or envoy.",
            discussion: """
                The commands set everything, for a backend that has a server for each node, by the node's name. The last three \
                are whole texts: a declaration, upstream blocks, and what Envoy's file subscription reads.
                """))
    var output = Form.json

    @Option(
        help: ArgumentHelp(
            "HAProxy's runtime API: the path of its stats socket (level admin).",
            discussion: """
                Servers of the backend become those of the pool: added, moved, weighted, drained. Only what differs is sent, \
                and each command is printed. With --watch the backend is looked at again and again, so that a reload or a \
                restart of HAProxy makes no difference. A server that somebody put in maintenance is left alone.
                """))
    var haproxySocket: String?

    @Option(
        help: ArgumentHelp(
            "Write to a file rather than to standard output (--output as3, nginx or envoy).",
            discussion: "The file is replaced as a whole, and only if its text changes."))
    var writeTo: String?

    @Option(
        help: ArgumentHelp(
            "Serve the pools as JSON over HTTP at ADDRESS:PORT, path /v1/pools. Needs --watch.",
            discussion: "With ?index=N of an answer before, it waits until the pools are others, or for ?wait=SECONDS.")
    )
    var listen: String?

    @Option(help: "The backend whose servers are the nodes. Needs --haproxy-socket or --output haproxy.")
    var backend: String?

    @Option(help: "What HAProxy is told of a server that is added, after its address, such as \"check inter 1s\".")
    var serverOptions = ""

    @Option(help: "Taints that take a node out, as run --drain-taints: keys, separated by commas. Default: none.")
    var drainTaints: [String] = []

    @Option(help: "Milliseconds between two looks at HAProxy (--watch).")
    var interval = 1000

    @OptionGroup var source: SourceOptions
    @OptionGroup var file: FileOptions
    @OptionGroup var log: LogOptions

    func validate() throws {
        _ = try request
        let forHAProxy = haproxySocket != nil || output == .haproxy
        if forHAProxy {
            guard let backend else { throw ValidationError("HAProxy's --backend is needed") }
            if !HAProxyWords.isName(backend) {
                throw ValidationError("--backend: \"\(backend)\" is no name of a backend")
            }
        } else if backend != nil {
            throw ValidationError("--backend needs --haproxy-socket or --output haproxy")
        }
        if haproxySocket == nil, !serverOptions.isEmpty {
            throw ValidationError("--server-options needs --haproxy-socket")
        }
        if serverOptions.contains(where: { $0 == ";" || $0.isNewline }) {
            throw ValidationError("--server-options: one line without \";\"")
        }
        if writeTo != nil, output.configuration == nil || haproxySocket != nil {
            throw ValidationError("--write-to needs --output as3, nginx or envoy")
        }
        if let listen {
            if !watch { throw ValidationError("--listen needs --watch") }
            if ListenAddress.parse(listen, defaultPort: 0) == nil {
                throw ValidationError("--listen: \"\(listen)\" is not ADDRESS:PORT")
            }
        }
        if !(50...3_600_000).contains(interval) { throw ValidationError("--interval: from 50 to 3600000") }
    }

    private var request: PoolRequest {
        get throws {
            let words = service.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            guard words.count == 2, words.allSatisfy({ !$0.isEmpty }) else {
                throw ValidationError("\"\(service)\" is not NAMESPACE/NAME")
            }
            var request = PoolRequest(
                service: ObjectKey(namespace: words[0], name: words[1]), port: port,
                family: family.map { $0 == .ipv4 ? .ipv4 : .ipv6 })
            request.drainTaints = try DrainTaints(option: drainTaints)
            return request
        }
    }

    func run() async throws {
        let settings = try Settings(
            file: file, source: source, node: try NodeOptions.parse([]), log: log, showsTime: watch)
        let logger = settings.logger
        let choice = try source.choose(settings)
        let report = PoolReport(
            try request, form: output, backend: backend ?? "",
            haproxy: haproxySocket.map { HAProxySocket(path: $0) }, options: serverOptions,
            file: writeTo.map { PoolFile(path: $0) }, looksAgain: watch, logger: logger)
        if watch {
            try await follow(report, choice, logger)
        } else {
            let reading = await ObjectReading(choice, about: try request.service, logger)
            guard let reading, reading.isWhole else { throw ExitCode.failure }
            await report.take(reading.update)
            if await !report.isInLine { throw ExitCode.failure }
        }
    }

    /// Opens the server of `--listen`.
    private func serve(_ report: PoolReport, _ logger: Logger) async throws -> ListenerSet? {
        guard let listen, let places = ListenAddress.parse(listen, defaultPort: 0) else { return nil }
        var limits = HTTPLimits()
        limits.answerTime = PoolBoard.longestWait + .seconds(10)
        let servers = ListenerSet(limits: limits) { event in
            switch event {
            case .opened(let address), .openedAtLast(let address): logger.notice("listening on \(address)")
            case .failed(let failure): logger.error("\(failure)")
            case .closed: break
            }
        }
        let board = report.board
        let respond: HTTPResponder = { await board.answer($0) }
        await servers.settle(Dictionary(uniqueKeysWithValues: places.map { ($0, respond) }))
        if await servers.unopened.isEmpty { return servers }
        await servers.shutDown()
        throw ExitCode.failure
    }

    private func follow(_ report: PoolReport, _ choice: SourceChoice, _ logger: Logger) async throws {
        let feed: ObjectFeed
        let service = try request.service
        do throws(APIError) { feed = try ObjectFeed(choice, about: service, logger) } catch {
            logger.error("\(error)")
            throw ExitCode.failure
        }
        let stop = StopSignals()
        let servers = try await serve(report, logger)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await feed.run(pace: Pace(period: .zero), logger) { await report.take($0) } }
            if haproxySocket != nil {
                group.addTask { [interval] in
                    while !Task.isCancelled {
                        try? await Task.sleep(for: .milliseconds(interval))
                        await report.lookAgain()
                    }
                }
            }
            group.addTask { [received = stop.received] in
                for await _ in received { return }
            }
            await group.next()
            group.cancelAll()
        }
        await feed.stop()
        await servers?.shutDown()
        withExtendedLifetime(stop) {}
    }
}
