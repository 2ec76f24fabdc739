import ServicePolicy

/// Which slot of a pool each endpoint has, so that a change of some endpoints costs these.
struct PoolIndex: Sendable {
    private var slots: [Backend: Int32]

    /// Reads the index off a pool; nil if an endpoint has more than one slot.
    init?(_ pool: [Backend]) {
        slots = Dictionary(minimumCapacity: pool.count)
        for (slot, backend) in pool.enumerated() {
            if slots.updateValue(Int32(truncatingIfNeeded: slot), forKey: backend) != nil { return nil }
        }
    }

    /// What a change of members does to the slots.
    struct Moves {
        /// The slots that are changed or given up, in the pool as it was.
        var former: [Int] = []
        /// The slots that are changed or new, sorted, with the endpoint that each has then.
        var changed: [(slot: Int, backend: Backend)] = []
        fileprivate var leaving: [Backend] = []
        fileprivate var count = 0
    }

    /// How members of the pool are replaced: with the result of `SlotPlacement.place` for the members that there are then.
    ///
    /// - Parameters:
    ///   - leaving: members, each once.
    ///   - joining: no members, each once.
    func moves(_ leaving: [Backend], for joining: [Backend], in pool: [Backend]) -> Moves {
        var moves = Moves(leaving: leaving, count: pool.count - leaving.count + joining.count)
        if leaving.isEmpty && joining.isEmpty { return moves }
        let gone = Set(leaving)
        var gaps = leaving.compactMap { slots[$0].map { Int($0) } }.filter { $0 < moves.count }
        gaps += pool.count..<max(pool.count, moves.count)
        gaps.sort()
        let beyond = min(pool.count, moves.count)..<pool.count
        let fill = (joining + pool[beyond].filter { !gone.contains($0) }).sorted()
        moves.former = gaps.filter { $0 < pool.count } + beyond
        moves.changed = zip(gaps, fill).map { ($0, $1) }
        return moves
    }

    /// Carries moves out, in the pool that they were made for.
    mutating func carryOut(_ moves: Moves, in pool: inout [Backend]) {
        for backend in moves.leaving { slots[backend] = nil }
        pool.removeLast(max(0, pool.count - moves.count))
        for (slot, backend) in moves.changed {
            slots[backend] = Int32(truncatingIfNeeded: slot)
            if slot < pool.count { pool[slot] = backend } else { pool.append(backend) }
        }
    }
}
