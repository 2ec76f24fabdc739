import DataplaneTestKit
import NetworkTypes
import ServicePolicy
import Testing

@testable import ServiceDataplane

@Suite("Slots of some endpoints: the same as when all are placed")
struct PoolIndexTests {
    @Test("Members that leave and join get the slots that a placement of all gives", arguments: UInt64(1)...20)
    func moves(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let all = Scene.backends(.ipv4, 1...60)
        var pool = Array(all.shuffled(using: &random).prefix(20))
        var index = try #require(PoolIndex(pool))
        for step in 0..<200 {
            let leaving = pool.filter { _ in random.oneIn(step % 3 == 0 ? 2 : 9) }.sorted()
            let joining = all.filter { !pool.contains($0) && random.oneIn(step % 5 == 0 ? 2 : 12) }
            let members = Set(pool).subtracting(leaving).union(joining).sorted()
            if members.isEmpty { continue }
            let before = pool
            let moves = index.moves(leaving, for: joining, in: pool)
            index.carryOut(moves, in: &pool)
            try #require(pool == (before.isEmpty ? members : SlotPlacement.place(members, previous: before)))
            // What is not named has not changed.
            for slot in 0..<max(before.count, pool.count) {
                let stays = slot < before.count && slot < pool.count && before[slot] == pool[slot]
                #expect(stays != (moves.former.contains(slot) || moves.changed.contains { $0.slot == slot }))
            }
        }
    }

    @Test("A pool with an endpoint in two slots has no index")
    func twice() {
        let pool = Scene.backends(.ipv6, [1, 2, 1])
        #expect(PoolIndex(pool) == nil)
        #expect(PoolIndex(Array(pool.prefix(2))) != nil)
    }

    @Test("A sorted list is as if it had been sorted once more", arguments: UInt64(1)...10)
    func sortedLists(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var list: [Int] = []
        for _ in 0..<100 {
            let leaving = list.filter { _ in random.oneIn(4) }
            let joining = (0..<50).filter { !list.contains($0) && random.oneIn(6) }
            let expected = (list.filter { !leaving.contains($0) } + joining).sorted()
            list.replaceSorted(leaving, with: joining)
            #expect(list == expected)
        }
    }
}
