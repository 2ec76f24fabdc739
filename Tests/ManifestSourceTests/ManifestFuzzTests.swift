import FuzzKit
import KubernetesModel
import ManifestSource
import Testing

/// Manifests that were tampered with, byte by byte: they are read, or refused with an error of one line.
@Suite struct ManifestFuzzTests {
    private static let pieces = [
        "{", "}", "[", "]", ": ", "- ", "\n", "\n  ", "\r", "\t", "\"", "'", "|\n", ">\n", "&a ", "*a", "<<: ",
        "!!str ",
        "!!binary ", "%YAML 1.1\n", "---\n", "\n---\n", "...\n", "#", "? ", "null", "~", "true", "-1", "65536",
        "99999999999999999999",
        "0x7f", "1e999", "\u{0}", "\u{feff}", "\u{85}", "\u{2028}", "\u{e9}", "\\ud800", "\\ud83d\\ude00", "\\x",
        "kind: Service\n",
        "items", "10.96.0.1", "fd00::1", "SCTP", "Local", String(repeating: "[", count: 200),
        String(repeating: "- ", count: 200),
    ]

    /// Reads a text from a buffer of exactly its size: a sanitizer sees what is read beyond it.
    private static func outcome(_ text: [UInt8], details: Bool) -> Result<LoadedFile, ManifestError> {
        var decoder = ManifestDecoder(path: "f.yaml", workers: 1, details: details)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: text.count, alignment: 1)
        defer { buffer.deallocate() }
        buffer.copyBytes(from: text)
        do throws(ManifestError) { return .success(try decoder.decode(UnsafeRawBufferPointer(buffer))) } catch {
            return .failure(error)
        }
    }

    @Test(arguments: [".yaml", ".json"], UInt64(1)...4) func manifestsDoNoHarm(_ suffix: String, _ seed: UInt64) throws
    {
        let corpus = Corpus.files(suffix)
        for text in corpus { #expect(try Self.outcome(text, details: true).get().objects.count > 0) }
        var mutator = Mutator(seed: seed, pieces: Self.pieces)
        var (refused, objects, findings) = (0, 0, 0)
        let count = Fuzz.rounds(1500)
        for round in 0..<count {
            let text = mutator.mutated(mutator.pick(corpus))
            switch Self.outcome(text, details: round.isMultiple(of: 2)) {
            case .success(let file):
                objects += file.objects.count
                findings += file.findings.count
            case .failure(let error):
                refused += 1
                #expect(!error.description.contains("\n"), "\(error.description.debugDescription)")
            }
        }
        // All of it happens.
        #expect(
            refused > count / 50 && objects > count / 50 && findings > count / 50, "\(refused), \(objects), \(findings)"
        )
        Fuzz.report(
            "manifests, \(suffix), seed \(seed)", count, "\(refused) refused, \(objects) objects, \(findings) findings")
    }
}
