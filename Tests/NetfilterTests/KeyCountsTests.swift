import Netfilter
import NetworkTypes
import Testing

@Suite("Counts by key")
struct KeyCountsTests {
    @Test("Equal a dictionary through any calls and withdrawals", arguments: [3, 50, 4000], [12, 28, 40])
    func dictionary(keys: Int, width: Int) { compare(keys: keys, width: width) }

    @Test("Room that is made at any time changes nothing", arguments: [50, 4000], [0, 17, 3000])
    func room(keys: Int, capacity: Int) { compare(keys: keys, width: 12, capacity: capacity) }

    private func compare(keys: Int, width: Int, capacity: Int? = nil) {
        var expected: [ElementKey: Int] = [:]
        var counts = KeyCounts(keyBytes: width)
        var state: UInt64 = UInt64(keys * width)
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for step in 0..<keys * 12 {
            if let capacity, step % (keys * 4) == keys { counts.reserveCapacity(capacity + step / 4) }
            var key = ElementKey()
            let number = UInt32(random(keys))
            key[0] = number &* 0x0100_0193
            key[8] = number
            // More calls at first, more withdrawals later, so that it fills and empties.
            if random(keys * 12) > step {
                expected[key, default: 0] += 1
                #expect(counts.increment(key) == expected[key])
            } else {
                let left = expected[key].map { $0 - 1 }
                #expect(counts.decrement(key) == left)
                expected[key] = left == 0 ? nil : left
            }
        }
        #expect(counts.count == expected.count)
        #expect(expected.allSatisfy { counts[$0.key] == $0.value })
    }
}
