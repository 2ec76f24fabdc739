import KubernetesModel
import NetworkTypes

extension NodeStatus {
    /// How many refused frontends and findings are told.
    private static let limit = 100
    private static let busiestLimit = 20

    /// Puts together what is known.
    ///
    /// - Parameters:
    ///   - troubles: why the node is not in line; what health tells is added.
    ///   - reading: the counters of Services.
    ///   - findings: all findings, the worst first.
    ///   - node: the node's name.
    ///   - countsConnections: whether there are counters of new connections.
    ///   - countsTraffic: whether there are counters of bytes and packets.
    ///   - frontendSets: the names of the sets of which each frontend is in exactly one.
    ///   - endpointSet: the name of the set of all usable endpoints.
    public init(
        health: HealthState, journal: SyncJournal, metrics: ProxyMetrics, troubles: Troubles = Troubles(),
        reading: CounterReading, findings: [Finding], node: String, countsConnections: Bool,
        countsTraffic: Bool = false, frontendSets: Set<String>,
        endpointSet: String, at now: Moment
    ) {
        self.node = node
        version = metrics.version
        time = now.timestamp
        uptimeSeconds = now.uptime.seconds
        sync = Sync(health, journal, metrics, at: now)
        sync.troubles = Self.standing(health, troubles, isStarting: sync.state == .starting, at: now)
        counts = Counts(metrics, frontendSets, endpointSet)
        transactions = journal.commits.map(Transaction.init)
        protection = Protection(driftRepairs: metrics.driftRepairs, restarts: metrics.restarts)
        counters = Counters(
            time: reading.time.timestamp, readSeconds: reading.cost.seconds,
            intervalSeconds: reading.interval?.seconds, failure: reading.failure)
        let all = Self.refused(in: reading)
        refused = Excerpt(all, limit: Self.limit)
        let hasRates = reading.interval != nil
        refusedRate = hasRates ? all.reduce(0) { $0 + ($1.rate ?? 0) } : nil
        if countsConnections {
            let services = Self.busiest(in: reading)
            busiest = Excerpt(services, limit: Self.busiestLimit)
            connectionRate = hasRates ? services.reduce(0) { $0 + ($1.rate ?? 0) } : nil
        }
        if countsTraffic {
            let services = Self.traffic(in: reading)
            traffic = Excerpt(services, limit: Self.busiestLimit)
            trafficRate = hasRates ? services.reduce(0) { $0 + ($1.rate ?? 0) } : nil
        }
        if !reading.handedOn.isEmpty {
            handedOn = Forwarding(packets: reading.handedOnPackets, rate: reading.handedOnRate)
        }
        self.findings = Excerpt(findings.prefix(Self.limit).map(Problem.init), limit: Self.limit)
        self.findings.total = findings.count
    }
}

extension NodeStatus {
    private static func standing(
        _ health: HealthState, _ troubles: Troubles, isStarting: Bool, at now: Moment
    ) -> [Trouble] {
        var troubles = troubles
        if let pending = health.oldestPending, health.lastUpdated != nil, !health.isHealthy(at: now) {
            troubles.note(.late, "a change has waited for longer than \(Int(health.patience.seconds)) s", at: pending)
        }
        if isStarting, troubles.isEmpty {
            let start = Moment(microseconds: now.microseconds - now.uptime.microseconds, uptime: .zero)
            troubles.note(.starting, "the first lists of objects are not complete yet", at: start)
        }
        return troubles.all.map { place, trouble in
            Trouble(
                code: place.code.rawValue, text: trouble.text, since: trouble.since.timestamp,
                seconds: max((now.uptime - trouble.since.uptime).seconds, 0))
        }
    }
}

extension NodeStatus.Sync {
    fileprivate init(_ health: HealthState, _ journal: SyncJournal, _ metrics: ProxyMetrics, at now: Moment) {
        state =
            if journal.isFailing {
                .failing
            } else if health.lastUpdated == nil {
                .starting
            } else {
                health.oldestPending == nil ? .synchronized : .pending
            }
        healthy = health.isHealthy(at: now)
        lastSuccess = health.lastUpdated?.timestamp
        lastSuccessSeconds = health.lastUpdated.map { (now.uptime - $0.uptime).seconds }
        pendingSince = health.oldestPending?.timestamp
        pendingChanges = metrics.serviceChanges.pending + metrics.endpointChanges.pending
        failures = metrics.failures
        lastFailure = journal.lastFailure.map { failure in
            let left = failure.retryDelay - (now.uptime - failure.time.uptime)
            return NodeStatus.Failure(
                time: failure.time.timestamp, cause: failure.cause, reason: failure.reason,
                retryInSeconds: journal.isFailing ? max(left.seconds, 0) : nil)
        }
    }
}

extension NodeStatus.Counts {
    fileprivate init(_ metrics: ProxyMetrics, _ frontendSets: Set<String>, _ endpointSet: String) {
        services = metrics.services
        heldServices = metrics.heldServices
        (frontends, endpoints, elements) = (0, 0, [:])
        for (family, sets) in metrics.kernel.elements {
            for (set, count) in sets where frontendSets.contains(set) { frontends += count }
            endpoints += sets[endpointSet] ?? 0
            elements[family.fieldName] = sets
        }
    }
}

extension NodeStatus.Transaction {
    fileprivate init(_ commit: SyncJournal.Commit) {
        time = commit.time.timestamp
        cause = commit.cause
        seconds = commit.duration.seconds
        (added, removed, structural) = (commit.added, commit.removed, commit.structural)
        (transactions, services, generation) = (commit.transactions, commit.services, commit.generation)
    }
}

extension Duration {
    /// The whole of it in seconds.
    fileprivate var seconds: Double { self / .seconds(1) }

    /// The whole of it in microseconds.
    fileprivate var microseconds: Int64 { Int64(self / .microseconds(1)) }
}

extension IPFamily {
    /// The name of the family as a field: `ipv4`, `ipv6`.
    package var fieldName: String { self == .ipv4 ? "ipv4" : "ipv6" }
}
