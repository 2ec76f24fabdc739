import DataplaneTestKit
import NetworkTypes
import ServicePolicy
import Testing

@testable import ServiceDataplane

/// Which endpoint had a slot of direct return before.
@Suite("Slots that move")
struct DirectSlotsTests {
    private static func slots(_ members: [Int], local: [Int], after previous: DirectSlots?) -> DirectSlots {
        var port = Scene.port(.ipv4, cluster: members)
        port.localUsable = Scene.port(.ipv4, cluster: local).usable
        let direct = DirectReturn(members: port.usable, keepsLocal: false)
        return DirectSlots(port, direct, previous: previous) { _ in (nil, nil) }
    }

    @Test(
        "a slot that moves twice keeps the last endpoint before, unless that one is on this node",
        arguments: [[], [2]])
    func twice(local: [Int]) {
        let first = Self.slots([1, 3], local: local, after: nil)
        let second = Self.slots([1, 2, 3], local: local, after: first)
        let third = Self.slots([1, 2, 3, 4], local: local, after: second)
        var (moved, wrong) = (0, [Int]())
        for slot in 0..<SlotTable.slotCount {
            let owners = [first, second, third].map { $0.owner(slot) }
            let before = third.earlier[UInt16(slot)]
            guard Set(owners).count == 3 else {
                // One that has the slot now is none that had it before.
                if before == owners[2].address { wrong.append(slot) }
                continue
            }
            if before != owners[local.isEmpty ? 1 : 0].address { wrong.append(slot) }
            moved += 1
        }
        #expect(moved > 100 && wrong.isEmpty)
    }

    @Test("of two endpoints before, the other one takes the place once the first is gone")
    func gone() {
        var slots = Self.slots([1, 3], local: [], after: nil)
        let first = slots
        for members in [[1, 2, 3], [1, 2, 3, 4]] { slots = Self.slots(members, local: [], after: slots) }
        let third = slots
        let fourth = Self.slots([1, 3, 4], local: [], after: third)
        var (found, wrong) = (0, [Int]())
        for slot in 0..<SlotTable.slotCount {
            let (oldest, owner) = (first.owner(slot), fourth.owner(slot))
            guard third.earlier[UInt16(slot)] == Scene.port(.ipv4, cluster: [2]).usable[0].address,
                third.owner(slot) == owner, oldest != owner
            else { continue }
            if fourth.earlier[UInt16(slot)] != oldest.address { wrong.append(slot) }
            found += 1
        }
        #expect(found > 100 && wrong.isEmpty)
    }
}
