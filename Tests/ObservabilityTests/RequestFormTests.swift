import FairleadTestKit
import Glibc
import Testing

@testable import Observability

/// What load balancers and probers send that is not quite the usual request: an answer or a refusal, never a wait.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct RequestFormTests {
    struct Form: Sendable, CustomTestStringConvertible {
        var name: String
        var bytes: [UInt8]
        /// The statuses of the answers, in their order.
        var statuses: [Int]
        /// The end of the last answer.
        var end = ""
        /// Whether the server closes by itself, so that the client need not close its side.
        var closes = true

        init(_ name: String, _ text: String, _ statuses: [Int], end: String = "", closes: Bool = true) {
            self.init(name, Array(text.utf8), statuses, end: end, closes: closes)
        }

        init(_ name: String, _ bytes: [UInt8], _ statuses: [Int], end: String = "", closes: Bool = true) {
            (self.name, self.bytes, self.statuses, self.end, self.closes) = (name, bytes, statuses, end, closes)
        }

        var testDescription: String { name }
    }

    /// Sends a form whole and in single bytes, with the client's side closed afterwards and not, and looks at the answers.
    private static func check(_ forms: [Form], proxied: Bool) async throws {
        // A limit so long that no answer can come from it.
        let bench = try await ListenerTests.Bench { limits in
            limits.requestTime = .seconds(300)
            limits.idleTime = .seconds(300)
        }
        await bench.serve(proxied: proxied)
        let found = try await bench.namespace.perform { () throws(TestKitError) in
            var found: [(Form, String, String?)] = []
            for form in forms {
                for (way, isDripped, isHalfClosed) in [
                    ("whole", false, false), ("single bytes", true, false), ("half-closed", false, true),
                    ("single bytes, half-closed", true, true),
                ] where form.closes || isHalfClosed {
                    let client = try RawClient()
                    if isDripped {
                        for byte in form.bytes {
                            client.send([byte])
                            usleep(300)
                        }
                    } else {
                        client.send(form.bytes)
                    }
                    if isHalfClosed { client.finish() }
                    found.append((form, way, client.rest()))
                }
            }
            return found
        }
        for (form, way, answer) in found {
            let text = try #require(answer, "\(form.name), \(way): no answer and no end")
            let statuses = text.matches(of: #/HTTP/1\.[01] (\d\d\d) /#).compactMap { Int($0.output.1) }
            #expect(statuses == form.statuses, "\(form.name), \(way): \(text.debugDescription)")
            #expect(text.hasSuffix(form.end), "\(form.name), \(way): \(text.debugDescription)")
        }
        await bench.set.shutDown()
    }

    static let requests: [Form] = [
        Form("bare LF", "GET /healthz HTTP/1.0\n\n", [200], end: "GET /healthz"),
        Form("bare LF, HTTP/1.1", "GET /a HTTP/1.1\nHost: n\nConnection: close\n\n", [200], end: "GET /a"),
        Form("LF and CRLF", "GET /a HTTP/1.0\r\nA: b\nC: d\r\n\n", [200], end: "GET /a"),
        Form("an empty line first", "\r\nGET /a HTTP/1.0\r\n\r\n", [200], end: "GET /a"),
        Form("without version", "GET /\r\n", [400]), Form("without version, LF", "GET /healthz\n", [400]),
        Form("without target", "GET\r\n", [400]), Form("two empty lines, LF", "\n\n", [400]),
        Form("absolute", "GET http://node/healthz HTTP/1.0\r\nHost: n\r\n\r\n", [200], end: "\r\n\r\nGET /healthz"),
        Form("absolute, no path", "GET http://node:10256?x=/ HTTP/1.0\r\n\r\n", [200], end: "\r\n\r\nGET /"),
        Form("HEAD", "HEAD / HTTP/1.0\n\n", [200], end: "\r\n\r\n"),
        Form("OPTIONS *", "OPTIONS * HTTP/1.0\r\n\r\n", [200], end: "OPTIONS *"),
        Form("a later version", "GET / HTTP/1.7\r\nHost: n\r\nConnection: close\r\n\r\n", [200], end: "GET /"),
        Form("version 0.9", "GET / HTTP/0.9\r\n\r\n", [505]), Form("version 2", "GET / HTTP/2.0\r\n\r\n", [505]),
        Form("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
        Form("version in small letters", "GET / http/1.1\r\n\r\n", [400]),
        Form("too many words", "GET / a HTTP/1.1\r\n\r\n", [400]), Form("a greeting", "EHLO node\r\n", [400]),
        Form("unknown method", "PEEK / HTTP/1.1\r\n\r\n", [400]), Form("SSH", "SSH-2.0-OpenSSH_9.2\r\n", [400]),
        Form("TLS", [0x16, 3, 1, 0, 0xC8, 1, 0, 0, 0xC4, 3, 3] + [UInt8](repeating: 7, count: 150), [400]),
        Form("a bad header", "GET / HTTP/1.1\r\nHost n\r\n\r\n", [400]), Form("zeros", [0, 0, 0, 0], [400]),
        Form("CR alone", "GET / HTTP/1.1\rHost: n\r\r", [400]),
        Form(
            "waits to send its body", "POST / HTTP/1.1\r\nHost: n\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
            [200], end: "POST /"),
        Form(
            "asks for HTTP/2", "GET /a HTTP/1.1\r\nHost: n\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", [200],
            end: "GET /a"),
        Form(
            "in a row",
            "GET /1 HTTP/1.1\n\nPOST /2 HTTP/1.1\nContent-Length: 4\n\na\n\nbPOST /3 HTTP/1.1\nTransfer-Encoding: chunked\n\n"
                + "2\r\n\n\n\r\n0\r\n\r\nGET /4 HTTP/1.1\r\n\r\nGET http://n/5 HTTP/1.1\nConnection: close\n\n",
            [200, 200, 200, 200, 200], end: "GET /5"),
        Form("in a row, the last is none", "GET /1 HTTP/1.1\n\nGET /2 HTTP/1.1\r\n\r\nGET\n", [200, 200, 400]),
        Form("in a row, then no more", "GET /1 HTTP/1.1\n\nGET /2 HTTP/1.1\n\n", [200, 200], end: "/2", closes: false),
        Form("empty lines after it", "GET /1 HTTP/1.1\r\n\r\n\r\n\r\n", [200], end: "GET /1", closes: false),
        Form("nothing", "", [], closes: false), Form("half a request", "GET / HT", [400], closes: false),
        Form("half a body", "POST / HTTP/1.0\nContent-Length: 9\n\nab", [400], closes: false),
    ]

    @Test(
        "lines ended by LF alone and the absolute form get 200, a request without a version 400 at once; nothing hangs")
    func forms() async throws {
        try await Self.check(Self.requests, proxied: false)
        // The same where the PROXY protocol is taken.
        try await Self.check(Self.requests, proxied: true)
    }

    private static let request = Array("GET /a HTTP/1.0\n\n".utf8)

    private static func first(_ line: String) -> [UInt8] { Array("\(line)\r\n".utf8) + request }

    static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10]

    /// - Parameter length: what the header says; nil for what is true.
    static func second(_ command: UInt8, _ family: UInt8, _ part: [UInt8], length: Int? = nil) -> [UInt8] {
        let length = length ?? part.count
        return signature + [command, family, UInt8(length >> 8), UInt8(length & 255)] + part
    }

    private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    /// Azure's private link: type 0xEE, five bytes.
    private static let linkID: [UInt8] = [0xEE, 0, 5, 1, 1, 2, 3, 4]

    static let good: [Form] = [
        Form("1, IPv4", first("PROXY TCP4 192.0.2.1 192.0.2.2 40000 30500"), [200], end: "GET /a"),
        Form("1, IPv6", first("PROXY TCP6 2001:db8::1 2001:db8::2 40000 30500"), [200], end: "GET /a"),
        Form("1, unknown", first("PROXY UNKNOWN"), [200], end: "GET /a"),
        Form("1, unknown with more", first("PROXY UNKNOWN ffff::1 x 1 2"), [200], end: "GET /a"),
        Form("2, local", second(0x20, 0, []) + request, [200], end: "GET /a"),
        Form("2, local with more", second(0x20, 0x11, [1, 2, 3]) + request, [200], end: "GET /a"),
        Form("2, IPv4", second(0x21, 0x11, zeros(12)) + request, [200], end: "GET /a"),
        Form("2, IPv4, UDP, link", second(0x21, 0x12, zeros(12) + linkID) + request, [200], end: "GET /a"),
        Form("2, IPv6, TLVs", second(0x21, 0x21, zeros(36) + linkID + [4, 0, 0]) + request, [200], end: "GET /a"),
        Form("2, Unix", second(0x21, 0x31, zeros(216)) + request, [200], end: "GET /a"),
        Form("2, unspecified", second(0x21, 0, [9]) + request, [200], end: "GET /a"),
        Form("2, long", second(0x21, 0x11, zeros(12) + [4, 0x0F, 0xF1] + zeros(4081)) + request, [200], end: "/a"),
        Form("only the header", second(0x20, 0, []), [], closes: false),
        Form("none, a method that begins alike", "PUT /a HTTP/1.0\n\n", [200], end: "PUT /a"),
    ]

    static let bad: [Form] = [
        Form("1, no family", first("PROXY"), [400]), Form("1, another family", first("PROXY TCP5 1 2 3 4"), [400]),
        Form("1, the other family", first("PROXY TCP6 192.0.2.1 192.0.2.2 1 2"), [400]),
        Form("1, no port", first("PROXY TCP4 192.0.2.1 192.0.2.2 1"), [400]),
        Form("1, a great port", first("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536"), [400]),
        Form("1, LF alone", "PROXY UNKNOWN\nGET / HTTP/1.0\n\n", [400]),
        Form("1, endless", "PROXY UNKNOWN " + String(repeating: "x", count: 200), [400]),
        Form("1, twice", first("PROXY UNKNOWN\r\nPROXY UNKNOWN"), [400]),
        Form("2, version 3", second(0x31, 0x11, zeros(12)), [400]),
        Form("2, another command", second(0x22, 0x11, zeros(12)), [400]),
        Form("2, too short", second(0x21, 0x11, zeros(11)), [400]),
        Form("2, too long", second(0x21, 0x11, [], length: 4097), [400]),
        Form("2, half a TLV", second(0x21, 0x11, zeros(12) + [4, 0, 9, 1]), [400]),
        Form("2, cut off", second(0x21, 0x11, zeros(5), length: 12), [400], closes: false),
    ]

    @Test(
        "the PROXY protocol, versions 1 and 2, is taken before the request where health is checked, broken it gets 400")
    func proxyHeaders() async throws { try await Self.check(Self.good + Self.bad, proxied: true) }

    @Test("the PROXY protocol gets 400 where it is not taken")
    func elsewhere() async throws {
        let forms = Self.good.prefix(11).map { form in
            var refused = form
            (refused.statuses, refused.end) = ([400], "")
            return refused
        }
        try await Self.check(forms, proxied: false)
    }
}
