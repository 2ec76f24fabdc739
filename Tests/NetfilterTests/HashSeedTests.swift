import Netfilter
import NetworkTypes
import Testing

@Suite("Tables over what tenants choose")
struct HashSeedTests {
    /// Endpoints whose keys all had the same place in a table of 4,096 under a hash that anybody can compute: what was used
    /// before hashes had a key of the process.
    private static func colliding(_ count: Int) -> [ElementKey] {
        var keys: [ElementKey] = []
        var number: UInt32 = 0
        while keys.count < count {
            var key = KeyBuilder()
            key.append(.v4(IPv4Address(rawValue: 0x0A00_0000 | number >> 8)))
            key.append(.tcp)
            key.append(port: UInt16(8000 + number & 0xFF))
            number += 1
            if formerHash(key.key) & 0xFFF == 0x123 { keys.append(key.key) }
        }
        return keys
    }

    private static func formerHash(_ key: ElementKey) -> UInt64 {
        var hash: UInt64 = 0
        for index in 0..<2 {
            let word = UInt64(key[index * 8]) << 32 | UInt64(key[index * 8 + 4])
            let product = (hash ^ word).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
            hash = product.high ^ product.low
        }
        return hash ^ hash >> 29
    }

    @Test("addresses chosen to collide do not make looking up slow: hashes have a key of the process")
    func collisions() {
        let keys = Self.colliding(400)
        var counts = KeyCounts(keyBytes: 12)
        counts.reserveCapacity(3000)
        var observed = ObservedElements(keyBytes: 12, valueBytes: 0)
        observed.reserveCapacity(2700)
        for key in keys {
            #expect(counts.increment(key) == 1)
            observed.insert(key, ElementKey())
        }
        let inCounts = keys.map { counts.probes(for: $0) }
        let inObserved = keys.map { observed.probes(for: $0) }
        // Under the former hash: 200 on average. Now one or two; that many are an accident of one case in 10^30.
        #expect(inCounts.reduce(0, +) < 20 * keys.count && (inCounts.max() ?? 0) < 64)
        #expect(inObserved.reduce(0, +) < 20 * keys.count && (inObserved.max() ?? 0) < 64)
    }
}
