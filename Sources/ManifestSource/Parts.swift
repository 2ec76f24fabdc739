import CManifest

/// What is remembered of bytes in order to know them again. A manifest may be large; its bytes are not kept.
struct Fingerprint: Hashable {
    let low: UInt64
    let high: UInt64

    /// Another one in each process, so that nobody can prepare two texts that look the same.
    private static let key = (0..<4).map { _ in UInt64.random(in: .min ... .max) }

    init(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) {
        let bytes = UnsafeRawBufferPointer(rebasing: text[range]).bindMemory(to: UInt8.self)
        let result = fl_fingerprint(bytes.baseAddress, bytes.count, Self.key)
        (low, high) = (result.low, result.high)
    }
}

/// The parts of the last good text, in order and without gaps.
struct Parts {
    fileprivate struct Part {
        let document: DecodedDocument
        let length: Int
        let fingerprint: Fingerprint
        let lineCount: Int32
        /// Whether the document has more than objects: what has not is not looked at.
        let isNoted: Bool
    }

    private var parts: [Part] = []
    /// Where the first part begins.
    var start = 0
    /// The line feeds before the first part.
    var startLine = 0

    var count: Int { parts.count }

    /// Where each part begins, and the last one ends.
    var offsets: [Int] {
        var offsets: [Int] = []
        offsets.reserveCapacity(parts.count + 1)
        var offset = start
        for part in parts {
            offsets.append(offset)
            offset += part.length
        }
        offsets.append(offset)
        return offsets
    }

    subscript(_ index: Int) -> DecodedDocument { parts[index].document }

    /// What the bytes of a part are known by.
    func fingerprint(_ index: Int) -> Fingerprint { parts[index].fingerprint }

    /// Calls `body` for each document, with the lines before it.
    func forEach(_ body: (DecodedDocument, Int) -> Void) {
        var line = startLine
        for part in parts {
            body(part.document, line)
            line += Int(part.lineCount)
        }
    }

    /// Calls `body` for each document with findings or skipped objects.
    func forEachNoted(_ body: (DecodedDocument, Int) -> Void) {
        var line = startLine
        for part in parts {
            if part.isNoted { body(part.document, line) }
            line += Int(part.lineCount)
        }
    }

    /// The documents at some places, sorted, with the lines before them.
    func documents(at indices: [Int]) -> [(document: DecodedDocument, linesBefore: Int)] {
        var line = startLine
        var known = 0
        return indices.map { index in
            while known < index {
                line += Int(parts[known].lineCount)
                known += 1
            }
            return (parts[index].document, line)
        }
    }

    /// Puts new documents where an alignment has them.
    mutating func replace(
        _ alignment: Alignment, with decoded: [DecodedDocument], of text: UnsafeRawBufferPointer
    ) {
        var fresh = zip(decoded, alignment.fresh).makeIterator()
        let middle = alignment.middle.compactMap { source -> Part? in
            switch source {
            case .known(let index): return parts[index]
            case .fresh: return fresh.next().map { Part($0, Fingerprint(text, $1.range), length: $1.range.count) }
            }
        }
        parts.replaceSubrange(alignment.replaced, with: middle)
    }
}

extension Parts.Part {
    init(_ document: DecodedDocument, _ fingerprint: Fingerprint, length: Int) {
        self.init(
            document: document, length: length, fingerprint: fingerprint,
            lineCount: document.lineCount,
            isNoted: !document.findings.isEmpty || !document.skipped.isEmpty)
    }
}
