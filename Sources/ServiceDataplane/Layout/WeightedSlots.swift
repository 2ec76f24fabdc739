import ServicePolicy

/// Deals the slots of `SlotTable` to endpoints of different weights.
///
/// Weighted rendezvous hashing, made exact: the owner of a slot is the endpoint for which the logarithm of a hash of slot and endpoint,
/// divided by the endpoint's rate, is closest to 0. Rates begin as the weights. In each of some rounds those of endpoints that have too
/// many slots fall, those of endpoints that have too few rise. Then the slots that are still too many somewhere move to where they cost
/// least, so that each endpoint has just the slots that its weight asks for, at least one. All of it is whole numbers.
struct WeightedSlots {
    private static let rounds = 12
    /// How many of the best endpoints of a slot may become its owner in the rounds.
    private static let candidates = 16

    /// The slots that each member is to have; 0 for weight 0.
    private let quotas: [Int]
    private let hashes: [UInt64]
    /// What logarithms are divided by: 0 for weight 0.
    private var rates: [UInt64]

    /// - Parameters:
    ///   - hashes: what stands for the members. Of equals the one that comes first counts.
    ///   - weights: theirs; not all 0.
    init(_ hashes: [UInt64], weights: [UInt16]) {
        self.hashes = hashes
        rates = weights.map { UInt64($0) << 8 }
        quotas = Self.quotas(weights)
    }

    /// For each slot the position of its owner.
    mutating func deal() -> [Int] {
        let best = bestCandidates()
        let width = best.count / SlotTable.slotCount
        var owners: [Int] = []
        var shares: [Int] = []
        for round in 0...Self.rounds {
            (owners, shares) = choose(best, width)
            if round < Self.rounds { setRates(by: shares) }
        }
        settle(&owners, &shares, best, width)
        return owners
    }

    // MARK: Rounds

    private struct Candidate {
        var member: Int
        /// The logarithm of the hash, as a positive number.
        var distance: UInt64
    }

    private func choose(_ best: [Candidate], _ width: Int) -> (owners: [Int], shares: [Int]) {
        var owners = [Int](repeating: 0, count: SlotTable.slotCount)
        var shares = [Int](repeating: 0, count: hashes.count)
        for slot in owners.indices {
            var (owner, smallest) = (best[slot * width].member, UInt64.max)
            for candidate in best[slot * width..<(slot + 1) * width] {
                let score = score(candidate.distance, candidate.member)
                if score < smallest { (owner, smallest) = (candidate.member, score) }
            }
            owners[slot] = owner
            shares[owner] += 1
        }
        return (owners, shares)
    }

    private mutating func setRates(by shares: [Int]) {
        for member in hashes.indices where quotas[member] > 0 {
            let lack = Int64(quotas[member] - shares[member])
            // A share of few slots says little of the rate.
            let step = Int64(rates[member]) * lack / Int64(max(quotas[member], 8)) * 2 / 5
            rates[member] = UInt64(max(1, Int64(rates[member]) + step))
        }
    }

    /// Which member a slot goes to: to the one with the smallest score.
    private func score(_ distance: UInt64, _ member: Int) -> UInt64 {
        rates[member] == 0 ? .max : (distance << 24) / rates[member]
    }

    private func bestCandidates() -> [Candidate] {
        let members = hashes.indices.filter { quotas[$0] > 0 }
        let width = min(Self.candidates, members.count)
        var result: [Candidate] = []
        result.reserveCapacity(SlotTable.slotCount * width)
        var best = [(score: UInt64, candidate: Candidate)](
            repeating: (.max, Candidate(member: 0, distance: 0)), count: width)
        for slot in 0..<SlotTable.slotCount {
            let seed = SlotTable.mixed(UInt64(slot))
            for index in best.indices { best[index].score = .max }
            for member in members {
                let distance = Self.distance(SlotTable.mixed(seed ^ hashes[member]))
                let score = score(distance, member)
                if score >= best[width - 1].score { continue }
                var place = width - 1
                while place > 0, best[place - 1].score > score {
                    best[place] = best[place - 1]
                    place -= 1
                }
                best[place] = (score, Candidate(member: member, distance: distance))
            }
            result += best.map(\.candidate)
        }
        return result
    }

    // MARK: Exactness

