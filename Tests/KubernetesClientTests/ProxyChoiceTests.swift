import Testing

@testable import KubernetesClient

@Suite("ProxyChoice and ServerAddress")
struct ProxyChoiceTests {
    @Test(
        "A server's URL is taken apart",
        arguments: [
            ("https://10.0.0.1:6443", "https://10.0.0.1:6443", 6443, ""),
            ("https://api.example.com", "https://api.example.com", 443, ""),
            (
                "https://api.example.com/k8s/clusters/c-1/", "https://api.example.com/k8s/clusters/c-1", 443,
                "/k8s/clusters/c-1"
            ),
            ("https://[fd00::1]:6443/", "https://[fd00::1]:6443", 6443, ""),
            ("http://127.0.0.1:8001", "http://127.0.0.1:8001", 8001, ""),
            ("localhost:8080", "http://localhost:8080", 8080, ""),
        ])
    func servers(text: String, canonical: String, port: Int, prefix: String) throws {
        let server = try ServerAddress(text)
        #expect(server.text == canonical)
        #expect(server.port == port)
        #expect(server.prefix == prefix)
    }

    @Test("What is no server's URL is refused", arguments: ["", "https://", "ftp://host", "unix:///run/api"])
    func badServers(text: String) { #expect(throws: APIError.self) { try ServerAddress(text) } }

    static func choice(
        _ environment: [String: String] = [:], server: String = "https://api.example.com:6443", proxyURL: String? = nil
    ) throws -> String? {
        let choice = try ProxyChoice.forServer(ServerAddress(server), proxyURL: proxyURL, environment: environment)
        return choice.map { "\($0.kind) \($0.host) \($0.port) \($0.credentials ?? "-")" }
    }

    @Test("The settings' proxy comes before the environment's, and the environment's depends on TLS")
    func sources() throws {
        let all = ["HTTPS_PROXY": "http://secure:1", "HTTP_PROXY": "http://plain:2", "NO_PROXY": "*"]
        #expect(try Self.choice(all, proxyURL: "http://own:3") == "http own 3 -")
        #expect(try Self.choice(all.filter { $0.key != "NO_PROXY" }) == "http secure 1 -")
        #expect(
            try Self.choice(all.filter { $0.key != "NO_PROXY" }, server: "http://api.example.com") == "http plain 2 -")
        #expect(try Self.choice(all) == nil)
        #expect(try Self.choice() == nil)
        #expect(try Self.choice(proxyURL: "") == nil)
        #expect(try Self.choice(["https_proxy": "http://lower:4"]) == "http lower 4 -")
        #expect(try Self.choice(["HTTPS_PROXY": "", "https_proxy": "lower:4"]) == "http lower 4 -")
    }

    @Test("Proxies that are spoken with")
    func kinds() throws {
        #expect(try Self.choice(proxyURL: "http://proxy") == "http proxy 80 -")
        #expect(try Self.choice(proxyURL: "http://me:a%20b@proxy:3128") == "http proxy 3128 me:a b")
        #expect(try Self.choice(proxyURL: "socks5://[fd00::2]") == "socks5 fd00::2 1080 -")
    }

    @Test(
        "Proxies that are not spoken with are named, their passwords are not",
        arguments: ["https://me:secret@proxy", "socks5://me:secret@proxy", "ftp://proxy", "http://"])
    func unsupported(url: String) {
        #expect {
            try Self.choice(proxyURL: url)
        } throws: { error in
            "\(error)".contains("proxy-url") && !"\(error)".contains("secret")
                && (error as? APIError)?.cause == .settings
        }
    }

    @Test(
        "NO_PROXY",
        arguments: [
            ("https://10.1.2.3:6443", "10.1.2.3", true), ("https://10.1.2.3:6443", "10.1.2.4", false),
            ("https://10.1.2.3:6443", "10.1.0.0/16", true), ("https://10.1.2.3:6443", "10.2.0.0/16", false),
            ("https://10.1.2.3:6443", "10.1.2.3:6443", true), ("https://10.1.2.3:6443", "10.1.2.3:443", false),
            ("https://[fd00::1]:6443", "fd00::/8", true), ("https://[fd00::1]:6443", "fd00::1", true),
            ("https://[fd00::1]:6443", "[fd00::1]:6443", true), ("https://[fd00::1]:6443", "[fd00::1]:1", false),
            ("https://api.example.com", "example.com", true), ("https://api.example.com", ".example.com", true),
            ("https://example.com", ".example.com", false), ("https://example.com", "example.com", true),
            ("https://api.example.com", "*.example.com", true), ("https://badexample.com", "example.com", false),
            ("https://API.Example.COM", "other, api.example.com ", true), ("https://api.example.com", "*", true),
            ("https://api.example.com:6443", "api.example.com:6443", true),
            ("https://api.example.com:6443", "api.example.com:443", false),
            ("https://10.1.2.3", ".2.3", false), ("https://api.example.com", "", false),
            ("https://localhost:6443", "", true), ("https://127.0.0.1:6443", "", true),
            ("https://[::1]:6443", "", true),
        ])
    func exemptions(server: String, noProxy: String, isExempt: Bool) throws {
        #expect(ProxyChoice.isExempt(try ServerAddress(server), noProxy) == isExempt)
    }
}
