import DataplaneTestKit

/// Changes texts and bytes at random, in a way that a seed repeats.
public struct Mutator {
    private var random: SeededGenerator
    /// Pieces that mean something to the parser at hand; they are put in now and then.
    private let pieces: [[UInt8]]

    /// Starts the sequence of a seed.
    public init(seed: UInt64, pieces: [String] = []) {
        random = SeededGenerator(seed: seed &+ Fuzz.seed &* 1_000_003)
        self.pieces = pieces.map { Array($0.utf8) }
    }

    /// A number from the range.
    public mutating func number(in range: Range<Int>) -> Int { Int.random(in: range, using: &random) }

    /// One of the values.
    public mutating func pick<Value>(_ values: [Value]) -> Value { values[number(in: 0..<values.count)] }

    /// The bytes with one to three changes.
    public mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<number(in: 1..<4) { mutate(&bytes) }
        return bytes
    }

    private mutating func mutate(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else {
            bytes = pieces.isEmpty ? [UInt8(truncatingIfNeeded: random.next())] : pick(pieces)
            return
        }
        let place = number(in: 0..<bytes.count)
        let range = place..<min(bytes.count, place + number(in: 1..<24))
        switch number(in: 0..<10) {
        case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
        case 1: bytes[place] ^= 1 << UInt8(number(in: 0..<8))
        case 2: bytes[place] = pick([0, 1, 4, 0x7F, 0x80, 0xFF, 0x0A, 0x20, 0x22])
        case 3: bytes.removeSubrange(range)
        case 4: bytes.insert(contentsOf: bytes[range], at: number(in: 0..<bytes.count + 1))
        case 5: bytes.removeLast(bytes.count - place)
        case 6: bytes.replaceSubrange(range, with: [UInt8](repeating: pick([0, 0xFF, 0x20]), count: range.count))
        case 7: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
        case 8 where !pieces.isEmpty: bytes.replaceSubrange(range, with: pick(pieces))
        default:
            if pieces.isEmpty {
                bytes.swapAt(place, number(in: 0..<bytes.count))
            } else {
                bytes.insert(contentsOf: pick(pieces), at: place)
            }
        }
    }
}
