import FairleadTestKit
import NetworkTypes
import Observability
import Telemetry
import Testing

@Suite("The status page")
struct StatusPageTests {
    private static func header(_ name: String, _ answer: HTTPAnswer) -> String? {
        answer.headers.first { $0.name == name }?.value
    }

    private static let request = HTTPRequest(method: "GET", path: "/")

    @Test("the page is one file whose policy lets nothing else run, be loaded or be sent")
    func policy() throws {
        let answer = StatusPage.answer(Self.request)
        #expect(answer.status == 200)
        #expect(Self.header("Content-Type", answer) == "text/html; charset=utf-8")
        #expect(Self.header("X-Content-Type-Options", answer) == "nosniff")
        #expect(Self.header("Cache-Control", answer) == "no-store")
        #expect(Self.header("Referrer-Policy", answer) == "no-referrer")
        let policy = try #require(Self.header("Content-Security-Policy", answer))
        let nonce = try #require(policy.firstMatch(of: /script-src 'nonce-([0-9a-f]{32})'/)).output.1
        for part in [
            "default-src 'none'", "style-src 'nonce-\(nonce)'", "connect-src 'self'", "base-uri 'none'",
            "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ] {
            #expect(policy.contains(part), "\(part) is missing: \(policy)")
        }
        #expect(!policy.contains("unsafe") && !policy.contains("*"))
        // Every script and style has the nonce, and both are in the page.
        let page = answer.body
        #expect(page.matches(of: /<(script|style)\b/).count == 2)
        #expect(page.contains("<script nonce=\"\(nonce)\">") && page.contains("<style nonce=\"\(nonce)\">"))
        #expect(page.contains("keepRefreshing();") && page.contains("prefers-color-scheme"))
        for hint in [
            "@NONCE@", "/* page.css */", "/* page.js */", "/* charts.js */", "innerHTML =", "javascript:", "http://",
            "https://",
        ] {
            #expect(!page.contains(hint), "\(hint)")
        }
        #expect(page.matches(of: /\son[a-z]+="/).isEmpty, "inline handlers")
        #expect(page.matches(of: /\sstyle="/).isEmpty, "inline styles")
    }

    @Test("each answer has a nonce of its own; other methods are invalid")
    func nonces() {
        let policies = (0..<20).map { _ in Self.header("Content-Security-Policy", StatusPage.answer(Self.request)) }
        #expect(Set(policies).count == 20)
        #expect(StatusPage.answer(HTTPRequest(method: "POST", path: "/")).status == 405)
        #expect(StatusPage.answer(HTTPRequest(method: "HEAD", path: "/")).status == 200)
    }

    @Test(
        "names that a request may call this server by",
        arguments: [
            ("127.0.0.1:10249", true), ("[::1]:10249", true), ("[::1]", true), ("::1", true), ("10.0.0.1", true),
            ("localhost:8001", true), ("LocalHost", true), ("node1:10249", true), ("NODE1", true),
            ("evil.example:10249", false), ("127.0.0.1.evil.example", false), ("node1.evil.example", false),
            ("localhost.evil.example:1", false), ("", false), (":80", false),
        ])
    func hosts(_ host: String, _ isMeant: Bool) {
        let request = HTTPRequest(method: "GET", path: "/", host: host)
        #expect(request.isMeantForServer(named: ["node1"]) == isMeant)
    }

    @Test("a request without a name has come to an address")
    func noHost() { #expect(Self.request.isMeantForServer(named: [])) }

    @Test(
        "fields of queries",
        arguments: [
            ("from=node&to=10.96.0.10%3A80", "to", "10.96.0.10:80"), ("a=b+c%20d", "a", "b c d"), ("a", "a", ""),
            ("a=1&a=2", "a", "1"), ("a==b", "a", "=b"), ("a=%zz%4", "a", "%zz%4"), ("a=%F0%9F", "a", "\u{FFFD}"),
            ("%61=x&&b=y", "a", "x"), ("a=1", "b", nil), ("", "a", nil), ("&=&", "", ""),
        ] as [(String, String, String?)])
    func queries(_ text: String, _ name: String, _ value: String?) { #expect(HTTPQuery(text)[name] == value) }

    @Test("a blank in a path is no plus sign")
    func paths() { #expect(HTTPQuery.decoded("a+b%2Bc", plusIsBlank: false) == "a+b+c") }
}

/// What of a request reaches those who answer it.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct RequestTests {
    @Test("query and Host reach the responder")
    func parts() async throws {
        let bench = try await ListenerTests.Bench()
        await bench.serve { .text("\($0.path)|\($0.query)|\($0.host ?? "none")") }
        #expect(
            try await bench.curl("http://127.0.0.1:8080/a?b=c?d").standardOutput == "/a|b=c?d|127.0.0.1:8080")
        #expect(
            try await bench.curl("-H", "Host: other", "http://127.0.0.1:8080/?").standardOutput == "/||other")
        #expect(
            try await bench.curl("--http1.0", "-H", "Host:", "http://127.0.0.1:8080/x").standardOutput == "/x||none")
        await bench.set.shutDown()
    }
}
