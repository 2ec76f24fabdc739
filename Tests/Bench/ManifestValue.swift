/// A piece of an API object, with its properties in the order in which they are written.
indirect enum ManifestValue {
    case object([(String, ManifestValue)])
    case list([ManifestValue])
    case text(String)
    case number(Int)
    case flag(Bool)
}

/// How manifests are written.
enum ManifestFormat: String, CaseIterable {
    /// Several documents in a file, as `kubectl get -o yaml` indents them.
    case yaml
    /// One `kind: List` in a file, as `kubectl get -o json` prints it.
    case json
}

/// Writes values as text.
struct ManifestText {
    private(set) var text = ""

    /// Takes what has been written so far.
    mutating func take() -> String {
        defer { text = "" }
        return text
    }

    mutating func raw(_ piece: String) { text += piece }

    // MARK: YAML

    /// A document, from the beginning of a line to the end of one.
    mutating func yaml(_ value: ManifestValue, _ indent: String = "") {
        switch value {
        case .object(let properties):
            for (index, property) in properties.enumerated() {
                if index > 0 { text += indent }
                text += property.0
                text += ":"
                yamlProperty(property.1, indent)
            }
        case .list(let items):
            for (index, item) in items.enumerated() {
                if index > 0 { text += indent }
                text += "- "
                yaml(item, indent + "  ")
            }
        case .text, .number, .flag:
            scalar(value, isQuoted: false)
            text += "\n"
        }
    }

    private mutating func yamlProperty(_ value: ManifestValue, _ indent: String) {
        switch value {
        case .object:
            text += "\n\(indent)  "
            yaml(value, indent + "  ")
        case .list:
            text += "\n\(indent)"
            yaml(value, indent)
        case .text, .number, .flag:
            text += " "
            yaml(value, indent)
        }
    }

    // MARK: JSON

    /// A value, without a line's end.
    mutating func json(_ value: ManifestValue, _ indent: String = "") {
        switch value {
        case .object(let properties):
            json(properties, "{", "}", indent) { writer, property, indent in
                writer.text += "\"\(property.0)\": "
                writer.json(property.1, indent)
            }
        case .list(let items):
            json(items, "[", "]", indent) { writer, item, indent in writer.json(item, indent) }
        case .text, .number, .flag: scalar(value, isQuoted: true)
        }
    }

    private mutating func json<Item>(
        _ items: [Item], _ open: String, _ close: String, _ indent: String,
        _ write: (inout ManifestText, Item, String) -> Void
    ) {
        let inner = indent + "    "
        text += open
        for (index, item) in items.enumerated() {
            text += index == 0 ? "\n" : ",\n"
            text += inner
            write(&self, item, inner)
        }
        text += "\n\(indent)\(close)"
    }

    private mutating func scalar(_ value: ManifestValue, isQuoted: Bool) {
        switch value {
        case .number(let number): text += String(number)
        case .flag(let flag): text += flag ? "true" : "false"
        case .text(let string):
            // Only what would be read as something else needs quotes in YAML: here, points in time.
            let quotes = isQuoted || string.hasSuffix("Z")
            if quotes { text += "\"" }
            text += string
            if quotes { text += "\"" }
        case .object, .list: break
        }
    }
}
