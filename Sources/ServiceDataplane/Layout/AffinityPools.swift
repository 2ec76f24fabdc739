import KubernetesModel
import Netfilter
import NetworkTypes
import ServicePolicy

/// The numbers under which the packet path remembers the clients of a port's pools; 0 without affinity.
struct PoolNumbers: Hashable, Sendable {
    /// The number of the pool of the Cluster policy.
    var cluster: UInt32 = 0
    /// The number of the pool of the Local policy.
    var local: UInt32 = 0
    /// The timeout in seconds.
    var timeout = 0
}

extension Dataplane.Record {
    /// Whether every client that is remembered for one of the pools may still go where it went.
    func keepsClients(in new: Dataplane.Record?) -> Bool {
        guard let new, !new.pools.isEmpty else { return false }
        let remaining = new.pools(of: nil)
        return pools(of: nil).allSatisfy { number, backends in
            remaining[number].map { backends.isSubset(of: $0) } ?? false
        }
    }

    /// The endpoints behind each number, of one family or of both.
    func pools(of family: IPFamily?) -> [UInt32: Set<Backend>] {
        var result: [UInt32: Set<Backend>] = [:]
        for (port, numbers) in zip(resolved.ports, pools)
        where numbers.cluster != 0 && (family == nil || family == port.family) {
            result[numbers.cluster] = Set(port.clusterPool)
            result[numbers.local] = Set(port.localPool)
        }
        return result
    }
}

extension Dataplane {
    /// Where the clients of each pool with affinity may be remembered to go.
    ///
    /// - Parameter spared: numbers of pools that are left as they are in the tables, whoever's they are.
    public func clientClaims(sparing spared: Set<UInt32>) -> ClientClaims {
        var claims = ClientClaims(spared: spared)
        for key in affineServices {
            guard let record = record(key) else { continue }
            for family in IPFamily.allCases { claims.add(record.pools(of: family), family) }
        }
        return claims
    }

    /// Counts the timeouts that a Service needs.
    mutating func countTimeouts(of record: Record?, by change: Int) {
        guard let record, !record.pools.isEmpty else { return }
        for seconds in Set(record.resolved.ports.compactMap(\.affinityTimeout)) {
            let count = timeoutUses[seconds, default: 0] + change
            timeoutUses[seconds] = count == 0 ? nil : count
        }
    }

    /// From now on a timeout goes with the last Service that needs it; those that no Service needs now go at once.
    ///
    /// - Parameter spared: whether a timeout stays in any case, because Services that are left as they are have it.
    public mutating func retireTimeouts(sparing spared: (Int) -> Bool) {
        sparedTimeouts = Set(timeouts.all.filter(spared))
        dropUnusedTimeouts()
    }

    mutating func dropUnusedTimeouts() {
        guard let sparedTimeouts else { return }
        var kept = timeouts
        for seconds in timeouts.all
        where timeoutUses[seconds] == nil && !sparedTimeouts.contains(seconds) {
            kept.remove(seconds)
        }
        timeouts = kept
    }

    /// Whether any Service has affinity.
    public var hasAffinity: Bool { !affineServices.isEmpty }
}
