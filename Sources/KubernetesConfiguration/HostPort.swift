import KubernetesModel

import NetworkTypes

/// `address:port`, an IPv6 address in brackets. Without an address it means all of them.
enum HostPort {
    /// Whether a text ends with a port, or tries to.
    static func hasPort(_ text: String) -> Bool {
        guard IPAddress(text) == nil, !text.hasSuffix("]") else { return false }
        return text.contains(":")
    }

    /// What is wrong with a text; nil if it is an address and a port from 1 to 65535.
    static func problem(_ text: String) -> String? {
        guard let colon = text.lastIndex(of: ":") else { return "has no port" }
        var host = text[..<colon]
        if host.first == "[", host.last == "]" {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return "needs brackets around its IPv6 address"
        }
        if !host.isEmpty, IPAddress(host) == nil { return "has no IP address before its port" }
        guard let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            return "has a port outside 1 to 65535"
        }
        return nil
    }
}
