/// The affinity timeouts in seconds that the tables have chains for.
public struct AffinityTimeouts: Hashable, Sendable {
    /// What most Services have: the API's default, three hours. There always is a chain for it.
    public static let usual = 10_800
    /// What the API allows.
    static let allowed = 1...86_400

    private var others: Set<Int>

    /// The usual timeout and these; those that the API does not allow are left out.
    public init(_ timeouts: Set<Int> = []) {
        others = timeouts.filter { Self.allowed.contains($0) && $0 != Self.usual }
    }

    /// All timeouts in seconds, the shortest first.
    var all: [Int] { others.union([Self.usual]).sorted() }

    /// Adds a timeout, if the API allows it.
    mutating func insert(_ seconds: Int) {
        if seconds != Self.usual, Self.allowed.contains(seconds) { others.insert(seconds) }
    }

    /// Takes a timeout out; the usual one stays.
    mutating func remove(_ seconds: Int) { others.remove(seconds) }

    /// The timeouts of both.
    func union(_ other: AffinityTimeouts) -> AffinityTimeouts { AffinityTimeouts(others.union(other.others)) }

    /// The timeouts that tables with these sets and chains have chains for.
    static func provided(by names: some Sequence<Set<String>>) -> Set<Int> {
        let prefix = AffinitySchema.chainPrefix
        return Set(
            names.flatMap { names in
                names.compactMap { name -> Int? in
                    guard name.hasPrefix(prefix), let seconds = Int(name.dropFirst(prefix.count)),
                        allowed.contains(seconds), name == AffinitySchema.chainName(seconds)
                    else { return nil }
                    return seconds
                }
            })
    }
}
