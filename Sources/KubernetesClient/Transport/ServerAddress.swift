import FoundationEssentials
import NetworkTypes

/// `cluster.server` of a kubeconfig, taken apart.
struct ServerAddress: Sendable, Equatable {
    /// Whether the connection is encrypted.
    var isSecure: Bool
    /// A name, or an address without brackets.
    var host: String
    var port: Int
    /// What stands before the path of each request; empty, or begins with a slash and ends without.
    var prefix: String

    /// Takes a URL apart: `https://host:port/prefix`. As in client-go, a bare `host:port` is `http`.
    init(_ text: String) throws(APIError) {
        guard let url = URL(string: text.contains("://") ? text : "http://\(text)"), let scheme = url.scheme,
            let host = url.host, !host.isEmpty
        else { throw APIError(.settings, "server \(text) is not a URL with a host") }
        switch scheme.lowercased() {
        case "https": isSecure = true
        case "http": isSecure = false
        default: throw APIError(.settings, "server \(text): scheme \(scheme) is neither https nor http")
        }
        self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        port = url.port ?? (isSecure ? 443 : 80)
        var prefix = url.path
        while prefix.hasSuffix("/") { prefix.removeLast() }
        self.prefix = prefix
    }

    /// The host's address, if it is one.
    var address: IPAddress? { IPAddress(host) }

    /// `https://host:port/prefix`.
    var text: String { "\(isSecure ? "https" : "http")://\(authority)\(prefix)" }

    /// `host:port`, the port left out if it is the scheme's own.
    var authority: String {
        let host = self.host.contains(":") ? "[\(self.host)]" : self.host
        return port == (isSecure ? 443 : 80) ? host : "\(host):\(port)"
    }
}
