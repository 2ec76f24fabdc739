/// A page of 110 columns at the most, with colour where it is shown on a terminal.
struct Paper {
    /// How a row is meant.
    enum Mood {
        case good
        case bad
    }

    let hasColour: Bool
    private static let widths = [15, 32, 38, 21]

    func line(_ text: String) { print(text) }

    func title(_ text: String) { print(painted(text, "1")) }

    func header(_ cells: [String]) { print(painted("  " + joined(cells), "4")) }

    func row(_ cells: [String], _ mood: Mood) {
        var cells = zip(cells, Self.widths).map { padded($0, $1) }
        if hasColour { cells[2] = painted(cells[2], mood == .good ? "32" : "33") }
        print("  " + cells.joined(separator: " "))
    }

    func note(_ text: String) { print(painted("      \(text)", "2")) }

    private func joined(_ cells: [String]) -> String {
        zip(cells, Self.widths).map { padded($0, $1) }.joined(separator: " ")
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private func painted(_ text: String, _ code: String) -> String {
        hasColour ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }
}
