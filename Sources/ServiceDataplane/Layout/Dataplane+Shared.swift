import KubernetesModel
import Netfilter
import NetworkTypes

/// Elements that several Services call for, and room for those of many.
extension Dataplane {
    /// Counts what Services that are left as they are share with others, so that it does not go with one of those, and
    /// keeps the numbers of their pools for them.
    public mutating func share(with retained: RetainedServices, in tables: [IPFamily: ObservedTable]) {
        retained.forEachShared(in: tables) { _ = shared.call($0, $1, $2) }
        recoveredPools.formUnion(retained.allPoolNumbers)
    }

    /// The numbers of pools may be taken over once more.
    mutating func forgetPools(_ numbers: Set<UInt32>) { recoveredPools.subtract(numbers) }

    /// Ends the call of a Service for a shared element. True if nobody calls for it any more.
    mutating func withdraw(_ family: IPFamily, _ set: SetID, _ key: ElementKey) -> Bool {
        shared.withdraw(family, set, key)
    }

    /// Makes room for so many Services, and for what they share as far as the tables have it already.
    public mutating func reserve(services: Int, _ tables: [IPFamily: ObservedTable]) {
        records.reserveCapacity(services)
        claims.reserveCapacity(services)
        for (family, table) in tables {
            for set in SharedElements.sets {
                if let count = table.elements[set]?.count { shared.reserve(family, set, count) }
            }
        }
    }
}
