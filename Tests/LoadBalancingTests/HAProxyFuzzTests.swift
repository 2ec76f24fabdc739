import FuzzKit
import Testing

@testable import LoadBalancing

/// What HAProxy says, tampered with: servers, or an error of one line.
@Suite struct HAProxyFuzzTests {
    private static let pieces = [
        "\n", "\n\n", " ", "# ", "1\n", "-", "-1", "256", "99999999999999999999", "9223372036854775807", "\u{0}",
        "\r\n",
        "srv_port ", "srv_uweight ", "web ", "0x1", "\u{e9}", "::", "10.0.0.1", "[::1]",
    ]

    @Test(arguments: UInt64(1)...4) func answersDoNoHarm(_ seed: UInt64) throws {
        let corpus = Corpus.files(".servers").map { String(decoding: $0, as: UTF8.self) }
        #expect(try HAProxyWords.servers(corpus[1], backend: "web").map(\.name) == ["node1", "node2", "node3"])
        var mutator = Mutator(seed: seed, pieces: Self.pieces)
        var (refused, servers) = (0, 0)
        let count = Fuzz.rounds(2500)
        for _ in 0..<count {
            let answer = String(decoding: mutator.mutated(Array(mutator.pick(corpus).utf8)), as: UTF8.self)
            _ = HAProxyWords.isSuccess(answer)
            do throws(HAProxyAnswerError) {
                let found = try HAProxyWords.servers(answer, backend: "web")
                servers += found.count
                for server in found { _ = server.isOperators }
            } catch {
                refused += 1
                #expect(!error.description.contains("\n"))
            }
        }
        #expect(refused > count / 50 && refused < count * 49 / 50 && servers > count / 10, "\(refused) of \(count)")
        Fuzz.report("answers of HAProxy, seed \(seed)", count, "\(refused) refused")
    }
}
