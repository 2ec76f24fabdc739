import NetworkTypes

/// What a server says: who it is, and what it saw of the connection.
public struct Answer: Hashable, Sendable {
    /// The name of the server.
    public var server: String
    /// The source address and port that the server saw.
    public var source: HostPort
    /// The address and port of its own that the server was reached at.
    public var local: HostPort

    /// Makes an answer.
    public init(server: String, source: HostPort, local: HostPort) {
        self.server = server
        self.source = source
        self.local = local
    }

    /// The one line that goes over the network.
    var line: [UInt8] {
        Array("\(server) \(source.address) \(source.port) \(local.address) \(local.port)\n".utf8)
    }

    /// Reads the line; nil if it is not one, or not complete.
    init?(line: [UInt8]) {
        guard let end = line.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let words = String(decoding: line[..<end], as: UTF8.self).split(separator: " ")
        guard words.count == 5, let source = IPAddress(words[1]), let sourcePort = UInt16(words[2]),
            let local = IPAddress(words[3]), let localPort = UInt16(words[4])
        else { return nil }
        self.init(server: String(words[0]), source: HostPort(source, sourcePort), local: HostPort(local, localPort))
    }
}

extension Answer: CustomStringConvertible {
    /// `server saw source at local`.
    public var description: String { "\(server) (saw \(source) at \(local))" }
}
