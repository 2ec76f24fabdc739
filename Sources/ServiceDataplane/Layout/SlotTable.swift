import NetworkTypes
import ServicePolicy

/// Deals a fixed number of slots to endpoints, so that every node comes to the same result by itself.
///
/// Rendezvous hashing, made even: the owner of a slot is the endpoint with the largest sum of a hash of slot and endpoint and of the
/// endpoint's price. Prices begin at 0. In each of some rounds those of endpoints that have too many slots fall, those of endpoints that
/// have too few rise; a share within 3 % of its part is left alone, for each correction moves slots. All of it is whole numbers, so it
/// is the same on every processor. The result depends on the set of endpoints alone: not on their order, nor on what there was before.
/// Endpoints of different weights are dealt to by `WeightedSlots`.
public struct SlotTable: Hashable, Sendable {
    /// How many slots there are: the same for any number of endpoints, so that no flow changes its slot when that number changes.
    public static let slotCount = 8192
    /// How many of the best endpoints of a slot may become its owner.
    private static let candidates = 16
    private static let rounds = 12
    /// A share may be off by so many hundredths before its price changes.
    private static let tolerance: Int64 = 3

    /// For each slot the position of its owner among the members; empty without members that may have one.
    public let owners: [UInt16]

    /// Deals the slots.
    ///
    /// - Parameters:
    ///   - members: each once, at the most 65,535. Their order only says how `owners` counts them.
    ///   - weights: what each of them weighs; one with 0 has no slot. Empty if all weigh the same.
    public init(_ members: [Backend], weights: [UInt16] = []) {
        let isWeighed = weights.count == members.count
        // One with weight 0 is as if it were not there: the others have the slots that they have without it.
        let places = isWeighed ? members.indices.filter { weights[$0] > 0 } : Array(members.indices)
        guard places.count > 1 else {
            owners = places.first.map { Array(repeating: UInt16(truncatingIfNeeded: $0), count: Self.slotCount) } ?? []
            return
        }
        let (hashes, order) = Self.ordered(places.map { members[$0] })
        let own = isWeighed ? order.map { weights[places[$0]] } : []
        let dealt: [Int]
        if own.allSatisfy({ $0 == own.first }) {
            dealt = Self.deal(order.map { hashes[$0] })
        } else {
            var slots = WeightedSlots(order.map { hashes[$0] }, weights: own)
            dealt = slots.deal()
        }
        owners = dealt.map { UInt16(truncatingIfNeeded: places[order[$0]]) }
    }

    /// What stands for each member, and an order of them that is not the caller's: of equal sums the one that comes first counts.
    private static func ordered(_ members: [Backend]) -> (hashes: [UInt64], order: [Int]) {
        let hashes = members.map(\.slotHash)
        let order = members.indices.sorted {
            (hashes[$0], members[$0].address, members[$0].port) < (hashes[$1], members[$1].address, members[$1].port)
        }
        return (hashes, order)
    }

    private static func deal(_ hashes: [UInt64]) -> [Int] {
        let count = Int64(hashes.count)
        let best = bestCandidates(hashes)
        let width = best.count / slotCount
        var prices = [Int64](repeating: 0, count: hashes.count)
        var owners = [Int](repeating: 0, count: slotCount)
        for round in 0...rounds {
            var shares = [Int64](repeating: 0, count: hashes.count)
            for slot in 0..<slotCount {
                var (owner, largest) = (0, Int64.min)
                for index in slot * width..<(slot + 1) * width {
                    let sum = best[index].hash + prices[best[index].member]
                    if sum > largest { (owner, largest) = (best[index].member, sum) }
                }
                owners[slot] = owner
                shares[owner] += 1
            }
            if round == rounds { break }
            let allowed = tolerance * Int64(slotCount) / 100
            for member in hashes.indices {
                let excess = shares[member] * count - Int64(slotCount)
                let beyond = excess > allowed ? excess - allowed : excess < -allowed ? excess + allowed : 0
                prices[member] -= beyond * (1 << 32) / (Int64(slotCount) * count) * 2 / 5
            }
        }
        return owners
    }

    private struct Candidate {
        var hash: Int64
        var member: Int
    }

    /// The members with the largest hashes for each slot, one slot after the other.
    private static func bestCandidates(_ hashes: [UInt64]) -> [Candidate] {
        let width = min(candidates, hashes.count)
        var result: [Candidate] = []
        result.reserveCapacity(slotCount * width)
        var best = [Candidate](repeating: Candidate(hash: -1, member: 0), count: width)
        for slot in 0..<slotCount {
            let seed = mixed(UInt64(slot))
            for index in best.indices { best[index].hash = -1 }
            for (member, hash) in hashes.enumerated() {
                let value = Int64(mixed(seed ^ hash) >> 32)
                if value <= best[width - 1].hash { continue }
                var place = width - 1
                while place > 0, best[place - 1].hash < value {
                    best[place] = best[place - 1]
                    place -= 1
                }
                best[place] = Candidate(hash: value, member: member)
            }
            result += best
        }
        return result
    }

    /// Spreads 64 bits: the last step of the generator SplitMix64.
    static func mixed(_ value: UInt64) -> UInt64 {
        var value = value &+ 0x9E37_79B9_7F4A_7C15
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

extension Backend {
    /// 64 bits that stand for the endpoint, the same on every node.
    fileprivate var slotHash: UInt64 {
        let (high, low): (UInt64, UInt64) =
            switch address {
            case .v4(let address): (4, UInt64(address.rawValue))
            case .v6(let address): (address.high, address.low)
            }
        return SlotTable.mixed(SlotTable.mixed(SlotTable.mixed(high) ^ low) ^ UInt64(port))
    }
}
