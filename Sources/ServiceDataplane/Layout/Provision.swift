import Netfilter
import NetworkTypes

/// What the tables provide for, beside what the options demand.
extension Dataplane {
    /// What decides the structure of the tables beside the options.
    public struct Provision: Hashable, Sendable {
        var largestExponent: Int
        var timeouts: AffinityTimeouts
        var directReturn: Bool

        /// What provides for both.
        func union(_ other: Provision) -> Provision {
            Provision(
                largestExponent: max(largestExponent, other.largestExponent), timeouts: timeouts.union(other.timeouts),
                directReturn: directReturn || other.directReturn)
        }
    }

    /// What the tables provide for now.
    public var provision: Provision {
        Provision(largestExponent: largestExponent, timeouts: timeouts, directReturn: returnsDirectly)
    }

    /// From now on the rules for direct return go with the last Service that has it; at once if none has.
    ///
    /// - Parameter isSpared: whether they stay in any case, because Services that are left as they are have it.
    public mutating func retireDirectReturn(sparing isSpared: Bool) {
        sparesDirectReturn = isSpared
        dropUnusedDirectReturn()
    }

    /// While Services are being loaded, nothing goes.
    mutating func dropUnusedDirectReturn() {
        if directUses == 0, !sparesDirectReturn, sparedTimeouts != nil { returnsDirectly = false }
    }

    /// Whether tables with these sets provide for direct return.
    public static func directReturn(providedBy names: some Sequence<Set<String>>) -> Bool {
        names.contains { $0.contains(SetID.directFrontends.name) }
    }

    /// The affinity timeouts that tables with these sets and chains provide for, and these.
    public static func timeouts(
        providedBy names: some Sequence<Set<String>>, and needed: Set<Int>
    ) -> AffinityTimeouts { AffinityTimeouts(AffinityTimeouts.provided(by: names).union(needed)) }

    /// The largest size class that tables with these sets provide for.
    public static func largestExponent(providedBy names: some Sequence<Set<String>>) -> Int {
        let exponents = PoolSize.initialExponent...PoolSize.largestExponent
        return names.flatMap { sets in
            exponents.filter { sets.contains(PoolKind.services.membersName(exponent: $0)) }
        }.max() ?? PoolSize.initialExponent
    }

    /// The first number that no pool in the tables has.
    public static func nextPool(after tables: [IPFamily: ObservedTable]) -> UInt32 {
        let used = pools(in: tables)
        return max(used.max().map { $0 &+ 1 } ?? AffinitySchema.firstPool, AffinitySchema.firstPool)
    }

    /// The numbers of pools in the tables: of all, or of those whose frontends pass.
    public static func pools(
        in tables: [IPFamily: ObservedTable], where passes: (IPFamily, SetID, ElementKey) -> Bool = { _, _, _ in true }
    ) -> Set<UInt32> {
        var numbers: Set<UInt32> = []
        for (family, table) in tables {
            for set in PoolKind.allCases.map(\.sticky) {
                for (key, element) in table.elements[set] ?? [:] where passes(family, set, key) {
                    numbers.insert(UInt32(bigEndian: element.value[0]))
                }
            }
        }
        return numbers
    }
}
