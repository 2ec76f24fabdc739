/// What a run found, as text and as Markdown.
struct Report {
    /// One table.
    struct Table {
        var header: [String]
        var rows: [[String]] = []
        var notes: [String] = []
    }

    /// The machine and the options.
    var machine: [String]
    /// The tables, under their headlines.
    var sections: [(title: String, tables: [Table])] = []

    /// Plain text of 110 columns at the most.
    var text: String {
        var lines = machine
        for section in sections {
            lines += ["", section.title]
            for table in section.tables { lines += [""] + Self.text(table) }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The same as Markdown.
    var markdown: String {
        var lines = machine
        for section in sections {
            lines += ["", "## \(section.title)"]
            for table in section.tables {
                lines += ["", Self.row(table.header), Self.row(table.header.map { _ in "---" })]
                lines += table.rows.map(Self.row)
                if !table.notes.isEmpty { lines += [""] + table.notes }
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func row(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }

    private static func text(_ table: Table) -> [String] {
        let widths = table.header.indices.map { column in
            ([table.header] + table.rows).map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        func line(_ cells: [String]) -> String {
            let padded = zip(cells, widths).map { cell, width in
                cell + String(repeating: " ", count: width - cell.count)
            }
            let text = "  " + padded.joined(separator: "  ")
            return String(text.reversed().drop { $0 == " " }.reversed())
        }
        let rule = "  " + String(repeating: "─", count: widths.reduce(2 * (widths.count - 1), +))
        return [line(table.header), rule] + table.rows.map(line) + table.notes.map { "  \($0)" }
    }
}
