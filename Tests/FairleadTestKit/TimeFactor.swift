import Glibc

/// How many times as long as usual everything may take: `FAIRLEAD_TIME_FACTOR`, for programs that a sanitizer slows down.
public enum TimeFactor {
    /// At least 1.
    public static let value: Int = {
        guard let text = getenv("FAIRLEAD_TIME_FACTOR") else { return 1 }
        guard let number = Int(String(cString: text)), number > 0 else {
            preconditionFailure("FAIRLEAD_TIME_FACTOR is not a number")
        }
        return number
    }()
}
