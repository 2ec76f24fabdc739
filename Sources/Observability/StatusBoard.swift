import KubernetesModel
import NetworkTypes
import ServicePolicy
import Synchronization
import Telemetry

/// Which addresses health check ports listen on.
public enum HealthCheckAddresses: Hashable, Sendable {
    /// Every address of the node.
    case all
    /// These.
    case these([IPAddress])
}

/// What the HTTP servers tell, as the daemon last put it there.
///
/// The daemon writes, responders read, neither waits for the other's work: what is behind the lock is a value.
public final class StatusBoard: Sendable {
    /// What is told.
    public struct Status: Sendable {
        /// Whether the proxy does its work.
        public var health = HealthState()
        /// What was seen of the node's network; nil before the first look.
        public var network: NodeNetwork?
        /// How long objects may not be followed before the node is not ready; nil if it does not matter how long.
        public var sourcePatience: Duration? = .seconds(600)
        /// The health check ports.
        public fileprivate(set) var checks: [UInt16: HealthCheck] = [:]
        /// Where they listen.
        public fileprivate(set) var addresses = HealthCheckAddresses.these([])
        /// What components of Kubernetes tell of themselves.
        public var pages = ComponentPages()
        /// The daemon's numbers.
        public var metrics: ProxyMetrics
        /// What was done to the tables lately.
        public var journal = SyncJournal()
        /// What happened in the last hour.
        public var history = History()
        /// What is wrong with the node itself, not with objects.
        public var nodeFindings: [Finding] = []
        /// Why the node is not in line with the cluster, or may not stay so.
        public var troubles = Troubles()
        /// Grows with each change of what the daemon wants.
        public var revision: UInt64 = 0

        /// Nothing known yet.
        public init(version: String) { metrics = ProxyMetrics(version: version) }
    }

    /// One element each time that other health check ports may be wanted than before.
    public let portChanges: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation
    private let status: Mutex<Status>

    /// Makes a board on which nothing is known yet.
    public init(version: String) {
        status = Mutex(Status(version: version))
        (portChanges, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// The status now.
    public var current: Status { status.withLock { $0 } }

    /// Changes the status.
    public func update(_ body: (inout Status) -> Void) { status.withLock { body(&$0) } }

    /// Changes health checks, and asks for other servers only if other ones are wanted: another answer needs none.
    ///
    /// - Parameters:
    ///   - changes: the health checks that changed, nil for those that are gone.
    ///   - addresses: where all of them listen.
    /// - Returns: whether other servers are wanted.
    @discardableResult
    public func setHealthChecks(_ changes: [UInt16: HealthCheck?], addresses: HealthCheckAddresses) -> Bool {
        let changesServers = status.withLock { status in
            var result = addresses != status.addresses
            status.addresses = addresses
            for (port, check) in changes {
                let old = status.checks.removeValue(forKey: port)
                status.checks[port] = check
                if old.map({ Set($0.localEndpoints.keys) }) != check.map({ Set($0.localEndpoints.keys) }) {
                    result = true
                }
            }
            return result
        }
        if changesServers { askForPorts() }
        return changesServers
    }

    /// Has whoever iterates `portChanges` look at the ports again.
    public func askForPorts() { continuation.yield() }

    // MARK: Servers

    /// The health check servers that have to be there. Each answers for whatever Service has its port when it is asked,
    /// so that it need not change with the Service.
    public var healthCheckServers: [ListenAddress: HTTPResponder] {
        let (checks, addresses) = status.withLock { ($0.checks, $0.addresses) }
        var result: [ListenAddress: HTTPResponder] = [:]
        for (port, check) in checks {
            for family in check.localEndpoints.keys {
                let places: [ListenAddress] =
                    switch addresses {
                    case .all: [.all(family, port: port)]
                    case .these(let list):
                        list.filter { $0.family == family }.map { ListenAddress(host: $0, port: port) }
                    }
                for place in places { result[place] = { _ in self.answerHealthCheck(port, family) } }
            }
        }
        return result
    }

    /// The health check ports, each with the families that it answers in.
    public var healthCheckPorts: [UInt16: Set<IPFamily>] {
        status.withLock { $0.checks.mapValues { Set($0.localEndpoints.keys) } }
    }

    private func answerHealthCheck(_ port: UInt16, _ family: IPFamily) -> HTTPAnswer {
        let now = Moment.now
        let (check, health) = status.withLock { ($0.checks[port], $0.health) }
        // The Service went away and its server is about to.
        guard let check else { return .text("no Service has this health check port\n", status: 503) }
        return .serviceHealth(check, family, isHealthy: health.isHealthy(at: now), isDraining: health.drainTaint != nil)
    }

    /// Answers on the health address: `/healthz` and `/livez`, by any method, as kube-proxy does, and `/readyz`.
    public func answerHealth(_ request: HTTPRequest) -> HTTPAnswer {
        let now = Moment.now
        return status.withLock { status in
            switch request.path {
            case "/healthz":
                let answer = HTTPAnswer.healthz(status.health, at: now)
                status.metrics.healthzAnswers[answer.status, default: 0] += 1
                return answer
            case "/livez":
                let answer = HTTPAnswer.livez(status.health, at: now)
                status.metrics.livezAnswers[answer.status, default: 0] += 1
                return answer
            case "/readyz":
                return Readiness(
                    status.health, status.troubles, network: status.network, patience: status.sourcePatience, at: now
                ).answer
            default: return .notFound
            }
        }
    }

    /// Answers on the metrics address.
    ///
    /// - Parameter counters: The counters of Services and of direct return now.
    public func answerMetrics(
        _ request: HTTPRequest, counters: @Sendable () async -> CounterReading
    ) async -> HTTPAnswer {
        let pages = current.pages
        let isKnown = ["/metrics", "/metrics/slis", "/healthz", "/proxyMode"].contains(request.path)
        guard isKnown || pages.has(request.path) else { return .notFound }
        guard request.method == "GET" || request.method == "HEAD" else { return .methodNotAllowed }
        switch request.path {
        case "/healthz":
            update { $0.metrics.pings += 1 }
            return .text("ok")
        case "/proxyMode": return .text("nftables")
        case "/metrics/slis":
            return Self.metrics(current.metrics.indicators)
        case "/metrics":
            let reading = await counters()
            let metrics = ServiceCounter.metrics(reading.counters) + HandedOn.metrics(reading.handedOn)
            return Self.metrics(current.metrics.metrics + metrics + ProcessUsage.now.metrics)
        default:
            let page = pages.answer(
                request.path, accept: request.accept, start: ProcessUsage.now.startTime, at: .now)
            return page ?? .notFound
        }
    }

    private static func metrics(_ metrics: [Metric]) -> HTTPAnswer {
        var answer = HTTPAnswer.text(PrometheusText.render(metrics))
        answer.headers[0].value = PrometheusText.contentType
        return answer
    }
}
