import CManifest
import Dispatch
import KubernetesModel
import Synchronization

/// Turns the text of a manifest file into objects, and remembers the documents of the last text: decoding a changed
/// file again costs no more than its changed documents.
///
/// One decoder belongs to one file.
public struct ManifestDecoder: Sendable {
    private let path: String
    private let workers: Int
    private var cache: [DocumentKey: DecodedDocument] = [:]

    /// Smaller texts are not worth a second thread.
    private static let bytesPerWorker = 256 << 10

    /// Makes a decoder with an empty memory.
    ///
    /// - Parameters:
    ///   - path: The file's name for locations and errors.
    ///   - workers: How many threads may decode at a time, by default one per core.
    public init(path: String, workers: Int = availableCores) {
        self.path = path
        self.workers = max(1, workers)
    }

    /// Decodes the text of the file, YAML or JSON.
    public mutating func decode(_ text: UnsafeRawBufferPointer) throws(ManifestError) -> LoadedFile {
        let documents = Self.documents(of: text)
        var decoded = documents.map { cache[$0.key] }
        let missing = decoded.indices.filter { decoded[$0] == nil }
        for (index, document) in try decodeAll(missing.map { ($0, documents[$0]) }, text) { decoded[index] = document }
        var file = LoadedFile(path: path)
        file.objects.reserveCapacity(documents.count)
        var known: [DocumentKey: DecodedDocument] = [:]
        known.reserveCapacity(documents.count)
        var line = 0
        for (index, document) in documents.enumerated() {
            guard let decoded = decoded[index] else { continue }
            known[document.key] = decoded
            file.append(decoded, linesBefore: line)
            line += decoded.lineCount
        }
        cache = known
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

    private func decodeAll(
        _ missing: [(Int, Document)], _ text: UnsafeRawBufferPointer
    ) throws(ManifestError) -> [(Int, DecodedDocument)] {
        let bytes = missing.reduce(0) { $0 + $1.1.range.count }
        let threads = min(workers, missing.count, bytes / Self.bytesPerWorker + 1)
        let job = DecodingJob(missing: missing, path: path)
        if threads <= 1 {
            job.run(text)
        } else {
            // Safe: the threads only read the text, and concurrentPerform returns when they are done.
            nonisolated(unsafe) let text = text
            DispatchQueue.concurrentPerform(iterations: threads) { _ in job.run(text) }
        }
        return try job.result(text)
    }
}

/// The number of cores that this process may use.
public let availableCores = max(1, Int(fl_available_cores()))

/// What names a document in the cache: its length and a keyed hash of its bytes. `Hasher` is SipHash with a key that is
/// random per process, so no author of manifests can make two documents collide.
struct DocumentKey: Hashable {
    let length: Int
    let hash: Int
}

/// A part of the text that can be parsed by itself.
struct Document {
    let range: Range<Int>
    let key: DocumentKey
}

extension ManifestDecoder {
    /// Cuts a text before each line that begins with `---`.
    static func documents(of text: UnsafeRawBufferPointer) -> [Document] {
        let bytes = text.bindMemory(to: UInt8.self)
        guard let base = bytes.baseAddress, !text.isEmpty else { return [] }
        if fl_has_directives(base, text.count) || isJSON(text) { return [document(text, 0..<text.count)] }
        var documents: [Document] = []
        var start = 0
        while start < text.count {
            let end = fl_next_document(base, text.count, start)
            documents.append(document(text, start..<end))
            start = end
        }
        return documents
    }

    private static func document(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Document {
        var hasher = Hasher()
        hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: text[range]))
        return Document(range: range, key: DocumentKey(length: range.count, hash: hasher.finalize()))
    }

    /// Whether the text is JSON: then the first byte that is not blank opens an object or a list.
    static func isJSON(_ text: UnsafeRawBufferPointer) -> Bool {
        let content = text.starts(with: [0xEF, 0xBB, 0xBF]) ? text.dropFirst(3) : text[...]
        let first = content.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
        return first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
    }
}

