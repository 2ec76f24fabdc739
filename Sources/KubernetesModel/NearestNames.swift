/// Finds the names that somebody may have meant.
package enum NearestNames {
    /// The names most like one that does not exist, the nearest first.
    ///
    /// A short name and its long form (`alpha`, `alpha.corp.example`) are nearer than any misspelt one: it is the mistake that
    /// hosts' names invite. Equally near names come in their order.
    ///
    /// The name itself is not among them: it may have gone only a moment ago.
    ///
    /// - Parameter limit: how many at the most.
    package static func of(_ name: String, in names: [String], limit: Int = 3) -> [String] {
        let wanted = name.lowercased()
        let rated = Set(names).subtracting([name]).map { other in
            (name: other, distance: distance(wanted, other.lowercased()))
        }
        let sorted = rated.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }
        return sorted.prefix(limit).map(\.name)
    }

    private static func distance(_ left: String, _ right: String) -> Int {
        if left == right { return 0 }
        if left.prefix(while: { $0 != "." }) == right.prefix(while: { $0 != "." }) { return 1 }
        return 1 + edits(Array(left.utf8), Array(right.utf8))
    }

    /// Levenshtein's distance: insertions, deletions and replacements.
    private static func edits(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var row = Array(0...right.count)
        for (index, byte) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in right.indices {
                let replaced = diagonal + (byte == right[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, row[column] + 1, diagonal + 1)
            }
        }
        return row[right.count]
    }
}
