import NetworkTypes
import Telemetry

/// The status page: one HTML file that needs nothing else, and that no other site can use.
public enum StatusPage {
    /// Where it is.
    public static let paths: Set<String> = ["/", "/status"]

    /// Answers a request for the page.
    ///
    /// A new nonce in each answer names the page's own style and script; the browser runs and applies nothing else, takes data
    /// from this server only, and refuses to make markup of text.
    public static func answer(_ request: HTTPRequest) -> HTTPAnswer {
        guard request.method == "GET" || request.method == "HEAD" else { return .methodNotAllowed }
        let nonce = nonce()
        let policy = [
            "default-src 'none'", "script-src 'nonce-\(nonce)'", "style-src 'nonce-\(nonce)'", "connect-src 'self'",
            "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
            "require-trusted-types-for 'script'", "trusted-types 'none'",
        ]
        let headers = [
            ("Content-Type", "text/html; charset=utf-8"), ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", policy.joined(separator: "; ")), ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Opener-Policy", "same-origin"), ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        ]
        return HTTPAnswer(
            status: 200, headers: headers.map { HTTPAnswer.Header($0.0, $0.1) },
            body: parts.joined(separator: nonce))
    }

    /// The page, cut where the nonce belongs.
    private static let parts: [String] = {
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        let page = text(PackageResources.page_html)
            .replacing("/* page.css */", with: text(PackageResources.page_css))
            .replacing("/* page.js */", with: text(PackageResources.page_js))
            .replacing("/* charts.js */", with: text(PackageResources.charts_js))
        return page.split(separator: "@NONCE@", omittingEmptySubsequences: false).map(String.init)
    }()

    /// 128 bits that nobody can guess.
    private static func nonce() -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<2).map { _ in
            let digits = String(generator.next(), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}

extension HTTPRequest {
    /// Whether the request names this server by an address, as `localhost`, or by a name that is known to be its own.
    ///
    /// A web site can have its name resolve to 127.0.0.1, and its script is then of the same origin as what answers there. It
    /// cannot have its requests carry another name.
    ///
    /// - Parameter names: names of this server, in lower case.
    public func isMeantForServer(named names: Set<String>) -> Bool {
        guard var name = host?.lowercased() else { return true }
        if let colon = name.lastIndex(of: ":"), name[name.index(after: colon)...].allSatisfy(\.isNumber),
            !name[..<colon].contains(":") || name[..<colon].hasSuffix("]")
        {
            name = String(name[..<colon])
        }
        if name.hasPrefix("["), name.hasSuffix("]") { name = String(name.dropFirst().dropLast()) }
        return name == "localhost" || IPAddress(name) != nil || names.contains(name)
    }
}