/// The documents that several threads decode.
private final class DecodingJob: Sendable {
    private struct Output {
        var documents: [(Int, DecodedDocument)] = []
        var failure: (index: Int, document: Document, error: SyntaxError)?
    }

    private let missing: [(Int, Document)]
    private let path: String
    private let next = Atomic(0)
    private let output = Mutex(Output())

    /// Documents that a thread takes at a time.
    private static let batch = 64

    init(missing: [(Int, Document)], path: String) {
        self.missing = missing
        self.path = path
    }

    /// Decodes batches until none is left. Runs on each thread.
    func run(_ text: UnsafeRawBufferPointer) {
        let context = DecodeContext()
        guard let arena = ManifestArena() else { return }
        var documents: [(Int, DecodedDocument)] = []
        while true {
            let first = next.add(Self.batch, ordering: .relaxed).oldValue
            guard first < missing.count else { break }
            for (index, document) in missing[first..<min(first + Self.batch, missing.count)] {
                do throws(SyntaxError) {
                    documents.append((index, try decode(document, text, arena, context)))
                } catch {
                    fail(index, document, error)
                }
            }
        }
        output.withLock { $0.documents += documents }
    }

    private func fail(_ index: Int, _ document: Document, _ error: SyntaxError) {
        output.withLock { output in
            // Whichever thread comes first, the first error of the file is the one to report.
            if index < output.failure?.index ?? .max { output.failure = (index, document, error) }
        }
    }

    private func decode(
        _ document: Document, _ text: UnsafeRawBufferPointer, _ arena: ManifestArena, _ context: DecodeContext
    ) throws(SyntaxError) -> DecodedDocument {
        let part = UnsafeRawBufferPointer(rebasing: text[document.range])
        var decoder = DocumentDecoder(context: context)
        let joined = ManifestDecoder.isJSON(part) ? Self.joinSurrogates(part) : nil
        defer { joined?.deallocate() }
        try arena.parse(joined.map { UnsafeRawBufferPointer($0) } ?? part) { roots in
            for root in roots { decoder.decode(root) }
        }
        let bytes = part.bindMemory(to: UInt8.self)
        return DecodedDocument(decoder, lineCount: fl_count_lines(bytes.baseAddress, bytes.count))
    }

    /// A copy of JSON text that libyaml understands; nil if the text is fine as it is.
    private static func joinSurrogates(_ text: UnsafeRawBufferPointer) -> UnsafeMutableRawBufferPointer? {
        let bytes = text.bindMemory(to: UInt8.self)
        guard fl_has_surrogates(bytes.baseAddress, bytes.count) else { return nil }
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.count, alignment: 1)
        let length = fl_join_surrogates(bytes.baseAddress, bytes.count, copy.bindMemory(to: UInt8.self).baseAddress)
        return UnsafeMutableRawBufferPointer(rebasing: copy[..<length])
    }

    /// The documents, or the first error with its line in the file.
    func result(_ text: UnsafeRawBufferPointer) throws(ManifestError) -> [(Int, DecodedDocument)] {
        let output = self.output.withLock { $0 }
        if let failure = output.failure {
            let before = text.bindMemory(to: UInt8.self)
            let lines = fl_count_lines(before.baseAddress, failure.document.range.lowerBound)
            throw failure.error.inFile(path, linesBefore: lines)
        }
        guard output.documents.count == missing.count else { throw ManifestError(path: path, problem: "out of memory") }
        return output.documents
    }
}

extension LoadedFile {
    /// Adds what a document holds, with its lines moved to where it stands in the file.
    fileprivate mutating func append(_ document: DecodedDocument, linesBefore: Int) {
        for entry in document.objects {
            let location = SourceLocation(path: path, line: linesBefore + entry.line)
            objects.append(DecodedObject(object: entry.object, location: location))
        }
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
