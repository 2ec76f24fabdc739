import DataplaneTestKit
import NetworkTypes
import ServicePolicy
import Testing

@testable import ServiceDataplane

/// Slots of direct return by weight, and slots of pools that a member has several of.
@Suite("Slots by weight")
struct WeightedSlotTests {
    static let weights: [[UInt16]] = [
        [1, 2], [10, 90], [1, 1, 98], [100, 100, 10], [1, 65535], [0, 5, 7], [100, 50, 25, 12, 6, 3],
        (0..<40).map { UInt16($0 % 4 * 100 + 50) }, Array(repeating: 1, count: 30) + [1000],
    ]

    @Test("each endpoint has just the slots that its weight asks for, at least one", arguments: weights)
    func exactness(_ weights: [UInt16]) {
        let shares = SlotTableTests.shares(
            SlotTable(SlotTableTests.members(weights.count), weights: weights), of: weights.count)
        let total = weights.reduce(0) { $0 + Int($1) }
        #expect(shares.reduce(0, +) == SlotTable.slotCount)
        for (share, weight) in zip(shares, weights) {
            let part = Double(SlotTable.slotCount * Int(weight)) / Double(total)
            // Who has to have one is paid for by the others.
            #expect(weight == 0 ? share == 0 : share >= 1 && abs(Double(share) - part) <= 2, "\(share) of \(part)")
        }
    }

    @Test("equal weights, and none, deal as ever")
    func equal() {
        let members = SlotTableTests.members(7)
        #expect(SlotTable(members, weights: Array(repeating: 42, count: 7)) == SlotTable(members))
        #expect(SlotTable(members, weights: []) == SlotTable(members))
        #expect(SlotTable(members, weights: Array(repeating: 0, count: 7)).owners.isEmpty)
    }

    @Test("an endpoint with weight 0 changes no slot of the others")
    func drained() {
        for count in [3, 10, 30] {
            let members = SlotTableTests.members(count)
            let others = SlotTableTests.members(count + 1)
            let weights = [UInt16](repeating: 100, count: count) + [0]
            #expect(SlotTable(others, weights: weights) == SlotTable(members))
            let differing = (0..<count).map { UInt16(100 + $0) }
            #expect(SlotTable(others, weights: differing + [0]) == SlotTable(members, weights: differing))
        }
    }

    @Test("the order of the endpoints does not matter")
    func order() {
        let weights = (0..<12).map { UInt16($0 * 10 + 5) }
        let members = SlotTableTests.members(12)
        let table = SlotTable(members, weights: weights)
        let order = (0..<12).shuffled()
        let other = SlotTable(order.map { members[$0] }, weights: order.map { weights[$0] })
        for slot in 0..<SlotTable.slotCount {
            #expect(Int(table.owners[slot]) == order[Int(other.owners[slot])])
        }
    }

    @Test("the share that a weight gains or loses moves, and at the most 3 % more", arguments: [3, 5, 10, 32])
    func disruption(_ count: Int) {
        let members = SlotTableTests.members(count)
        var weights = (0..<count).map { UInt16($0 % 3 * 50 + 50) }
        let before = SlotTable(members, weights: weights)
        func moved(_ change: (inout [UInt16]) -> Void) -> (moved: Double, needed: Double) {
            var changed = weights
            change(&changed)
            let after = SlotTable(members, weights: changed)
            let moved = (0..<SlotTable.slotCount).count { before.owners[$0] != after.owners[$0] }
            let (old, new) = (SlotTableTests.shares(before, of: count), SlotTableTests.shares(after, of: count))
            let needed = zip(old, new).reduce(0) { $0 + max(0, $1.1 - $1.0) }
            return (Double(moved) / Double(SlotTable.slotCount), Double(needed) / Double(SlotTable.slotCount))
        }
        for change in [{ $0[1] = 0 }, { $0[0] = 25 }, { $0[2] += 50 }] as [(inout [UInt16]) -> Void] {
            let result = moved(change)
            print("weighted slots: \(count): moved \(result.moved), needed \(result.needed)")
            #expect(result.moved <= result.needed + 0.03)
        }
        weights = []
    }

    @Test("the table is the same in every version and on every processor")
    func stability() {
        let owners = SlotTable(SlotTableTests.members(3), weights: [100, 50, 10]).owners
        let digest = owners.reduce(UInt64(14_695_981_039_346_656_037)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
        #expect(digest == 13_044_233_898_810_461_487, "\(digest)")
    }

    @Test("logarithms are those of the C library, to nine digits")
    func logarithms() {
        var random = SeededGenerator(seed: 7)
        for hash in [0, UInt64.max, 1 << 32, 1 << 63] + (0..<1000).map({ _ in random.next() }) {
            let number = Double((hash >> 32) + 1)
            var (exact, rest) = (0.0, number)
            while rest >= 2 { (exact, rest) = (exact + 1, rest / 2) }
            var digit = 0.5
            for _ in 0..<40 {
                rest *= rest
                if rest >= 2 { (exact, rest) = (exact + digit, rest / 2) }
                digit /= 2
            }
            #expect(abs(Double(WeightedSlots.distance(hash)) / 4_294_967_296 - (32 - exact)) < 1e-6, "\(hash)")
        }
    }

    // MARK: Pools

    @Test("members with several slots keep as many of theirs as they may", arguments: UInt64(1)...20)
    func placement(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var previous: [Backend] = []
        for _ in 0..<100 {
            var members: [Backend] = []
            for backend in Scene.backends(.ipv4, Array(1...8)) {
                members += repeatElement(backend, count: Int.random(in: 0...4, using: &random))
            }
            let slots = SlotPlacement.place(members, previous: previous)
            #expect(slots.sorted() == members)
            // Nobody gives up a slot while it has fewer elsewhere than it may have.
            for (slot, backend) in previous.prefix(members.count).enumerated() where slots[slot] != backend {
                let stayed = zip(slots, previous).count { $0 == backend && $1 == backend }
                #expect(stayed == members.count { $0 == backend }, "slot \(slot)")
            }
            previous = slots
        }
    }
}
