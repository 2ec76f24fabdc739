import CManifest
import Synchronization

/// The pieces of a text that several threads decode.
final class DecodingJob: Sendable {
    private struct Output {
        var documents: [(Int, DecodedDocument)] = []
        var failure: (index: Int, piece: Piece, error: SyntaxError)?
    }

    private let pieces: [Piece]
    private let list: ListItems?
    private let path: String
    private let readsDetails: Bool
    private let next = Atomic(0)
    private let output = Mutex(Output())

    /// Documents that a thread takes at a time.
    private static let batch = 64

    init(pieces: [Piece], list: ListItems?, path: String, readsDetails: Bool) {
        self.readsDetails = readsDetails
        self.pieces = pieces
        self.list = list
        self.path = path
    }

    /// Decodes batches until none is left. Runs on each thread.
    func run(_ text: UnsafeRawBufferPointer) {
        let bytes = pieces.reduce(0) { $0 + $1.range.count }
        let context = DecodeContext(readsDetails: readsDetails, bytes: bytes)
        guard let arena = ManifestArena() else { return }
        var documents: [(Int, DecodedDocument)] = []
        while true {
            let first = next.add(Self.batch, ordering: .relaxed).oldValue
            guard first < pieces.count else { break }
            for index in first..<min(first + Self.batch, pieces.count) {
                do throws(SyntaxError) {
                    documents.append((index, try decode(pieces[index], text, arena, context)))
                } catch {
                    fail(index, pieces[index], error)
                }
            }
        }
        output.withLock { $0.documents += documents }
    }

    private func fail(_ index: Int, _ piece: Piece, _ error: SyntaxError) {
        output.withLock { output in
            // Whichever thread comes first, the first error of the file is the one to report.
            if index < output.failure?.index ?? .max { output.failure = (index, piece, error) }
        }
    }

    private func decode(
        _ piece: Piece, _ text: UnsafeRawBufferPointer, _ arena: ManifestArena, _ context: DecodeContext
    ) throws(SyntaxError) -> DecodedDocument {
        let content = UnsafeRawBufferPointer(rebasing: text[piece.content])
        var decoder = DocumentDecoder(context: context)
        let joined = content.isJSON ? Self.joinSurrogates(content) : nil
        defer { joined?.deallocate() }
        try arena.parse(joined.map { UnsafeRawBufferPointer($0) } ?? content) { roots in
            for root in roots {
                if let list {
                    decoder.decode(root, listed: list.header, depth: 1)
                } else {
                    decoder.decode(root)
                }
            }
        }
        return DecodedDocument(decoder, lineCount: text.lineCount(in: piece.range))
    }

    /// A copy of JSON text that libyaml understands; nil if the text is fine as it is.
    private static func joinSurrogates(_ text: UnsafeRawBufferPointer) -> UnsafeMutableRawBufferPointer? {
        let bytes = text.bindMemory(to: UInt8.self)
        guard fl_has_surrogates(bytes.baseAddress, bytes.count) else { return nil }
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.count, alignment: 1)
        let length = fl_join_surrogates(bytes.baseAddress, bytes.count, copy.bindMemory(to: UInt8.self).baseAddress)
        return UnsafeMutableRawBufferPointer(rebasing: copy[..<length])
    }

    /// The documents in order, or the first error with its line in the file.
    func result(_ text: UnsafeRawBufferPointer) throws(ManifestError) -> [DecodedDocument] {
        let output = self.output.withLock { $0 }
        if let failure = output.failure {
            throw failure.error.inFile(path, linesBefore: text.lineCount(in: 0..<failure.piece.content.lowerBound))
        }
        guard output.documents.count == pieces.count else { throw ManifestError(path: path, problem: "out of memory") }
        return output.documents.sorted { $0.0 < $1.0 }.map(\.1)
    }
}
