import Glibc

/// How long fuzz tests run, and the account that they give of it.
public enum Fuzz {
    /// How many times as many inputs as in an ordinary run: `FAIRLEAD_FUZZ_ROUNDS`.
    public static let factor = number("FAIRLEAD_FUZZ_ROUNDS", or: 1)

    /// Added to each seed: `FAIRLEAD_FUZZ_SEED`. Another number makes other inputs.
    public static let seed = UInt64(number("FAIRLEAD_FUZZ_SEED", or: 0))

    private static func number(_ name: String, or standard: Int) -> Int {
        guard let text = getenv(name) else { return standard }
        guard let number = Int(String(cString: text)), number >= 0 else {
            preconditionFailure("\(name) is not a number")
        }
        return number
    }

    /// The number of inputs to try.
    ///
    /// - Parameter ordinary: how many it takes a few seconds to try.
    public static func rounds(_ ordinary: Int) -> Int { ordinary * max(1, factor) }

    /// Says how many inputs were tried, and what became of them.
    public static func report(_ what: String, _ count: Int, _ outcome: String = "") {
        print("fuzz: \(what): \(count) inputs" + (outcome.isEmpty ? "" : ", \(outcome)"))
    }
}
