import Netfilter
import NetworkTypes
import Testing

@Suite("Counts by key")
struct KeyCountsTests {
    @Test("Equal a dictionary through any calls and withdrawals", arguments: [3, 50, 4000], [12, 28, 40])
    func dictionary(keys: Int, width: Int) { compare(keys: keys, width: width) }

    @Test("Room that is made at any time changes nothing", arguments: [50, 4000], [0, 17, 3000])
    func room(keys: Int, capacity: Int) { compare(keys: keys, width: 12, capacity: capacity) }

    @Test(
        "Endpoints are packed, what looks otherwise is not, and none is taken for another", arguments: IPFamily.allCases
    )
    func endpoints(family: IPFamily) {
        compare(keys: 3000, width: family.addressBits / 8 + 8) { number, key in
            var builder = KeyBuilder()
            let address = IPv4Address(rawValue: 0x0A00_0000 | number >> 2)
            builder.append(
                family == .ipv4 ? .v4(address) : .v6(IPv6Address(high: 0xFD00 << 48, low: UInt64(address.rawValue))))
            if number % 5 != 4 {
                builder.append(number % 2 == 0 ? .tcp : .udp)
                builder.append(port: UInt16(8000 + number % 4))
            }
            key = builder.key
            // A bit that no endpoint has.
            if number % 7 == 0 { key[family.addressBits / 8 + 4] |= 1 << (number % 16) }
        }
    }

    @Test("Counts have no limit", arguments: [12, 24, 32])
    func manyCalls(width: Int) {
        var counts = KeyCounts(keyBytes: width)
        var builder = KeyBuilder()
        builder.append(.v4(IPv4Address(rawValue: 0x0A00_0001)))
        for number in 1...1000 { #expect(counts.increment(builder.key) == number) }
        #expect(counts.count == 1 && counts[builder.key] == 1000)
        for number in (0..<1000).reversed() { #expect(counts.decrement(builder.key) == number) }
        #expect(counts.count == 0 && counts[builder.key] == 0 && counts.decrement(builder.key) == nil)
    }

    private func compare(
        keys: Int, width: Int, capacity: Int? = nil,
        making make: (UInt32, inout ElementKey) -> Void = { number, key in
            key[0] = number &* 0x0100_0193
            key[8] = number
        }
    ) {
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
            make(UInt32(random(keys)), &key)
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
