/// A page of 110 columns at the most, with colour where it is shown on a terminal.
struct Paper {
    /// How a row is meant.
    enum Mood {
        case good
        case bad
    }

    let hasColour: Bool
    private static let widths = [14, 33, 36, 21]

    func line(_ text: String) { print(text) }

    func title(_ text: String) { print(painted(text, "1")) }

    func header(_ cells: [String]) { print("  " + painted(padded(cells).joined(separator: " "), "4")) }

    func row(_ cells: [String], _ mood: Mood) {
        var cells = padded(cells)
        cells[2] = painted(cells[2], mood == .good ? "32" : "33")
        print("  " + cells.joined(separator: " "))
    }

    func note(_ text: String) { print(painted("      \(text)", "2")) }

    /// Every cell but the last as wide as its column.
    private func padded(_ cells: [String]) -> [String] {
        zip(cells, Self.widths).enumerated().map { index, cell in
            index == cells.count - 1 ? cell.0 : cell.0 + String(repeating: " ", count: max(0, cell.1 - cell.0.count))
        }
    }

    private func painted(_ text: String, _ code: String) -> String {
        hasColour ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }
}
