import CManifest

/// How a text falls into parts that can be decoded by themselves.
enum Division: Equatable {
    /// Not at all.
    case whole
    /// At lines that begin with `---`.
    case documents
    /// Into the items of a list.
    case list(ListItems)
}

/// What a list says of its items.
struct ListItems: Equatable {
    /// The version and kind that items of a typed list do not repeat.
    let type: [String]

    /// As the decoder takes it.
    var header: (version: String, kind: String)? { type.count == 2 ? (type[0], type[1]) : nil }
}

/// A part of a text that has to be decoded.
struct Piece {
    /// The part; the parts of a text leave nothing between them.
    let range: Range<Int>
    /// What of it is parsed: a list's item without the comma behind it.
    let content: Range<Int>
}

/// Cuts a text into parts.
struct TextCutter {
    let text: UnsafeRawBufferPointer
    /// Where the first part begins.
    let start: Int
    /// Set if the parts are the items of a list.
    let items: ListItems?
    /// Where the last part ends.
    private let end: Int
    private let isWhole: Bool

    /// Takes the text as one part.
    init(whole text: UnsafeRawBufferPointer) {
        self.text = text
        start = 0
        end = text.count
        items = nil
        isWhole = true
    }

    /// Cuts at document markers.
    init(documents text: UnsafeRawBufferPointer) {
        self.text = text
        start = 0
        end = text.count
        items = nil
        isWhole = false
    }

    /// Cuts a list in JSON into its items; nil if the text begins with something else.
    init?(list text: UnsafeRawBufferPointer) {
        let bytes = text.bindMemory(to: UInt8.self)
        start = fl_json_list(bytes.baseAddress, bytes.count)
        // If another bracket closes the list, the items do not end here, and the text is not cut.
        guard start > 0, let close = text.lastIndex(of: UInt8(ascii: "]")), close > start,
            fl_json_list_ends(bytes.baseAddress, bytes.count, close)
        else { return nil }
        guard let items = Self.items(Array(text[..<start]) + Array(text[close...])) else { return nil }
        self.text = text
        self.items = items
        end = close
        isWhole = false
    }

    /// Whether no part begins here, as the last one ended.
    func isEnd(_ offset: Int) -> Bool { offset == end }

    /// The part of the text that the parts fill.
    var range: Range<Int> { start..<end }

    /// Whether a part that ends here in another text, too, would do so in this one.
    ///
    /// - Parameter last: Whether it was the last part.
    func isBoundary(_ offset: Int, last: Bool) -> Bool {
        if items != nil { return last ? offset == end : offset < end && text[offset] == UInt8(ascii: "{") }
        if isWhole { return offset == end }
        return fl_starts_document(text.bindMemory(to: UInt8.self).baseAddress, text.count, offset)
    }

    /// The part that begins here; nil if the text cannot be cut.
    func piece(at offset: Int) -> Piece? {
        if isWhole { return Piece(range: offset..<text.count, content: offset..<text.count) }
        guard let bytes = text.bindMemory(to: UInt8.self).baseAddress else { return nil }
        if items != nil {
            var end = 0
            let next = fl_json_item(bytes, text.count, offset, &end)
            return next == 0 || next > self.end ? nil : Piece(range: offset..<next, content: offset..<end)
        }
        let next = fl_next_document(bytes, text.count, offset)
        // A directive may reach over a document marker.
        return fl_has_directives(bytes + offset, next - offset)
            ? nil : Piece(range: offset..<next, content: offset..<next)
    }

    /// Reads the text of a list without its items.
    private static func items(_ frame: [UInt8]) -> ListItems? {
        guard let arena = ManifestArena() else { return nil }
        return frame.withUnsafeBytes { frame in
            var items: ListItems?
            try? arena.parse(frame) { roots in
                if roots.count == 1 { items = roots.first.flatMap { DocumentDecoder.listItems($0) } }
            }
            return items
        }
    }
}

extension UnsafeRawBufferPointer {
    /// Whether the text is JSON: then the first byte that is not blank opens an object or a list.
    var isJSON: Bool {
        let content = starts(with: [0xEF, 0xBB, 0xBF]) ? dropFirst(3) : self[...]
        let first = content.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
        return first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
    }

    /// The line feeds in a range.
    func lineCount(in range: Range<Int>) -> Int {
        guard let base = bindMemory(to: UInt8.self).baseAddress else { return 0 }
        return fl_count_lines(base + range.lowerBound, range.count)
    }
}
