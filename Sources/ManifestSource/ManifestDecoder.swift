import CManifest
import Dispatch
import KubernetesModel

/// Turns the text of a manifest file into objects, and remembers by what the documents of the last good text are known:
/// decoding a changed file again costs no more than its changed documents.
///
/// One decoder belongs to one file.
public struct ManifestDecoder: Sendable {
    private let path: String
    private let workers: Int
    private let readsDetails: Bool
    /// What surrounds the parts of the last good text; nil if there was none.
    private var frame: Frame?
    private var division = Division.documents
    private var parts = Parts()

    /// The text without its parts.
    private struct Frame: Equatable {
        let start: Fingerprint
        let end: Fingerprint

        init(_ text: UnsafeRawBufferPointer, around parts: Range<Int>) {
            start = Fingerprint(text, 0..<parts.lowerBound)
            end = Fingerprint(text, parts.upperBound..<text.count)
        }
    }

    /// Smaller texts are not worth a second thread.
    private static let bytesPerWorker = 256 << 10

    /// Makes a decoder with an empty memory.
    ///
    /// - Parameters:
    ///   - path: The file's name for locations and errors.
    ///   - workers: How many threads may decode at a time, by default one per core.
    ///   - details: Whether the objects come with what only advice reads.
    public init(path: String, workers: Int = availableCores, details: Bool = false) {
        readsDetails = details
        self.path = path
        self.workers = max(1, workers)
    }

    /// Decodes the text of the file, YAML or JSON.
    public mutating func decode(_ text: UnsafeRawBufferPointer) throws(ManifestError) -> LoadedFile {
        _ = try update(FileBytes(copying: text))
        var file = notes
        file.objects.reserveCapacity(parts.count)
        parts.forEach { document, line in file.appendObjects(document, linesBefore: line) }
        return file
    }

    /// Decodes the text of the file, YAML or JSON.
    public mutating func decode(_ text: String) throws(ManifestError) -> LoadedFile {
        let bytes = Array(text.utf8)
        // A typed throw does not pass through withUnsafeBytes.
        let result = bytes.withUnsafeBytes { buffer -> Result<LoadedFile, ManifestError> in
            do throws(ManifestError) { return .success(try decode(buffer)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}

extension ManifestDecoder {
    /// What a new version of the text changes.
    struct Change {
        /// The documents that are gone, each with the lines that stood before it.
        var removed: [(document: DecodedDocument, linesBefore: Int)] = []
        /// The documents that are new.
        var added: [DecodedDocument] = []
        /// Whether the text is what it was, byte for byte.
        var isNone = false
    }

    /// The findings and skipped objects of the text, without its objects.
    var notes: LoadedFile {
        var file = LoadedFile(path: path)
        parts.forEachNoted { document, line in file.appendNotes(document, linesBefore: line) }
        return file
    }

    /// Calls `body` for each document, with the lines before it.
    func forEachDocument(_ body: (DecodedDocument, Int) -> Void) { parts.forEach(body) }

    /// Takes over a new version of the text. If that throws, the last good one stays.
    mutating func update(_ new: FileBytes) throws(ManifestError) -> Change {
        if new.bytes.isJSON {
            if let list = TextCutter(list: new.bytes) {
                // An item that cannot be parsed is reported as the parser of the whole text sees it.
                if let change = try? update(new, list, list.items.map { .list($0) } ?? .whole) { return change }
            }
        } else if let change = try update(new, TextCutter(documents: new.bytes), .documents) {
            return change
        }
        guard let change = try update(new, TextCutter(whole: new.bytes), .whole) else {
            throw ManifestError(path: path, problem: "cannot be cut into documents")
        }
        return change
    }

    /// Nil if the text cannot be cut like this.
    private mutating func update(
        _ new: FileBytes, _ cutter: TextCutter, _ division: Division
    ) throws(ManifestError) -> Change? {
        let known = division == self.division ? parts : Parts()
        var aligner = Aligner(parts: known, cutter: cutter)
        guard let alignment = aligner.align() else { return nil }
        let decoded = try decode(alignment.fresh, cutter)
        var change = Change(added: decoded)
        if division == self.division {
            change.removed = parts.documents(at: alignment.removed)
        } else {
            parts.forEach { change.removed.append(($0, $1)) }
            parts = Parts()
        }
        let frame = Frame(new.bytes, around: cutter.range)
        // Nothing came, nothing went, and nothing changed places.
        change.isNone =
            division == self.division && frame == self.frame && alignment.replaced.isEmpty && alignment.middle.isEmpty
        parts.replace(alignment, with: decoded, of: new.bytes)
        parts.start = cutter.start
        parts.startLine = new.bytes.lineCount(in: 0..<cutter.start)
        self.division = division
        self.frame = frame
        return change
    }

    private func decode(_ pieces: [Piece], _ cutter: TextCutter) throws(ManifestError) -> [DecodedDocument] {
        if pieces.isEmpty { return [] }
        let bytes = pieces.reduce(0) { $0 + $1.range.count }
        let threads = min(workers, pieces.count, bytes / Self.bytesPerWorker + 1)
        let job = DecodingJob(pieces: pieces, list: cutter.items, path: path, readsDetails: readsDetails)
        if threads <= 1 {
            job.run(cutter.text)
        } else {
            // Safe: the threads only read the text, and concurrentPerform returns when they are done.
            nonisolated(unsafe) let text = cutter.text
            DispatchQueue.concurrentPerform(iterations: threads) { _ in job.run(text) }
        }
        return try job.result(cutter.text)
    }
}

/// The number of cores that this process may use.
public let availableCores = max(1, Int(fl_available_cores()))

extension LoadedFile {
    /// Adds the objects of a document, with their lines moved to where it stands in the file.
    fileprivate mutating func appendObjects(_ document: DecodedDocument, linesBefore: Int) {
        for entry in document.objects {
            let location = SourceLocation(path: path, line: linesBefore + entry.line)
            objects.append(DecodedObject(object: entry.object, location: location))
        }
    }

    /// Adds what there is to say of a document.
    fileprivate mutating func appendNotes(_ document: DecodedDocument, linesBefore: Int) {
        for entry in document.findings {
            var finding = entry.finding
            finding.location = SourceLocation(path: path, line: linesBefore + entry.line).description
            findings.append(finding)
        }
        for entry in document.skipped {
            let location = SourceLocation(path: path, line: linesBefore + entry.line)
            skipped.append(SkippedObject(kind: entry.kind, location: location))
        }
    }
}
