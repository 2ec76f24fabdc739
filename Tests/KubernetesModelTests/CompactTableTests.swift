import KubernetesModel
import Testing

@Suite("Tables of many values")
struct CompactTableTests {
    private struct Entry: CompactTableEntry, Hashable {
        var key: Int
        var value: Int
    }

    @Test("A compact table equals a dictionary through any changes", arguments: [3, 70, 1500])
    func dictionary(keys: Int) {
        var random = Numbers(state: UInt64(keys))
        var expected: [Int: Int] = [:]
        var table = CompactTable<Entry>()
        for step in 0..<keys * 12 {
            let key = random.below(keys)
            if step % (keys * 5) == keys { table.reserveCapacity(keys + step / 4) }
            // More come at first, more go later, so that it fills and empties.
            if random.below(keys * 12) > step {
                expected[key] = step
                table[key] = Entry(key: key, value: step)
            } else if step % 2 == 0 {
                #expect(table.removeValue(forKey: key)?.value == expected.removeValue(forKey: key))
            } else {
                expected[key] = nil
                table[key] = nil
            }
            #expect(table.count == expected.count)
        }
        #expect((0..<keys).allSatisfy { table[$0]?.value == expected[$0] })
        #expect(Dictionary(uniqueKeysWithValues: table.values.map { ($0.key, $0.value) }) == expected)
    }

    @Test("Positions with equal hashes are told apart by who asks, and each is found after others have gone")
    func collisions() {
        var index = PositionIndex()
        let hashes: [UInt32] = [0, 1, .max, 1 << 31]
        for position in 0..<400 { index.insert(position, hashes[position % 4]) }
        for position in stride(from: 0, to: 400, by: 3) { index.remove(position, hashes[position % 4]) }
        for position in 0..<400 {
            let found = index.position(hashes[position % 4]) { $0 == position }
            #expect(found == (position % 3 == 0 ? nil : position))
        }
        #expect(index.count == 266)
    }

    @Test("Positions spread over the places: to find one takes a look at few")
    func spread() {
        var index = PositionIndex()
        for position in 0..<3000 { index.insert(position, PositionIndex.hash(position)) }
        let probes = (0..<3000).map { index.probes($0, PositionIndex.hash($0)) }
        #expect(probes.allSatisfy { $0 > 0 } && probes.reduce(0, +) < 8 * 3000)
    }

    @Test("A list in pieces is a list")
    func pieces() {
        var list = ChunkedList<Int>()
        for number in 0..<1000 { list.append(number) }
        for number in stride(from: 0, to: 1000, by: 7) { list[number] += 1 }
        #expect(list.count == 1000)
        #expect(list.elementsEqual((0..<1000).map { $0 % 7 == 0 ? $0 + 1 : $0 }))
    }

    /// A linear congruential generator: the same numbers on every machine.
    private struct Numbers {
        var state: UInt64

        mutating func below(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
    }
}
