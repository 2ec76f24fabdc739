import CManifest

/// Why a text cannot be parsed, with lines counted from its beginning.
package struct SyntaxError: Error {
    package let line: Int
    package let column: Int
    package let problem: String
    /// What was being parsed and the line where it began.
    let context: (text: String, line: Int)?

    /// The error of a file in which so many lines stand before the text.
    func inFile(_ path: String, linesBefore: Int) -> ManifestError {
        let context = self.context.map { " (\($0.text) from line \(linesBefore + $0.line))" } ?? ""
        return ManifestError(path: path, line: linesBefore + line, column: column, problem: problem + context)
    }
}

/// Owns a C arena. One worker uses one arena for all of its documents, so that memory is taken once.
package final class ManifestArena {
    private let arena: UnsafeMutablePointer<fl_manifest>

    /// Nil if there is no memory.
    ///
    /// - Parameters:
    ///   - keepsDuplicates: whether a key may stand twice in one map; a look-up finds the first then.
    ///   - onlyLibyaml: whether libyaml reads what the quick readers could, to compare them.
    package init?(keepsDuplicates: Bool = false, onlyLibyaml: Bool = false) {
        guard let arena = fl_manifest_new() else { return nil }
        arena.pointee.keeps_duplicates = keepsDuplicates
        arena.pointee.only_libyaml = onlyLibyaml
        self.arena = arena
    }

    deinit { fl_manifest_free(arena) }

    /// Whether the last text needed libyaml: it was neither plain YAML nor strict JSON in ASCII.
    package var usedLibyaml: Bool { arena.pointee.used_libyaml }

    /// How far off its hash a key of a large map had to be put at the most: for tests of how keys spread.
    package var longestSearch: Int { Int(arena.pointee.longest_search) }

    /// Parses text and hands the documents' roots to `body`; the nodes are valid until it returns.
    package func parse(_ text: UnsafeRawBufferPointer, _ body: ([ManifestNode]) -> Void) throws(SyntaxError) {
        let bytes = text.bindMemory(to: UInt8.self)
        guard fl_manifest_parse(arena, bytes.baseAddress, bytes.count) == 0 else {
            throw syntaxError
        }
        body((0..<Int(arena.pointee.root_count)).map { ManifestNode(tree: arena, index: arena.pointee.roots[$0]) })
    }

    private var syntaxError: SyntaxError {
        let problem = withUnsafeBytes(of: &arena.pointee.problem) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        let context = withUnsafeBytes(of: &arena.pointee.context) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        let contextLine = Int(arena.pointee.context_line)
        return SyntaxError(
            line: Int(arena.pointee.error_line), column: Int(arena.pointee.error_column), problem: problem,
            context: contextLine == 0 ? nil : (context, contextLine))
    }
}

/// A node of a parsed document; valid only inside `ManifestArena.parse`.
package struct ManifestNode {
    /// The kinds of nodes.
    package enum Kind: UInt32 {
        case scalar = 0
        case map = 1
        case sequence = 2
    }

    let tree: UnsafePointer<fl_manifest>
    package let index: UInt32

    private var raw: fl_node { tree.pointee.nodes[Int(index)] }

    package var kind: Kind { Kind(rawValue: raw.line_and_kind & 3) ?? .scalar }
    /// The line from 1 in the parsed text.
    package var line: Int { Int(raw.line_and_kind >> UInt32(FL_LINE_SHIFT)) }
    /// Whether a scalar is a string whatever it looks like.
    package var isQuoted: Bool { raw.line_and_kind & UInt32(FL_QUOTED) != 0 }
    /// The number of entries of a map or sequence.
    var count: Int { kind == .scalar ? 0 : Int(raw.start) }
    /// The index just after this node and all below it.
    var end: UInt32 { raw.next }

    /// The bytes of a scalar.
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: tree.pointee.text.map { $0 + Int(raw.start) }, count: Int(raw.length))
    }

    /// The text of a scalar.
    package var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Whether this is a scalar with exactly this text.
    package func equals(_ other: StaticString) -> Bool {
        kind == .scalar && raw.length == other.utf8CodeUnitCount
            && bytes.elementsEqual(UnsafeBufferPointer(start: other.utf8Start, count: other.utf8CodeUnitCount))
    }

    /// Whether this is a scalar that begins with this text.
    func hasPrefix(_ prefix: StaticString) -> Bool {
        kind == .scalar
            && bytes.starts(with: UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount))
    }

    /// The entries of a sequence; none for anything else.
    package var elements: Elements { Elements(tree: tree, index: index + 1, end: kind == .sequence ? end : index + 1) }

    /// No entries.
    var noElements: Elements { Elements(tree: tree, index: 0, end: 0) }

    /// The keys of a map, without merged ones; none for anything else. The value of a key is `key.following`.
    package var keys: Keys { Keys(tree: tree, index: index + 1, end: kind == .map ? end : index + 1) }

    /// The node after this scalar: the value, if this is a key of a map.
    package var following: ManifestNode { ManifestNode(tree: tree, index: end) }

    /// The value of a key of this map; nil if there is none or if it is null, which Kubernetes takes as absent.
    package subscript(key: StaticString) -> ManifestNode? { key.withUTF8Buffer { value($0) } }

    /// The same for a key that is not known when this is compiled.
    subscript(key: String) -> ManifestNode? {
        var key = key
        return key.withUTF8 { value($0) }
    }

    private func value(_ key: UnsafeBufferPointer<UInt8>) -> ManifestNode? {
        guard kind == .map else { return nil }
        let found = key.withMemoryRebound(to: CChar.self) {
            fl_manifest_find(tree, index, $0.baseAddress, $0.count)
        }
        if found == 0 { return nil }
        let node = ManifestNode(tree: tree, index: found)
        return node.isNull ? nil : node
    }

    /// Walks the entries of a sequence.
    package struct Elements: Sequence, IteratorProtocol {
        let tree: UnsafePointer<fl_manifest>
        var index: UInt32
        let end: UInt32

        package mutating func next() -> ManifestNode? {
            guard index < end else { return nil }
            let node = ManifestNode(tree: tree, index: index)
            index = node.end
            return node
        }
    }

    /// Walks the keys of a map.
    package struct Keys: Sequence, IteratorProtocol {
        let tree: UnsafePointer<fl_manifest>
        var index: UInt32
        let end: UInt32

        package mutating func next() -> ManifestNode? {
            guard index < end else { return nil }
            let node = ManifestNode(tree: tree, index: index)
            index = node.following.end
            return node
        }
    }
}
