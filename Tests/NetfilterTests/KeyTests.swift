import Netfilter
import NetworkTypes
import Testing

@Suite("Keys: fields in, bytes out")
struct KeyTests {
    private func bytes(_ key: ElementKey, _ count: Int) -> [UInt8] {
        var result = [UInt8](repeating: 0xAA, count: count)
        result.withUnsafeMutableBytes { if let base = $0.baseAddress { key.write(to: base, count: count) } }
        return result
    }

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test("An IPv4 frontend with a slot is sixteen bytes, the slot in host byte order")
    func ipv4Bytes() throws {
        var key = KeyBuilder()
        key.append(try address("10.96.0.1"))
        key.append(.udp)
        key.append(port: 0x1234)
        key.append(slot: 258)
        #expect(key.count == 16)
        #expect(bytes(key.key, 16) == [10, 96, 0, 1, 17, 0, 0, 0, 0x12, 0x34, 0, 0, 2, 1, 0, 0])
    }

    @Test("An IPv6 frontend with a slot is 28 bytes")
    func ipv6Bytes() throws {
        var key = KeyBuilder()
        key.append(try address("fd00:1122:3344:5566:7788:99aa:bbcc:ddee"))
        key.append(.sctp)
        key.append(port: 443)
        key.append(slot: 3)
        #expect(key.count == 28)
        let address: [UInt8] = [
            0xFD, 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE,
        ]
        #expect(bytes(key.key, 28) == address + [132, 0, 0, 0, 0x01, 0xBB, 0, 0, 3, 0, 0, 0])
    }

    @Test("A key that is read from its bytes is the same key", arguments: [4, 8, 12, 16, 20, 28, 32, 36, 40])
    func roundTrip(count: Int) {
        let original = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 1) }
        let key = original.withUnsafeBytes { ElementKey(bytes: $0) }
        #expect(bytes(key, count) == original)
        #expect(original.withUnsafeBytes { ElementKey(bytes: $0) } == key)
    }

    @Test("Bytes beyond the capacity are ignored, missing ones are zero")
    func capacity() {
        let long = (0..<60).map { UInt8($0) }
        let key = long.withUnsafeBytes { ElementKey(bytes: $0) }
        #expect(bytes(key, 40) == Array(long.prefix(40)))
        let empty: [UInt8] = []
        #expect(empty.withUnsafeBytes { ElementKey(bytes: $0) } == ElementKey())
    }

    @Test("Each of the ten words is set and read by its offset alone")
    func words() {
        for offset in stride(from: 0, to: ElementKey.capacity, by: 4) {
            var key = ElementKey()
            key[offset] = 0xDEAD_BEEF
            for other in stride(from: 0, to: ElementKey.capacity, by: 4) {
                #expect(key[other] == (other == offset ? 0xDEAD_BEEF : 0))
            }
            key[offset] = 0
            #expect(key == ElementKey())
        }
    }

    @Test("Keys sort by address, then protocol, then port")
    func order() throws {
        func key(_ text: String, _ transport: TransportProtocol, _ port: UInt16) throws -> ElementKey {
            var key = KeyBuilder()
            key.append(try address(text))
            key.append(transport)
            key.append(port: port)
            return key.key
        }
        for (low, high) in [("9.255.255.255", "10.0.0.0"), ("fd00::ffff", "fd00::1:0")] {
            let sorted = [
                try key(low, .tcp, 80), try key(low, .tcp, 256), try key(low, .udp, 1), try key(low, .sctp, 1),
                try key(high, .tcp, 1),
            ]
            #expect(Array(sorted.reversed()).sorted() == sorted)
        }
    }

    @Test("Equal keys hash equally, and keys that differ in any word are different")
    func identity() {
        var keys: Set<ElementKey> = [ElementKey()]
        for offset in stride(from: 0, to: ElementKey.capacity, by: 4) {
            var key = ElementKey()
            key[offset] = 1
            #expect(keys.insert(key).inserted)
            #expect(keys.contains(key))
        }
        #expect(keys.count == 11)
    }
}