    /// The slots of each member in proportion to the weights: the parts rounded down, at least 1, and what is left to those that lack most.
    private static func quotas(_ weights: [UInt16]) -> [Int] {
        let total = max(weights.reduce(0) { $0 + Int($1) }, 1)
        let slots = SlotTable.slotCount
        var quotas = weights.map { $0 == 0 ? 0 : max(1, slots * Int($0) / total) }
        let order = weights.indices.sorted {
            (slots * Int(weights[$1]) % total, $0) < (slots * Int(weights[$0]) % total, $1)
        }
        var left = slots - quotas.reduce(0, +)
        for index in order where left > 0 && quotas[index] > 0 {
            quotas[index] += 1
            left -= 1
        }
        // Those that had to have one are paid for by those that have most.
        while left < 0 {
            guard let most = quotas.indices.max(by: { (quotas[$0], $1) < (quotas[$1], $0) }), quotas[most] > 1 else {
                break
            }
            quotas[most] -= 1
            left += 1
        }
        return quotas
    }

    private struct Move {
        /// What it costs: how much worse the member is for the slot than its owner.
        var cost: UInt64
        var slot: Int
        var member: Int
    }

    /// Moves slots from who has too many to who has too few.
    private func settle(_ owners: inout [Int], _ shares: inout [Int], _ best: [Candidate], _ width: Int) {
        var moves: [Move] = []
        for slot in owners.indices where shares[owners[slot]] > quotas[owners[slot]] {
            let some = best[slot * width..<(slot + 1) * width]
            for candidate in some where shares[candidate.member] < quotas[candidate.member] {
                moves.append(
                    Move(cost: score(candidate.distance, candidate.member), slot: slot, member: candidate.member))
            }
        }
        carryOut(&moves, &owners, &shares)
        // Who is no candidate for any of those slots takes the best that there are for it.
        for member in hashes.indices where shares[member] < quotas[member] {
            moves = []
            let isLastOne = shares[member] + 1 == quotas[member]
            for slot in owners.indices where shares[owners[slot]] > quotas[owners[slot]] {
                let hash = SlotTable.mixed(SlotTable.mixed(UInt64(slot)) ^ hashes[member])
                let cost = score(Self.distance(hash), member)
                // Most lack one slot: the cheapest is all that is wanted then, and there may be thousands of them.
                if isLastOne, let best = moves.first {
                    if cost < best.cost { moves[0] = Move(cost: cost, slot: slot, member: member) }
                } else {
                    moves.append(Move(cost: cost, slot: slot, member: member))
                }
            }
            carryOut(&moves, &owners, &shares)
        }
    }

    private func carryOut(_ moves: inout [Move], _ owners: inout [Int], _ shares: inout [Int]) {
        moves.sort { ($0.cost, $0.slot, $0.member) < ($1.cost, $1.slot, $1.member) }
        for move in moves {
            let owner = owners[move.slot]
            guard shares[owner] > quotas[owner], shares[move.member] < quotas[move.member] else { continue }
            owners[move.slot] = move.member
            shares[owner] -= 1
            shares[move.member] += 1
        }
    }

    // MARK: Logarithms

    /// The logarithm to the base 2 of a number that is spread evenly between 0 and 1, made positive: in units of 2^-32, at the most 32.
    static func distance(_ hash: UInt64) -> UInt64 {
        let number = (hash >> 32) + 1
        let exponent = 63 - number.leadingZeroBitCount
        // The digits behind the leading one, 32 of them: 10 choose an entry, the others go between it and the next.
        let digits = exponent == 0 ? 0 : (number << (64 - UInt64(exponent))) >> 32
        let (entry, rest) = (Int(digits >> 22), digits & (1 << 22 - 1))
        let between = ((logarithms[entry + 1] - logarithms[entry]) * rest) >> 22
        return (32 << 32) - (UInt64(exponent) << 32 + logarithms[entry] + between)
    }

    /// The logarithms of 1, 1 + 1/1024, … 2, in units of 2^-32. Made digit by digit, so that they are the same on every processor.
    private static let logarithms: [UInt64] = (0...1024).map { step in
        if step == 1024 { return 1 << 32 }
        var (value, result) = (UInt64(1024 + step) << 21, UInt64(0))
        // `value` is between 1 and 2, in units of 2^-31: each square says the next binary digit of its logarithm.
        for _ in 0..<32 {
            value = (value * value) >> 31
            result <<= 1
            guard value >= 1 << 32 else { continue }
            value >>= 1
            result |= 1
        }
        return result
    }
}
