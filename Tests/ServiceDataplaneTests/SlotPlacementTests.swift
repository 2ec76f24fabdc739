import DataplaneTestKit
import NetworkTypes
import ServicePolicy
import Testing

@testable import ServiceDataplane

@Suite("Slots: who stands where")
struct SlotPlacementTests {
    private func place(_ members: [Int], after previous: [Int]) -> [Int] {
        let result = SlotPlacement.place(
            Scene.backends(.ipv4, members), previous: Scene.backends(.ipv4, previous))
        let numbers = Dictionary(uniqueKeysWithValues: (0..<200).map { (Scene.backends(.ipv4, [$0])[0], $0) })
        return result.compactMap { numbers[$0] }
    }

    @Test(
        "Members stay, gaps are filled",
        arguments: [
            ([1, 2, 3], [], [1, 2, 3]), ([1, 2, 3], [3, 1, 2], [3, 1, 2]), ([1, 2, 3, 4], [3, 1, 2], [3, 1, 2, 4]),
            ([1, 2], [3, 1, 2], [2, 1]), ([2, 3], [3, 1, 2], [3, 2]), ([1, 3], [3, 1, 2], [3, 1]),
            ([1, 3, 9], [3, 1, 2], [3, 1, 9]), ([8, 9], [3, 1], [8, 9]), ([], [1, 2], []), ([5], [4, 5, 6], [5]),
            ([4, 5, 6], [6], [6, 4, 5]),
        ])
    func tables(_ members: [Int], _ previous: [Int], _ expected: [Int]) {
        #expect(place(members, after: previous) == expected)
    }

    @Test("Slots that somebody else has filled twice are repaired")
    func duplicates() {
        #expect(place([1, 2, 3], after: [2, 2, 2]) == [2, 1, 3])
        #expect(place([1, 2], after: [2, 2, 1, 1, 7]) == [2, 1])
    }

    @Test("By chance: the same members, slots without a gap, no needless move", arguments: UInt64(1)...20)
    func property(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var previous: [Int] = []
        for _ in 0..<200 {
            let members = (0..<40).filter { _ in Int.random(in: 0..<3, using: &random) > 0 }
            let slots = place(members, after: previous)
            #expect(slots.sorted() == members)
            let stay = Set(previous.prefix(members.count)).intersection(members)
            for member in stay { #expect(slots.firstIndex(of: member) == previous.firstIndex(of: member)) }
            previous = slots
        }
    }

    @Test("The size class is the smallest power of two that holds the pool")
    func sizeClasses() {
        #expect([1, 2, 3, 4, 5, 8, 9, 64, 65, 65536].map(PoolSize.exponent) == [0, 1, 2, 2, 3, 3, 4, 6, 7, 16])
        for count in 2...5000 {
            let exponent = PoolSize.exponent(count)
            #expect(1 << exponent >= count && 1 << (exponent - 1) < count)
        }
    }

    @Test("The order in which Services and endpoints come never matters to the slots", arguments: UInt64(1)...10)
    func order(seed: UInt64) throws {
        var services = RandomServices(seed: seed, count: 10)
        let all = services.keys.map { services.service($0) }
        var first = try Fixture()
        try first.update(all.map { ($0.key, $0) })
        var second = try Fixture()
        for service in all.shuffled(using: &services.random) { try second.put(service) }
        #expect(first.elements(.ipv4) == second.elements(.ipv4))
        #expect(first.elements(.ipv6) == second.elements(.ipv6))
    }
}
