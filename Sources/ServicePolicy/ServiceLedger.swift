import KubernetesModel
import NetworkTypes

/// What the node owes to Services besides forwarding packets, and what it lacks for them: health check ports, and Local
/// policies without a local endpoint. A change of one Service costs that Service.
public struct ServiceLedger: Sendable {
    private var checks: [ObjectKey: HealthCheck] = [:]
    private var claims = HealthCheckPortClaims()
    private var gapsOfService: [ObjectKey: [LocalGap: Int]] = [:]

    /// What goes wrong, by port.
    private var conflicts: [UInt16: [HealthCheckPortConflict]] = [:]

    /// The health check of each port. Of several Services that claim a port, the oldest has it, then the one whose name
    /// comes first.
    public private(set) var healthChecks: [UInt16: HealthCheck] = [:]
    /// The ports of Services that lack a local endpoint, counted.
    public private(set) var localGaps: [LocalGap: Int] = [:]

    /// The ports whose answer has changed since it was last taken.
    private var changedPorts: Set<UInt16> = []
    /// Whether there may be other findings than when it was last asked.
    private var hasNewContests = false

    /// An empty ledger.
    public init() {}

    /// The health checks that have changed since the last call, nil for those that are gone.
    public mutating func takeChangedHealthChecks() -> [UInt16: HealthCheck?] {
        defer { changedPorts = [] }
        return Dictionary(uniqueKeysWithValues: changedPorts.map { ($0, healthChecks[$0]) })
    }

    /// Whether `findings` may have changed since the last call.
    public mutating func takeContestNews() -> Bool {
        defer { hasNewContests = false }
        return hasNewContests
    }

    /// Replaces what is known of a Service; with neither a check nor anything else forgets it.
    ///
    /// - Parameters:
    ///   - tcpNodePorts: The TCP node ports, which health checks cannot have: `ResolvedService.tcpNodePorts`.
    ///   - creationTimestamp: `metadata.creationTimestamp`; that of the check if there is one.
    public mutating func record(
        _ key: ObjectKey, check: HealthCheck?, gaps: [LocalGap: Int], tcpNodePorts: [UInt16] = [],
        creationTimestamp: String = ""
    ) {
        var affected = claims.set(
            key, creationTimestamp: check?.creationTimestamp ?? creationTimestamp, healthCheckPort: check?.port,
            tcpNodePorts: tcpNodePorts)
        if checks[key] != check {
            checks[key] = check
            if let check { affected.insert(check.port) }
        }
        for port in affected { settle(port) }
        for (gap, count) in gapsOfService[key] ?? [:] { localGaps[gap, default: 0] -= count }
        for (gap, count) in gaps { localGaps[gap, default: 0] += count }
        gapsOfService[key] = gaps.isEmpty ? nil : gaps
    }

    /// Forgets all Services but these.
    public mutating func removeAll(except kept: Set<ObjectKey>) {
        for key in claims.services.union(gapsOfService.keys) where !kept.contains(key) {
            record(key, check: nil, gaps: [:])
        }
    }

    private mutating func settle(_ port: UInt16) {
        let now = claims.conflicts(at: port)
        if conflicts[port, default: []] != now {
            conflicts[port] = now.isEmpty ? nil : now
            hasNewContests = true
        }
        let check = claims.owner(of: port).flatMap { checks[$0] }
        if healthChecks[port] != check { changedPorts.insert(port) }
        healthChecks[port] = check
    }

    /// Findings for each Service whose health check port is another's, or a node port; sorted.
    public var findings: [Finding] {
        conflicts.values.joined().map(\.finding).sorted { $0.description < $1.description }
    }
}
