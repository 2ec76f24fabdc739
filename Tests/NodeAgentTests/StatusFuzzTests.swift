import FuzzKit
import Observability
import ServiceDataplane
import Telemetry
import Testing

@testable import NodeAgent

/// Questions to the status API, and statuses that it may answer with, tampered with.
@Suite struct StatusFuzzTests {
    private static let pieces = [
        "&", "=", "?", "/", "%", "%2", "%00", "%0a", "%ff", "%2F", "+", "#", "from=", "to=", "node", "external", "pod",
        "input-interface=", "ipv6=true", "demo/api", "demo/", ":http", ":0", ":65536", "/udp", "/sctp", "[::1]:80",
        "::", "0.0.0.0",
        "fe80::1%25eth0", "255.255.255.255", "limit=", "offset=", "filter=", "only=findings", "99999999999999999999",
        "-1",
        "2147483647", "\u{e9}", "\u{1b}[2J", "services", "explain", "status", "..", "//",
    ]

    @Test("Every question has an answer, in JSON", arguments: UInt64(1)...3)
    func questions(seed: UInt64) async throws {
        let board = StatusBoard(version: "test")
        let view = try Samples().view
        let api = StatusAPI(
            board: board, counters: ServiceCounters(options: DataplaneOptions(), logger: Samples.logger),
            views: DaemonViews(board) { view }, nodeName: "node1",
            counts: StatusAPI.Counts(connections: true, traffic: true))
        let corpus = Corpus.files(".query").map { Array($0.dropLast()) }
        var mutator = Mutator(seed: seed, pieces: Self.pieces)
        var statuses: [Int: Int] = [:]
        let count = Fuzz.rounds(400)
        for _ in 0..<count {
            let target = String(decoding: mutator.mutated(mutator.pick(corpus)), as: UTF8.self)
            let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
            let request = HTTPRequest(
                method: mutator.pick(["GET", "GET", "GET", "HEAD", "POST"]), path: String(parts[0]),
                query: parts.count > 1 ? String(parts[1]) : "",
                host: mutator.pick([nil, "127.0.0.1:10249", "node1", "x.example"]))
            guard let answer = await api.respond(to: request) else { continue }
            statuses[answer.status, default: 0] += 1
            guard request.path.hasPrefix(StatusAPI.prefix), answer.status != 405 else { continue }
            #expect(throws: Never.self, "\(target.debugDescription): \(answer.body)") {
                try JSONSerialized.check(answer.body)
            }
        }
        #expect(Set(statuses.keys).isSubset(of: [200, 400, 403, 404, 405]), "\(statuses)")
        for status in [200, 400, 404] { #expect(statuses[status, default: 0] > count / 50, "\(statuses)") }
        Fuzz.report("questions to the status API, seed \(seed)", count, "\(statuses.sorted { $0.key < $1.key })")
    }

    /// Any JSON text.
    private struct JSONSerialized: Decodable {
        init(from decoder: any Decoder) throws {}
        static func check(_ text: String) throws { _ = try StatusJSON.value(JSONSerialized.self, text.utf8) }
    }

    @Test("Whatever a server says of itself, it is shown or refused", arguments: UInt64(1)...3)
    func answers(seed: UInt64) throws {
        let corpus = Corpus.files(".status")
        for text in corpus { _ = try StatusJSON.value(NodeStatus.self, text) }
        let pieces = [
            "9223372036854775807", "-9223372036854775808", "1e308", "-1", "0.1", "null", "\"\"", "\"\\u001b[2J\"",
            "\"\\n\"", "{}",
            "[]", ",", "18446744073709551615", "4294967296", "failing", "pending", "starting",
        ]
        let digits = corpus.map { text in text.indices.filter { (0x30...0x39).contains(text[$0]) } }
        var mutator = Mutator(seed: seed, pieces: pieces)
        var shown = 0
        let count = Fuzz.rounds(1500)
        for round in 0..<count {
            let choice = mutator.number(in: 0..<corpus.count)
            var text = corpus[choice]
            if round.isMultiple(of: 2) {
                text = mutator.mutated(text)
            } else {
                // Other numbers: the text stays JSON.
                for _ in 0..<mutator.number(in: 1..<6) {
                    let place = mutator.pick(digits[choice])
                    if text.indices.contains(place), (0x30...0x39).contains(text[place]) {
                        text.replaceSubrange(
                            place...place, with: mutator.pick(["0", "9223372036854775807", "7e18"]).utf8)
                    }
                }
            }
            guard let status = try? StatusJSON.value(NodeStatus.self, text) else { continue }
            shown += 1
            #expect(StatusText.line(status).hasSuffix("\n") && !StatusText.page(status).isEmpty)
        }
        #expect(shown > count / 20, "\(shown) of \(count)")
        Fuzz.report("statuses, seed \(seed)", count, "\(shown) shown")
    }
}
