import KubernetesModel
import ManifestSource

/// A tree as JSON text.
enum JSONWriter {
    /// The JSON of a node and all below it.
    static func text(_ node: ManifestNode) -> String {
        switch node.kind {
        case .map:
            "{" + node.keys.map { JSONText.string($0.text) + ":" + text($0.following) }.joined(separator: ",") + "}"
        case .sequence: "[" + node.elements.map(text).joined(separator: ",") + "]"
        case .scalar: scalar(node)
        }
    }

    private static func scalar(_ node: ManifestNode) -> String {
        switch node.value {
        case .null: "null"
        case .boolean(let value): value ? "true" : "false"
        case .integer(let value?): String(value)
        // Numbers that JSON spells differently, or that readers disagree on.
        case .number where node.text.first?.isNumber == true && Double(node.text) != nil: node.text
        case .integer, .ambiguousInteger, .number, .string: JSONText.string(node.text)
        }
    }
}
