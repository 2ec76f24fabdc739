import NetworkTypes

/// A whole table: its schema and the elements of its sets.
public struct TableState: Sendable {
    /// Sets, chains and rules.
    public var schema: TableSchema
    /// The elements of each set that has any.
    public var elements: [SetID: [Element]]

    /// Makes a table.
    public init(schema: TableSchema, elements: [SetID: [Element]] = [:]) {
        self.schema = schema
        self.elements = elements
    }

    /// The text that `nft -f` loads into a ruleset that has no such table, written piece by piece.
    ///
    /// Elements stand in the order of their keys, so that the slots of one frontend are neighbours.
    public func writeText(to output: (String) -> Void) {
        let family = schema.family
        output("table \(family.nftName) \(schema.name) {\n")
        if let comment = schema.comment { output("\tcomment \"\(comment)\"\n\n") }
        for set in schema.sets { writeSet(set, family, to: output) }
        for chain in schema.chains {
            var text = "\tchain \(chain.name) {\n"
            if let comment = chain.comment { text += "\t\tcomment \"\(comment)\"\n" }
            if let hook = chain.hookLine { text += "\t\t\(hook)\n" }
            for rule in chain.rules { text += "\t\t\(rule.text(family))\n" }
            output(text + "\t}\n\n")
        }
        output("}\n")
    }

    private func writeSet(_ set: SetDeclaration, _ family: IPFamily, to output: (String) -> Void) {
        var text = "\t\(set.isMap ? "map" : "set") \(set.name) {\n"
        for line in set.lines(family) { text += "\t\t\(line)\n" }
        let members = (elements[set.id] ?? []).sorted { Self.precedes($0, $1) }
        for (index, element) in members.enumerated() {
            text += index == 0 ? "\t\telements = { " : ",\n\t\t\t     "
            text += set.text(of: element, family)
            if text.utf8.count > 1 << 16 {
                output(text)
                text = ""
            }
        }
        output(text + (members.isEmpty ? "\t}\n\n" : " }\n\t}\n\n"))
    }

    static func precedes(_ left: Element, _ right: Element) -> Bool { left.key < right.key }
}

extension TableState: CustomStringConvertible {
    /// The text that `nft -f` loads.
    public var description: String {
        var text = ""
        writeText { text += $0 }
        return text
    }
}
