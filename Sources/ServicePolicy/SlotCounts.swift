/// How many slots of a pool each endpoint has, by its weight.
///
/// The smallest number of slots by which every endpoint's share is within `tolerance` of what its weight asks for. A pool has no more than
/// `largest` slots, whatever the weights are: where that is too few, an endpoint that asks for less than one slot has one, and the
/// others share what is left as their weights say.
struct SlotCounts: Hashable {
    /// The slots of each endpoint, at least 1.
    let counts: [Int]
    /// Whether every share is within `tolerance`.
    let isExact: Bool

    /// How far a share may be off, in thousandths of itself. A draw that never hits (`SchemaChains`) adds less than 4: so 10 in all.
    private static let tolerance = 6
    /// The most slots that a pool may have for weights.
    static let mostSlots = 65_536

    /// The most slots of a pool of so many endpoints.
    static func largest(_ endpoints: Int) -> Int { max(endpoints, min(max(1024, 4 * endpoints), mostSlots)) }

    /// Deals slots.
    ///
    /// - Parameter weights: none of them 0.
    init(_ weights: [UInt16]) {
        guard let first = weights.first, !weights.allSatisfy({ $0 == first }) else {
            counts = Array(repeating: 1, count: weights.count)
            isExact = true
            return
        }
        var sizes: [Int: Int] = [:]
        for weight in weights { sizes[Int(weight), default: 0] += 1 }
        let groups = sizes.sorted { $0.key < $1.key }.map { Group(weight: $0.key, size: $0.value) }
        let total = groups.reduce(0) { $0 + $1.weight * $1.size }
        let most = Self.largest(weights.count)
        for slots in weights.count...most {
            guard let bounds = Self.bounds(groups, total, slots) else { continue }
            counts = Self.dealt(weights, total: total, slots: slots, bounds)
            isExact = true
            return
        }
        counts = Self.approximated(weights, groups, total: total, slots: most)
        isExact = false
    }

    private struct Group {
        var weight: Int
        var size: Int
    }

    /// How many slots an endpoint of each weight may have; nil if the slots cannot be dealt so.
    private static func bounds(_ groups: [Group], _ total: Int, _ slots: Int) -> [Int: ClosedRange<Int>]? {
        var (least, most) = (0, 0)
        var result: [Int: ClosedRange<Int>] = [:]
        for group in groups {
            let part = slots * group.weight
            let low = max(1, (part * (1000 - tolerance) + total * 1000 - 1) / (total * 1000))
            let high = part * (1000 + tolerance) / (total * 1000)
            guard low <= high else { return nil }
            result[group.weight] = low...high
            least += low * group.size
            most += high * group.size
        }
        return least <= slots && slots <= most ? result : nil
    }

    /// The slots, each endpoint within its bounds: the parts rounded down, and what is left to those that lack most.
    private static func dealt(
        _ weights: [UInt16], total: Int, slots: Int, _ bounds: [Int: ClosedRange<Int>]
    ) -> [Int] {
        func range(_ index: Int) -> ClosedRange<Int> { bounds[Int(weights[index])] ?? 1...slots }
        var counts = weights.indices.map { index in
            let range = range(index)
            return min(max(slots * Int(weights[index]) / total, range.lowerBound), range.upperBound)
        }
        let order = weights.indices.sorted {
            (slots * Int(weights[$1]) % total, $0) < (slots * Int(weights[$0]) % total, $1)
        }
        var left = slots - counts.reduce(0, +)
        while left != 0 {
            let before = left
            for index in left > 0 ? order : order.reversed() where left != 0 {
                let step = left > 0 ? 1 : -1
                guard range(index).contains(counts[index] + step) else { continue }
                counts[index] += step
                left -= step
            }
            if left == before { break }
        }
        return counts
    }

    /// The slots where there are too few for the tolerance.
    private static func approximated(_ weights: [UInt16], _ groups: [Group], total: Int, slots: Int) -> [Int] {
        // Lightest first: who asks for less than one slot has one, and by that the others have less.
        var (left, rest, bound) = (slots, total, 0)
        for group in groups {
            guard left * group.weight < rest else { break }
            left -= group.size
            rest -= group.weight * group.size
            bound = group.weight
        }
        guard rest > 0, left > 0 else { return Array(repeating: 1, count: weights.count) }
        var counts = weights.map { $0 > bound ? max(1, left * Int($0) / rest) : 1 }
        let order = weights.indices.filter { weights[$0] > bound }.sorted {
            (left * Int(weights[$1]) % rest, $0) < (left * Int(weights[$0]) % rest, $1)
        }
        for index in order.prefix(max(0, slots - counts.reduce(0, +))) { counts[index] += 1 }
        return counts
    }
}

/// Sums of weights, as small as they can be.
enum WeightUnit {
    /// The largest number that divides all weights but 0, so that endpoints that weigh the same count as one each; 1 without any.
    static func of(_ weights: some Sequence<UInt16>) -> Int {
        var unit = 0
        for weight in weights where weight != 0 {
            var (larger, smaller) = (max(unit, Int(weight)), min(unit, Int(weight)))
            while smaller != 0 { (larger, smaller) = (smaller, larger % smaller) }
            unit = larger
        }
        return max(unit, 1)
    }
}
