import FairleadTestKit
import FuzzKit
import Glibc
import NetworkTypes
import Observability
import Telemetry
import Testing

/// Clients that send anything at all: they cost the server nothing but their connection.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct RequestFuzzTests {
    private typealias Bench = ListenerTests.Bench

    private typealias Client = RawClient

    private static let good = "GET /good HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    /// What the server answers to a request that has nothing wrong with it.
    private static func isAlive() throws(TestKitError) -> Bool {
        let client = try Client()
        client.send(good)
        let answer = client.rest() ?? ""
        return answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.hasSuffix("\r\n\r\nGET /good")
    }

    @Test("requests that were tampered with are answered or cut off", arguments: UInt64(1)...3)
    func tampered(seed: UInt64) async throws {
        let bench = try await Bench()
        await bench.serve(proxied: true)
        let count = Fuzz.rounds(700)
        let statuses = try await bench.namespace.perform { () throws(TestKitError) in
            let corpus = Corpus.files(".http")
            #expect(corpus.count >= 12)
            let pieces = [
                "\r\n", "\r\n\r\n", "\n", "\r", " ", "\t", ":", ": ", "\u{0}", "GET ", "HEAD ",
                "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                "CONNECT a:1 ", "OPTIONS * ", "HTTP/1.1", "HTTP/9.9", "Content-Length: -1\r\n", "Content-Length: 5\r\n",
                "Content-Length: 99999999999999999999\r\n", "Transfer-Encoding: chunked\r\n", "ffffffffffffffff\r\n",
                "0\r\n\r\n",
                "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY UNKNOWN\r\n", "PROXY ", "\r\n\r\n\u{0}\r\nQUIT\n",
                "Expect: 100-continue\r\n", "\n\n", " HTTP/1.0\n",
                "Connection: close\r\n", "Connection: keep-alive\r\n", "http://[::1]:x/", "/../..%00%2e", "%", "?", "#",
                "\u{e9}", "Host: a\r\n", " folded\r\n", String(repeating: "x", count: 9000),
            ]
            var mutator = Mutator(seed: seed, pieces: pieces)
            var statuses: [String: Int] = [:]
            for round in 0..<count {
                let request = mutator.mutated(mutator.pick(corpus))
                let client = try Client()
                // In two pieces, now and then.
                let cut = round % 3 == 0 ? mutator.number(in: 0..<request.count + 1) : request.count
                client.send(Array(request[..<cut]))
                client.send(Array(request[cut...]))
                client.finish()
                guard let answer = client.rest() else {
                    throw .timeLimit("the end of \(String(decoding: request, as: UTF8.self).debugDescription)")
                }
                let status =
                    answer.isEmpty
                    ? "none" : String(answer.prefix { $0 != "\r\n" }.split(separator: " ").dropFirst().first ?? "?")
                statuses[status, default: 0] += 1
                if round % 50 == 0, try !Self.isAlive() { throw .timeLimit("an answer after \(round) requests") }
            }
            if try !Self.isAlive() { throw .timeLimit("an answer after all requests") }
            return statuses
        }
        // Answers, refusals and connections that are cut off: nothing else.
        #expect(Set(statuses.keys).isSubset(of: ["200", "400", "505", "none"]), "\(statuses)")
        #expect(statuses["200"] != nil && statuses["400"] != nil, "\(statuses)")
        Fuzz.report("HTTP requests, seed \(seed)", count, "\(statuses.sorted { $0.key < $1.key })")
        await bench.set.shutDown()
    }

    @Test("many clients that never finish their request keep nobody out, and are cut off")
    func slowLoris() async throws {
        let bench = try await Bench { $0.requestTime = .seconds(3) }
        await bench.serve()
        let ends = try await bench.namespace.perform { () throws(TestKitError) in
            var clients: [Client] = []
            for _ in 0..<400 {
                let client = try Client()
                client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Slow:")
                clients.append(client)
            }
            let isAlive = try Self.isAlive()
            // The first one that is not cut off tells enough: each of the others would be waited for as long.
            return (isAlive, clients.prefix { $0.rest() == "" }.count)
        }
        #expect(ends.0)
        #expect(ends.1 == 400)
        Fuzz.report("slow clients", 400)
        await bench.set.shutDown()
    }

    @Test("a request is read up to its limit and no further", arguments: ["X-Long: ", "GET /"])
    func oversized(start: String) async throws {
        let bench = try await Bench()
        await bench.serve()
        let answers = try await bench.namespace.perform { () throws(TestKitError) in
            var answers: [String?] = []
            for size in [1 << 10, 33 << 10, 4 << 20] {
                let client = try Client()
                client.send((start.hasPrefix("GET") ? "" : "GET / HTTP/1.1\r\n") + start)
                let chunk = [UInt8](repeating: UInt8(ascii: "a"), count: 1 << 10)
                for _ in 0..<size >> 10 { client.send(chunk) }
                client.send((start.hasPrefix("GET") ? " HTTP/1.1" : "") + "\r\nConnection: close\r\n\r\n")
                client.finish()
                answers.append(client.rest().map { String($0.prefix(15)) })
            }
            return (answers, try Self.isAlive())
        }
        #expect(answers.0[0] == "HTTP/1.1 200 OK")
        for answer in answers.0.dropFirst() {
            let text = try #require(answer, "the connection stays open")
            #expect(!text.contains("200"), "\(text)")
        }
        #expect(answers.1)
        await bench.set.shutDown()
    }
}
