/// Finds what matters in a sequence of steps that fails.
public enum Shrinking {
    /// A part of the steps that still fails, and from which no single step can be taken (or the tries are used up).
    ///
    /// - Parameters:
    ///   - steps: fail as they are.
    ///   - tries: the most calls of `fails`.
    ///   - fails: whether steps fail.
    public static func minimal<Step>(
        _ steps: [Step], tries: Int = 200, fails: ([Step]) throws -> Bool
    ) rethrows -> [Step] {
        var steps = steps
        var tries = tries
        var size = max(steps.count / 2, 1)
        while true {
            var start = 0
            var hasShrunk = false
            while start < steps.count, tries > 0 {
                var fewer = steps
                fewer.removeSubrange(start..<min(start + size, steps.count))
                tries -= 1
                if !fewer.isEmpty, try fails(fewer) {
                    steps = fewer
                    hasShrunk = true
                } else {
                    start += size
                }
            }
            if tries == 0 || size == 1 && !hasShrunk { return steps }
            size = max(size / 2, 1)
        }
    }
}
