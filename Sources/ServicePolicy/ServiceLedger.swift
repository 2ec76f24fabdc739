import KubernetesModel
import NetworkTypes

/// What the node owes to Services besides forwarding packets, and what it lacks for them: health check ports, and Local
/// policies without a local endpoint. A change of one Service costs that Service.
public struct ServiceLedger: Sendable {
    private var checks: [ObjectKey: HealthCheck] = [:]
    private var claimants: [UInt16: Set<ObjectKey>] = [:]
    private var gapsOfService: [ObjectKey: [LocalGap: Int]] = [:]

    /// The ports of Services that lack a local endpoint, counted.
    public private(set) var localGaps: [LocalGap: Int] = [:]

    /// An empty ledger.
    public init() {}

    /// Replaces what is known of a Service, or with nil forgets it.
    public mutating func record(_ key: ObjectKey, check: HealthCheck?, gaps: [LocalGap: Int]) {
        if let old = checks[key], old.port != check?.port {
            claimants[old.port]?.remove(key)
            if claimants[old.port]?.isEmpty == true { claimants[old.port] = nil }
        }
        checks[key] = check
        if let check { claimants[check.port, default: []].insert(key) }
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

    /// The health check of each port. Of several Services that claim a port, the oldest has it, then the one whose name
    /// comes first.
    public var healthChecks: [UInt16: HealthCheck] { claimants.compactMapValues { winner($0) } }

    /// One finding for each Service that lost its port, sorted.
    public var findings: [Finding] {
        claimants.values.filter { $0.count > 1 }.flatMap { keys -> [Finding] in
            guard let winner = winner(keys) else { return [] }
            return keys.subtracting([winner.key]).sorted().map { Self.contested(winner.port, loser: $0, winner.key) }
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
