import FuzzKit
import Testing

@testable import KubernetesConfiguration

/// Configuration files that were tampered with: they are read, or refused with an error on one line; nothing else.
@Suite struct ConfigurationFuzzTests {
    private static let pieces = [
        "{", "}", "[", "]", ": ", "- ", "\n", "\n  ", "\"", "'", "|", ">", "&a ", "*a", "!!str ", "%", "#", "---\n",
        "...\n",
        "<<: ", "null", "~", "true", "0x7f", "1e999", "-1", "99999999999999999999", "\u{0}", "\u{feff}", "\u{2028}",
        "\u{e9}", "\\u0000", "\\ud800", "https://", "http://", "user", "cluster", "exec", "token", "[::1]", "%zz",
    ]

    /// What `read` says of inputs made from a corpus.
    private func run(
        _ what: String, _ suffix: String, seed: UInt64, path: String,
        _ read: ([UInt8]) throws(ConfigurationError) -> Void
    ) throws {
        let corpus = Corpus.files(suffix)
        var mutator = Mutator(seed: seed, pieces: Self.pieces)
        var refused = 0
        for text in corpus { try read(text) }
        let count = Fuzz.rounds(2500)
        for _ in 0..<count {
            let text = mutator.mutated(mutator.pick(corpus))
            do throws(ConfigurationError) { try read(text) } catch {
                refused += 1
                let line = error.description
                #expect(error.place == path && !error.message.isEmpty)
                #expect(
                    !line.unicodeScalars.contains {
                        $0.value < 32 || $0 == "\u{2028}" || (127...159).contains($0.value)
                    },
                    "\(line.debugDescription) of \(String(decoding: text, as: UTF8.self).debugDescription)")
            }
        }
        // Both happen: much of a text may be anything.
        #expect(refused > count / 50 && refused < count * 49 / 50, "\(refused) of \(count)")
        Fuzz.report("\(what), seed \(seed)", count, "\(refused) refused")
    }

    @Test(arguments: UInt64(1)...4) func kubeconfigsDoNoHarm(_ seed: UInt64) throws {
        try run("kubeconfig", ".kubeconfig", seed: seed, path: "/etc/kube/config") { text throws(ConfigurationError) in
            _ = try Kubeconfig.settings(text, path: "/etc/kube/config")
        }
    }

    @Test(arguments: UInt64(1)...4) func configurationsDoNoHarm(_ seed: UInt64) throws {
        try run("KubeProxyConfiguration", ".proxy", seed: seed, path: "p.conf") { text throws(ConfigurationError) in
            let draft = try ConfigurationDraft(text, path: "p.conf")
            _ = draft.ineffective
            _ = draft.configuration.yaml
        }
    }
}
