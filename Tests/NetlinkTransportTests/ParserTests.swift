import DataplaneTestKit
import Netfilter
import NetworkTypes
import ServiceDataplane
import Testing

@testable import NetlinkTransport

@Suite("Parsers of what the kernel sends")
struct ParserTests {
    /// Walks everything that there is to walk; returns how many bytes of values it has seen.
    private func walk(_ bytes: UnsafeRawBufferPointer) -> Int {
        var seen = 0
        func walk(_ attributes: AttributeSequence, depth: Int) {
            for attribute in attributes {
                seen += attribute.value.reduce(0) { $0 | Int($1) } & 1 + attribute.value.count
                _ = attribute.number
                _ = attribute.text
                _ = UserData.comment(attribute.value)
                _ = ElementKey(bytes: attribute.value)
                if depth < 4 { walk(attribute.nested, depth: depth + 1) }
            }
        }
        for message in MessageSequence(bytes) {
            walk(message.attributes, depth: 0)
            _ = ErrorReport(message)
            for offset in [0, 1, 20, 300, nil] {
                _ = BatchNaming.object(sequence: message.sequence, offset: offset, in: bytes) { _, _ in
                    Tables.services
                }
            }
        }
        walk(AttributeSequence(bytes), depth: 0)
        return seen
    }

    private func batch() throws(NetlinkError) -> [UInt8] {
        let transaction = KernelBench.transaction(Tables.random(seed: 3, count: 2))
        let batch = try BatchEncoder.encode(transaction, generation: 7, firstSequence: 1, isComplete: true)
        return Array(batch.writer.bytes)
    }

    @Test("A batch is read message by message to its end")
    func whole() throws {
        let bytes = try batch()
        bytes.withUnsafeBytes { buffer in
            let messages = Array(MessageSequence(buffer))
            #expect(messages.map(\.sequence) == (1...UInt32(messages.count)).map { $0 })
            #expect(messages.first?.type == NFTMessage.batchBegin && messages.last?.type == NFTMessage.batchEnd)
            #expect(messages.reduce(0) { $0 + $1.payload.count + 16 } == buffer.count)
            let asking = messages.filter { $0.flags & NetlinkFlag.acknowledge != 0 }
            #expect(asking.map(\.sequence) == [UInt32(messages.count) - 1])
            #expect(messages.first?.attributes.first(1)?.number == 7)
        }
    }

    @Test("Bytes that end too early never lead beyond the end")
    func truncated() throws {
        let bytes = Array(try batch().prefix(4000))
        for count in 0..<bytes.count where count < 600 || count % 37 == 0 {
            // A buffer of exactly this size: reading beyond it is an error that a checked build notices.
            let part = Array(bytes[..<count])
            part.withUnsafeBytes { _ = walk($0) }
        }
    }

    @Test("Changed and random bytes never crash a parser", arguments: UInt64(1)...4)
    func random(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let bytes = Array(try batch().prefix(3000))
        var seen = 0
        for _ in 0..<150 {
            var changed = bytes
            for _ in 0..<Int.random(in: 1...20, using: &random) {
                changed[Int.random(in: 0..<changed.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            changed.withUnsafeBytes { seen += walk($0) }
            let noise = (0..<Int.random(in: 0...200, using: &random)).map { _ in
                // Small numbers make lengths that fit.
                random.oneIn(2) ? UInt8.random(in: 0...40, using: &random) : UInt8.random(in: 0...255, using: &random)
            }
            noise.withUnsafeBytes { seen += walk($0) }
        }
        #expect(seen > 0)
    }

    @Test(
        "A comment is read from well-formed user data only",
        arguments: [
            ([0, 2, 97, 0], "a"), ([0, 1, 97], "a"), ([1, 1, 9, 0, 2, 98, 0], "b"), ([0, 0], ""), ([], nil), ([0], nil),
            ([0, 5, 97, 0], nil), ([1, 200, 0], nil), ([3, 0], nil),
        ] as [([UInt8], String?)])
    func comment(_ bytes: [UInt8], _ expected: String?) {
        #expect(bytes.withUnsafeBytes { UserData.comment($0) } == expected)
    }

    @Test("A key and the one after it are one apart, up to the last")
    func increments() {
        for (family, bytes) in [(IPFamily.ipv4, 4), (.ipv6, 16)] {
            var highest = ElementKey()
            for offset in stride(from: 0, to: bytes, by: 4) { highest[offset] = .max }
            #expect(highest.incremented(bytes: bytes) == nil)
            #expect(ElementKey().decremented(bytes: bytes) == highest)
            var key = KeyBuilder()
            key.append(Scene.address(family, 1, 0))
            let before = key.key.decremented(bytes: bytes)
            #expect(before != key.key && before.incremented(bytes: bytes) == key.key)
        }
    }

    @Test("The writer grows, pads with zeros and nests")
    func writer() {
        var writer = MessageWriter(capacity: 8)
        let message = writer.beginMessage(type: 5, flags: 1, sequence: 9, family: 2)
        let nest = writer.beginNest(3)
        writer.put(1, "abc\u{E9}")
        writer.put(2, 0x0102_0304)
        writer.endNest(nest)
        writer.endMessage(message)
        let found = MessageSequence(writer.bytes).first { _ in true }
        #expect(found?.sequence == 9 && found?.family == 2)
        let inner = found?.attributes.first(3)?.nested
        #expect(inner?.first(1)?.text == "abc\u{E9}" && inner?.first(2)?.number == 0x0102_0304)
        #expect(writer.bytes.count == 20 + 4 + 12 + 8)
    }
}
