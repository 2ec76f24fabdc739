import AsyncHTTPClient
import FoundationEssentials
import NetworkTypes

/// Which proxy stands between the node and the API server.
struct ProxyChoice: Sendable, Equatable {
    /// What the proxy speaks.
    enum Kind: Sendable { case http, socks5 }

    var kind: Kind
    var host: String
    var port: Int
    /// `user:password` for an HTTP proxy.
    var credentials: String?

    /// The proxy that the settings name, else the one of the environment; nil for none.
    ///
    /// `proxy-url` holds for any server; the environment's `HTTPS_PROXY` (`HTTP_PROXY` for a server without TLS), in upper
    /// or lower case, does not hold for loopback and what `NO_PROXY` names: the rules of Go's `net/http`.
    static func forServer(
        _ server: ServerAddress, proxyURL: String?, environment: [String: String]
    ) throws(APIError) -> ProxyChoice? {
        if let proxyURL, !proxyURL.isEmpty { return try ProxyChoice(proxyURL, source: "proxy-url") }
        let name = server.isSecure ? "HTTPS_PROXY" : "HTTP_PROXY"
        guard let value = Self.value(of: name, in: environment) else { return nil }
        if Self.isExempt(server, Self.value(of: "NO_PROXY", in: environment) ?? "") { return nil }
        return try ProxyChoice(value.contains("://") ? value : "http://\(value)", source: name)
    }

    /// Takes the URL of a proxy apart. `source` is where it stands, for the error.
    init(_ text: String, source: String) throws(APIError) {
        // The text may hold a password: errors do not repeat it.
        guard let url = URL(string: text), let scheme = url.scheme?.lowercased(), let host = url.host, !host.isEmpty
        else { throw APIError(.settings, "\(source) is not a URL with a host") }
        self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        switch scheme {
        case "http":
            kind = .http
            port = url.port ?? 80
            if let user = url.user(percentEncoded: false) {
                credentials = "\(user):\(url.password(percentEncoded: false) ?? "")"
            }
        case "socks5", "socks5h":
            kind = .socks5
            port = url.port ?? 1080
            if url.user != nil {
                throw APIError(.settings, "\(source): a SOCKS proxy that wants a password is not supported")
            }
        default:
            throw APIError(
                .settings,
                "\(source): a proxy with scheme \(scheme) is not supported; http (the connection to the server is "
                    + "encrypted all the same) and socks5 are")
        }
    }

    /// The same for the HTTP client.
    var configuration: HTTPClient.Configuration.Proxy {
        switch kind {
        case .socks5: .socksServer(host: host, port: port)
        case .http:
            .server(
                host: host, port: port,
                authorization: credentials.map { .basic(credentials: Data($0.utf8).base64EncodedString()) })
        }
    }

    private static func value(of name: String, in environment: [String: String]) -> String? {
        [name, name.lowercased()].lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
    }

    /// Whether `NO_PROXY` (`*`, addresses, blocks, names, names with a dot before them; each with a port or without)
    /// names the server, or the server is this host.
    static func isExempt(_ server: ServerAddress, _ noProxy: String) -> Bool {
        var host = server.host.lowercased()
        if host.hasSuffix(".") { host.removeLast() }
        let address = server.address
        if host == "localhost" || address?.isLoopback == true { return true }
        return noProxy.split(separator: ",").contains { entry in
            var pattern = entry.trimmingPrefix { $0.isWhitespace }.lowercased()
            while pattern.last?.isWhitespace == true { pattern.removeLast() }
            if pattern == "*" { return true }
            if let block = CIDR(pattern) { return address.map(block.contains) ?? false }
            let (name, port) = split(pattern)
            if let port, port != server.port { return false }
            if let other = IPAddress(name) { return other == address }
            guard address == nil, !name.isEmpty else { return false }
            if name.hasPrefix("*.") { return host.hasSuffix(name.dropFirst()) }
            if name.hasPrefix(".") { return host.hasSuffix(name) }
            return host == name || host.hasSuffix(".\(name)")
        }
    }

    private static func split(_ pattern: String) -> (name: String, port: Int?) {
        if pattern.hasPrefix("["), let end = pattern.firstIndex(of: "]") {
            let rest = pattern[pattern.index(after: end)...]
            return (String(pattern[pattern.index(after: pattern.startIndex)..<end]), Int(rest.dropFirst()))
        }
        let parts = pattern.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let port = Int(parts[1]) else { return (pattern, nil) }
        return (String(parts[0]), port)
    }
}
