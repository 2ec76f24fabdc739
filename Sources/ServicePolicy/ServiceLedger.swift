import KubernetesModel
import NetworkTypes

/// What the node owes to Services besides forwarding packets, and what it lacks for them: health check ports, and Local
/// policies without a local endpoint. A change of one Service costs that Service.
public struct ServiceLedger: Sendable {
    private var checks: [ObjectKey: HealthCheck] = [:]
    private var claimants: [UInt16: Set<ObjectKey>] = [:]
    private var gapsOfService: [ObjectKey: [LocalGap: Int]] = [:]

    /// The ports with several claimants.
    private var contested: Set<UInt16> = []

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

    /// Replaces what is known of a Service, or with nil forgets it.
    public mutating func record(_ key: ObjectKey, check: HealthCheck?, gaps: [LocalGap: Int]) {
        if let old = checks[key], old.port != check?.port {
            claimants[old.port]?.remove(key)
            checks[key] = nil
            settle(old.port)
        }
        if let check {
            checks[key] = check
            claimants[check.port, default: []].insert(key)
            settle(check.port)
        }
        for (gap, count) in gapsOfService[key] ?? [:] { localGaps[gap, default: 0] -= count }
        for (gap, count) in gaps { localGaps[gap, default: 0] += count }
        gapsOfService[key] = gaps.isEmpty ? nil : gaps
    }

    /// Forgets all Services but these.
    public mutating func removeAll(except kept: Set<ObjectKey>) {
        for key in Set(checks.keys).union(gapsOfService.keys) where !kept.contains(key) {
            record(key, check: nil, gaps: [:])
        }
    }

    private mutating func settle(_ port: UInt16) {
        let keys = claimants[port] ?? []
        if keys.isEmpty { claimants[port] = nil }
        let wasContested = contested.contains(port)
        if keys.count > 1 { contested.insert(port) } else { contested.remove(port) }
        if wasContested || keys.count > 1 { hasNewContests = true }
        let check = winner(keys)
        if healthChecks[port] != check { changedPorts.insert(port) }
        healthChecks[port] = check
    }

    /// One finding for each Service that lost its port, sorted.
    public var findings: [Finding] {
        contested.flatMap { port -> [Finding] in
            guard let winner = healthChecks[port], let keys = claimants[port] else { return [] }
            return keys.subtracting([winner.key]).map { Self.contested(port, loser: $0, winner.key) }
        }.sorted { $0.description < $1.description }
    }

    private func winner(_ keys: Set<ObjectKey>) -> HealthCheck? {
        keys.compactMap { checks[$0] }.min { ($0.creationTimestamp, $0.key) < ($1.creationTimestamp, $1.key) }
    }

    private static func contested(_ port: UInt16, loser: ObjectKey, _ winner: ObjectKey) -> Finding {
        Finding(
            .error, code: "contested-health-check-port", subject: ObjectID(kind: .service, key: loser),
            field: "spec.healthCheckNodePort",
            message:
                "\(port) is answered for the older Service \(winner), so load balancers never send traffic of this "
                + "one by its own endpoints; give one of the two another port")
    }
}
