import KubernetesModel
import ManifestSource
import NetworkTypes

/// Addresses of servers and proxies as a kubeconfig, `--master` and the environment have them.
enum ServerAddressText {
    /// Reads the address of an API server: `https://host:port/path`, or without a scheme, which is https then if
    /// certificates are in play, else http, as client-go has it.
    ///
    /// - Returns: the address with its scheme and without a slash at the end, or what is wrong with it.
    static func server(_ text: String, hasCertificates: Bool) -> Result<String, Problem> {
        let hasScheme = text.contains("://")
        let whole = hasScheme ? text : (hasCertificates ? "https://" : "http://") + text
        if let problem = problem(of: whole, schemes: ["https", "http"]) { return .failure(problem) }
        // A query or fragment has no meaning here.
        let end = whole.firstIndex { $0 == "?" || $0 == "#" } ?? whole.endIndex
        var address = whole[..<end]
        while address.last == "/" { address = address.dropLast() }
        return .success(String(address))
    }

    /// What is wrong with the address of a proxy; nil if nothing is.
    static func proxyProblem(_ text: String) -> Problem? { problem(of: text, schemes: ["http", "https", "socks5"]) }

    /// What is wrong with an address; it may hold a password and is not part of the message.
    struct Problem: Error { let message: String }

    private static func problem(of text: String, schemes: [String]) -> Problem? {
        let list = schemes.map { "\($0)://" }.joined(separator: ", ")
        guard let range = text.firstRange(of: "://"), schemes.contains(text[..<range.lowerBound].lowercased()) else {
            return Problem(message: "must begin with one of \(list)")
        }
        if !text.utf8.allSatisfy({ (33...126).contains($0) }) {
            return Problem(message: "must be one word of plain ASCII")
        }
        var authority = text[range.upperBound...].prefix { !"/?#".contains($0) }
        if let at = authority.lastIndex(of: "@") { authority = authority[authority.index(after: at)...] }
        let (host, port) = split(authority)
        guard isHost(host) else { return Problem(message: "has no host name or address after ://") }
        if let port, !(1...65535).contains(Int(port) ?? 0) { return Problem(message: "has a port outside 1 to 65535") }
        return nil
    }

    private static func split(_ authority: Substring) -> (host: Substring, port: Substring?) {
        if authority.first == "[", let close = authority.lastIndex(of: "]") {
            let rest = authority[authority.index(after: close)...]
            return (authority[...close], rest.isEmpty ? nil : rest.dropFirst(rest.first == ":" ? 1 : 0))
        }
        guard let colon = authority.lastIndex(of: ":") else { return (authority, nil) }
        return (authority[..<colon], authority[authority.index(after: colon)...])
    }

    private static func isHost(_ host: Substring) -> Bool {
        if host.first == "[" {
            // A zone (`%eth0`) says which link a link-local address is on.
            let address = host.dropFirst().dropLast().prefix { $0 != "%" }
            return IPAddress(address)?.family == .ipv6
        }
        return !host.isEmpty
            && host.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                    || "-._".utf8.contains(byte)
            }
    }
}
