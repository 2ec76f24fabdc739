/// The way from an object down to a field.
package struct FieldPath: Hashable, Sendable {
    /// One step down.
    package enum Step: Hashable, Sendable {
        /// The field, or the key of a map.
        case key(String)
        /// The entry of a list, counted from 0.
        case index(Int)
    }

    /// The steps, the first one from the object.
    package var steps: [Step]

    /// Makes a path.
    package init(_ steps: [Step] = []) { self.steps = steps }

    /// Makes a path of fields that have no lists between them: `spec.clusterIP`.
    package init(_ keys: String...) { steps = keys.map { .key($0) } }

    /// The path to an entry of the list at this path, or to a field of that entry.
    package func entry(_ index: Int, _ field: String? = nil) -> FieldPath {
        FieldPath(steps + [.index(index)] + (field.map { [.key($0)] } ?? []))
    }

    /// The path to a field, or to the value of a key, of what is at this path.
    package func field(_ key: String) -> FieldPath { FieldPath(steps + [.key(key)]) }
}

extension FieldPath: CustomStringConvertible {
    /// As findings show it: `spec.ports[0].port`, `metadata.annotations[fairlead.dev/x]`; empty for the object itself.
    package var description: String {
        var text = ""
        for step in steps {
            switch step {
            case .index(let index): text += "[\(index)]"
            case .key(let key) where key.utf8.contains { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "/") }:
                text += "[\(key.printable)]"
            case .key(let key): text += text.isEmpty ? key.printable : ".\(key.printable)"
            }
        }
        return text
    }
}

/// Why an object is invalid: what the rules of this target throw, whoever read the object.
package struct FieldProblem: Error, Hashable, Sendable {
    /// The field at fault; empty from a rule about a single value that was told no path.
    package var path: FieldPath
    /// What is wrong, one sentence, no trailing period.
    package var message: String

    /// Makes a problem.
    package init(_ path: FieldPath, _ message: String) {
        self.path = path
        self.message = message
    }
}

/// Something doubtful about an object that is used all the same.
package struct FieldNote: Hashable, Sendable {
    /// How much it matters.
    package var severity: Finding.Severity
    /// `Finding.code`.
    package var code: String
    /// The field in question.
    package var path: FieldPath
    /// What is to be said of it, one sentence, no trailing period.
    package var message: String
}
