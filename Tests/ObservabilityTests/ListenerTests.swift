import FairleadTestKit
import NetworkTypes
import Observability
import Synchronization
import Telemetry
import Testing

/// Servers in a namespace of their own, asked by `curl` and by clients that behave badly.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct ListenerTests {
    final class Events: Sendable {
        private let list = Mutex<[ListenerEvent]>([])
        func add(_ event: ListenerEvent) { list.withLock { $0.append(event) } }
        var all: [ListenerEvent] { list.withLock { $0 } }
    }

    /// Answers late, and tells when it has been asked.
    final class LateResponder: Sendable {
        private let count = Mutex(0)

        func answer() async -> HTTPAnswer {
            count.withLock { $0 += 1 }
            try? await Task.sleep(for: .milliseconds(500))
            return .text("late")
        }

        func isAsked() async -> Bool { await eventually { self.count.withLock { $0 > 0 } } }
    }

    struct Bench: Sendable {
        let namespace: NetworkNamespace
        let set: ListenerSet
        let events = Events()

        init(
            in namespace: NetworkNamespace? = nil, _ adjust: @Sendable (inout HTTPLimits) -> Void = { _ in }
        ) async throws {
            let place = try namespace ?? NetworkNamespace("listeners")
            var limits = HTTPLimits()
            adjust(&limits)
            let (events, settings) = (events, limits)
            self.namespace = place
            set = try await place.perform { () throws(TestKitError) in
                ListenerSet(limits: settings) { events.add($0) }
            }
        }

        static let address: ListenAddress = ListenAddress(host: "127.0.0.1", port: 8080)

        /// - Parameter proxied: whether connections may begin with a header of the PROXY protocol.
        func serve(
            proxied: Bool = false, _ respond: @escaping HTTPResponder = { .text("\($0.method) \($0.path)") }
        ) async {
            await set.settle([Self.address: respond], proxied: proxied ? [Self.address] : [])
        }

        func curl(_ arguments: String...) async throws -> ProgramResult {
            try await namespace.execute(Program("curl", ["-s", "--max-time", "5"] + arguments))
        }

        func shell(_ script: String) async throws -> ProgramResult {
            try await namespace.execute(Program("bash", ["-c", script]))
        }
    }

    static let url = "http://127.0.0.1:8080/path?query"

    @Test("a connection is kept for the next request, HEAD has no body")
    func keepAlive() async throws {
        let bench = try await Bench()
        await bench.serve()
        let two = try await bench.curl("-w", "|%{num_connects}\n", Self.url, Self.url)
        #expect(two.standardOutput == "GET /path|1\nGET /path|0\n")
        let head = try await bench.curl("-I", Self.url)
        #expect(head.standardOutput.hasSuffix("Content-Length: 10\r\n\r\n"), "\(head)")
        let old = try await bench.curl("-i", "--http1.0", Self.url)
        #expect(old.standardOutput.hasPrefix("HTTP/1.0 200 OK\r\n"))
        #expect(!old.standardOutput.contains("Connection"))
        let kept = try await bench.curl("-i", "--http1.0", "-H", "Connection: keep-alive", Self.url)
        #expect(kept.standardOutput.contains("Content-Length: 9\r\nConnection: keep-alive\r\n\r\n"), "\(kept)")
        let last = try await bench.curl("-i", "-H", "Connection: close", Self.url)
        #expect(last.standardOutput.contains("Content-Length: 9\r\nConnection: close\r\n\r\n"), "\(last)")
        await bench.set.shutDown()
    }

    @Test("requests in a row on one connection are answered in their order")
    func pipelining() async throws {
        let bench = try await Bench()
        await bench.serve { request in
            if request.path == "/1" { try? await Task.sleep(for: .milliseconds(100)) }
            return .text("[\(request.path)]")
        }
        let script = """
            exec 3<>/dev/tcp/127.0.0.1/8080
            printf 'GET /1 HTTP/1.1\\r\\n\\r\\nGET /2 HTTP/1.1\\r\\n\\r\\nGET /3 HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n' >&3
            cat <&3
            """
        let output = try await bench.shell(script).standardOutput
        #expect(output.matches(of: /\[.+?\]/).map { String($0.output) } == ["[/1]", "[/2]", "[/3]"], "\(output)")
        await bench.set.shutDown()
    }

    static let slow: [(String, String)] = [
        ("silent", ""), ("half a header", "GET / HTTP/1.1\\r\\nHost: a"),
        ("half a body", "POST / HTTP/1.1\\r\\nContent-Length: 5\\r\\n\\r\\nab"),
    ]

    @Test("a client that takes its time with a request is cut off, others are served", arguments: slow)
    func slowRequest(_ test: (name: String, text: String)) async throws {
        let bench = try await Bench { $0.requestTime = .seconds(1) }
        await bench.serve()
        async let victim = bench.shell("exec 3<>/dev/tcp/127.0.0.1/8080; printf '\(test.text)' >&3; timeout 5 cat <&3")
        try await Task.sleep(for: .milliseconds(100))
        #expect(try await bench.curl(Self.url).standardOutput == "GET /path")
        let end = try await victim
        #expect(end.status == 0, "\(test.name): \(end)")
        #expect(end.standardOutput == "", "\(test.name)")
        await bench.set.shutDown()
    }

    @Test("a client that drips its request is cut off")
    func drip() async throws {
        let bench = try await Bench { $0.requestTime = .seconds(1) }
        await bench.serve()
        let end = try await bench.shell(
            """
            exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET / HTTP/1.1\\r\\n' >&3
            for i in $(seq 20); do printf 'A: b\\r\\n' >&3 || break; sleep 0.1; done 2>/dev/null
            printf '\\r\\n' >&3; timeout 5 cat <&3
            """)
        #expect(!end.standardOutput.contains("200 OK"), "\(end)")
        await bench.set.shutDown()
    }

    @Test("a client that does not read its answer is cut off")
    func slowReader() async throws {
        let bench = try await Bench { $0.answerTime = .milliseconds(300) }
        let size = 64 << 20
        await bench.serve { _ in .text(String(repeating: "x", count: size)) }
        let end = try await bench.shell(
            "exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET / HTTP/1.1\\r\\n\\r\\n' >&3; sleep 1; timeout 5 cat <&3 | wc -c"
        )
        let count = try #require(Int(end.standardOutput.split(separator: "\n").first ?? ""))
        #expect(count < size, "\(end)")
        await bench.set.shutDown()
    }

    @Test("an idle connection is closed after its time")
    func idle() async throws {
        let bench = try await Bench { $0.idleTime = .milliseconds(300) }
        await bench.serve()
        let end = try await bench.shell(
            "exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET / HTTP/1.1\\r\\n\\r\\n' >&3; timeout 5 cat <&3")
        #expect(end.status == 0, "\(end)")
        #expect(end.standardOutput.hasSuffix("GET /"))
        await bench.set.shutDown()
    }

    @Test("a request that is too long is not read")
    func tooLong() async throws {
        let bench = try await Bench { $0.requestBytes = 8 << 10 }
        await bench.serve()
        let long = String(repeating: "x", count: 10 << 10)
        #expect(try await bench.curl("-H", "X: \(long)", Self.url).status != 0)
        #expect(try await bench.curl("-d", long, Self.url).status != 0)
        let short = String(repeating: "x", count: 6 << 10)
        let two = try await bench.curl("-d", short, Self.url, Self.url)
        #expect(two.standardOutput == "POST /pathPOST /path", "\(two)")
        await bench.set.shutDown()
    }

    @Test("clients that hold connections keep nobody out")
    func crowd() async throws {
        let bench = try await Bench { $0.connections = 4 }
        await bench.serve()
        let end = try await bench.shell(
            """
            for i in $(seq 20); do exec {fd}<>/dev/tcp/127.0.0.1/8080; done; sleep 0.2
            for i in 1 2 3; do curl -s --max-time 2 http://127.0.0.1:8080/; echo; done
            timeout 1 cat <&10 && echo closed; timeout 0.2 cat <&$fd || echo open
            """)
        #expect(end.standardOutput == "GET /\nGET /\nGET /\nclosed\nopen\n", "\(end)")
        await bench.set.shutDown()
    }

    @Test("a request in flight is answered when its server closes, a new one is refused")
    func closing() async throws {
        let bench = try await Bench()
        let responder = LateResponder()
        await bench.serve { _ in await responder.answer() }
        async let inFlight = bench.curl("-i", Self.url)
        #expect(await responder.isAsked())
        await bench.set.settle([:])
        let refused = try await bench.curl(Self.url)
        #expect(refused.status == 7, "\(refused)")
        let answer = try await inFlight
        #expect(answer.standardOutput.contains("Connection: close\r\n"), "\(answer)")
        #expect(answer.standardOutput.hasSuffix("late"), "\(answer)")
        #expect(bench.events.all == [.opened(Bench.address), .closed(Bench.address)])
        await bench.set.shutDown()
    }

    @Test("the end of all servers waits for requests in flight, but not for idle connections")
    func shutDown() async throws {
        let bench = try await Bench { $0.closingTime = .seconds(30) }
        let responder = LateResponder()
        await bench.serve { _ in await responder.answer() }
        async let idle = bench.shell("exec 3<>/dev/tcp/127.0.0.1/8080; timeout 18 cat <&3")
        async let inFlight = bench.curl(Self.url)
        #expect(await responder.isAsked())
        let start = ContinuousClock.now
        await bench.set.shutDown()
        #expect(ContinuousClock.now - start < .seconds(12))
        #expect(try await inFlight.standardOutput == "late")
        #expect(try await idle.status == 0)
    }

    @Test("a port that is taken is reported once, and opened when it is free")
    func taken() async throws {
        let first = try await Bench()
        let second = try await Bench(in: first.namespace)
        await first.serve { _ in .text("first") }
        for _ in 0..<3 { await second.serve { _ in .text("second") } }
        #expect(second.events.all.count == 1, "\(second.events.all)")
        guard case .failed(let failure) = second.events.all.first else {
            Issue.record("\(second.events.all)")
            return
        }
        #expect(failure.description == "cannot listen on 127.0.0.1:8080: Address already in use")
        #expect(await second.set.failedCount == 1)
        #expect(try await first.curl(Self.url).standardOutput == "first")
        await first.set.shutDown()
        await second.serve { _ in .text("second") }
        // Whoever read that it cannot listen reads that it does.
        #expect(second.events.all.last == .openedAtLast(Bench.address))
        #expect(try await first.curl(Self.url).standardOutput == "second")
        await second.set.shutDown()
    }

    @Test("both families have servers of their own on one port")
    func families() async throws {
        let bench = try await Bench()
        await bench.set.settle([
            .all(.ipv4, port: 8080): { _ in .text("four") }, .all(.ipv6, port: 8080): { _ in .text("six") },
        ])
        #expect(try await bench.curl("http://127.0.0.1:8080/").standardOutput == "four")
        #expect(try await bench.curl("http://[::1]:8080/").standardOutput == "six")
        await bench.set.shutDown()
    }

    @Test("what is no HTTP is answered 400 and cut off")
    func garbage() async throws {
        let bench = try await Bench()
        await bench.serve()
        let end = try await bench.shell(
            "exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GARBAGE\\r\\n\\r\\n' >&3; timeout 5 cat <&3")
        #expect(end.status == 0, "\(end)")
        #expect(end.standardOutput.hasPrefix("HTTP/1.1 400 Bad Request\r\n"), "\(end)")
        await bench.set.shutDown()
    }
}
