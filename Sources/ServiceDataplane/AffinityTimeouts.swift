/// The affinity timeouts in seconds that the tables have rules for: each has a set of its own.
///
/// A timeout keeps its position as long as it is here, for the position decides which set is meant by a `SetID`. Positions that
/// have become vacant are used again.
public struct AffinityTimeouts: Hashable, Sendable {
    /// What most Services have: the API's default, three hours. There are always rules for it.
    public static let usual = 10_800
    /// What the API allows.
    static let allowed = 1...86_400

    private var positions: [Int?] = [AffinityTimeouts.usual]

    /// The usual timeout and these; those that the API does not allow are left out.
    public init(_ timeouts: Set<Int> = []) {
        positions += timeouts.filter { Self.allowed.contains($0) && $0 != Self.usual }.sorted()
    }

    /// All timeouts with their positions.
    var all: [(position: Int, seconds: Int)] {
        positions.enumerated().compactMap { position, seconds in seconds.map { (position, $0) } }
    }

    /// The timeout at a position; nil if it is vacant.
    func seconds(at position: Int) -> Int? { positions.indices.contains(position) ? positions[position] : nil }

    /// The position of a timeout; it is added if it is new.
    mutating func position(of seconds: Int) -> Int {
        if let position = positions.firstIndex(of: seconds) { return position }
        if let vacant = positions.firstIndex(of: nil) {
            positions[vacant] = seconds
            return vacant
        }
        positions.append(seconds)
        return positions.count - 1
    }

    /// Takes a timeout out.
    mutating func remove(_ seconds: Int) {
        if let position = positions.firstIndex(of: seconds) { positions[position] = nil }
    }

    /// The timeouts that tables with these sets have rules for.
    static func provided(by names: some Sequence<Set<String>>) -> Set<Int> {
        let prefix = AffinitySchema.membersPrefix
        return Set(
            names.flatMap { sets in
                sets.compactMap { name -> Int? in
                    guard name.hasPrefix(prefix), let seconds = Int(name.dropFirst(prefix.count)),
                        allowed.contains(seconds), name == AffinitySchema.membersName(timeout: seconds)
                    else { return nil }
                    return seconds
                }
            })
    }
}
