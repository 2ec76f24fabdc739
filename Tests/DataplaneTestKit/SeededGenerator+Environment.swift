import Glibc

extension SeededGenerator {
    /// The seed that the environment gives (`FAIRLEAD_SEED`), else a fresh one: whoever uses it prints it.
    public static var environmentSeed: UInt64 {
        number("FAIRLEAD_SEED").map { UInt64($0) } ?? UInt64.random(in: 1...999_999)
    }

    /// A number that the environment gives: how much of a test is to be done.
    public static func number(_ name: String) -> Int? {
        getenv(name).flatMap { Int(String(cString: $0)) }.flatMap { $0 > 0 ? $0 : nil }
    }
}
