import NetworkTypes
import ServiceDataplane
import ServicePolicy
import Testing

/// Slots are dealt evenly, by the set of endpoints alone, and few of them move when that changes.
struct SlotTableTests {
    static func members(_ count: Int, seed: Int = 1) -> [Backend] {
        (0..<count).map { number in
            let value = UInt32(10 << 24 | (seed & 0xFF) << 16 | number + 1)
            return Backend(address: .v4(IPv4Address(rawValue: value)), port: 8080)
        }
    }

    static func shares(_ table: SlotTable, of count: Int) -> [Int] {
        table.owners.reduce(into: Array(repeating: 0, count: count)) { $0[Int($1)] += 1 }
    }

    @Test("slots are dealt within 5 % of an even share", arguments: [2, 3, 5, 10, 17, 32, 100])
    func evenness(_ count: Int) {
        for seed in 1...3 {
            let shares = Self.shares(SlotTable(Self.members(count, seed: seed)), of: count)
            let mean = Double(SlotTable.slotCount) / Double(count)
            for share in shares { #expect(abs(Double(share) / mean - 1) <= 0.05, "\(share) of \(mean)") }
        }
    }

    @Test(
        "when one of n endpoints goes, at the most 1/n + 1 % of the slots move", arguments: [2, 3, 5, 10, 17, 32, 100])
    func disruption(_ count: Int) {
        var worst = 0.0
        for seed in 1...(count > 20 ? 1 : 3) {
            let members = Self.members(count, seed: seed)
            let before = SlotTable(members)
            for gone in stride(from: 0, to: count, by: max(1, count / 8)) {
                var left = members
                left.remove(at: gone)
                let after = SlotTable(left)
                let moved = (0..<SlotTable.slotCount).count { slot in
                    members[Int(before.owners[slot])] != left[Int(after.owners[slot])]
                }
                worst = max(worst, Double(moved) / Double(SlotTable.slotCount) - 1 / Double(count))
            }
        }
        print("slots: one of \(count) goes: at the most 1/\(count) + \((worst * 10_000).rounded() / 100) % move")
        #expect(worst <= 0.01)
    }

    @Test("the order of the endpoints does not matter, and addresses of IPv6 count whole")
    func order() {
        let address = IPAddress.v6(IPv6Address(high: 0xFD00 << 48, low: 1))
        let members = Self.members(12) + [1, 2].map { Backend(address: address, port: $0) }
        let table = SlotTable(members)
        var other = members
        other.shuffle()
        let shuffled = SlotTable(other)
        for slot in 0..<SlotTable.slotCount {
            #expect(members[Int(table.owners[slot])] == other[Int(shuffled.owners[slot])])
        }
        #expect(SlotTable([]).owners.isEmpty)
        #expect(SlotTable(Self.members(1)).owners == Array(repeating: 0, count: SlotTable.slotCount))
    }

    /// Nodes of different versions have to agree: a table that changes moves nearly all flows of a cluster that is half upgraded.
    @Test("the table is the same in every version")
    func stability() {
        let owners = SlotTable(Self.members(3)).owners
        let digest = owners.reduce(UInt64(14_695_981_039_346_656_037)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
        #expect(digest == 1_480_663_479_067_965_123, "\(digest)")
    }
}
