import NetworkTypes

/// A server of a HAProxy backend, as `show servers state` tells it.
public struct HAProxyServer: Hashable, Sendable {
    /// What somebody decided about the server, whatever its health (`srv_admin_state`).
    public struct Decisions: OptionSet, Hashable, Sendable {
        /// The bits, as HAProxy prints them.
        public let rawValue: Int
        /// In maintenance by command (or by `disabled`, which sets both bits).
        public static let maintenance = Decisions(rawValue: 0x01)
        /// `disabled` in the configuration.
        public static let configuredMaintenance = Decisions(rawValue: 0x04)
        /// Gets no new connections, by command.
        public static let drain = Decisions(rawValue: 0x08)

        /// Makes decisions of bits.
        public init(rawValue: Int) { self.rawValue = rawValue }
    }

    /// The name.
    public var name: String
    /// The address; nil if it has none yet.
    public var address: IPAddress?
    /// The port.
    public var port: UInt16
    /// The weight in force (`srv_uweight`), 0 to 256.
    public var weight: Int
    /// What somebody decided.
    public var decisions: Decisions

    /// Makes a server.
    public init(name: String, address: IPAddress?, port: UInt16, weight: Int = 1, decisions: Decisions = []) {
        self.name = name
        self.address = address
        self.port = port
        self.weight = weight
        self.decisions = decisions
    }

    /// Whether an operator took the server out by hand: then it is not for a program to take it in again. A server with
    /// `disabled` in the configuration is a place that waits for whom it may concern.
    public var isOperators: Bool {
        decisions.contains(.maintenance) && !decisions.contains(.configuredMaintenance)
    }
}

/// What HAProxy said that was not to be expected.
public struct HAProxyAnswerError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The command.
    public var command: String
    /// The answer.
    public var answer: String

    /// Makes an error.
    public init(command: String, answer: String) {
        self.command = command
        self.answer = answer
    }

    /// Command and answer in one line.
    public var description: String {
        let words = answer.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return "HAProxy answers \"\(words.prefix(200))\" to \"\(command)\""
    }
}

/// The words of HAProxy's runtime API (Management Guide, "9.3. Unix Socket commands").
public enum HAProxyWords {
    /// What asks for the servers of a backend.
    public static func serversQuestion(_ backend: String) -> String { "show servers state \(backend)" }

    /// Reads the answer to ``serversQuestion(_:)``. Columns are found by their names, so that further ones do no harm.
    public static func servers(_ answer: String, backend: String) throws(HAProxyAnswerError) -> [HAProxyServer] {
        let error = HAProxyAnswerError(command: serversQuestion(backend), answer: answer)
        let lines = answer.split(separator: "\n")
        guard lines.first == "1", let title = lines.dropFirst().first, title.hasPrefix("# ") else { throw error }
        var columns: [Substring: Int] = [:]
        for (index, name) in title.dropFirst(2).split(separator: " ").enumerated() { columns[name] = index }
        func cell(_ name: Substring, _ cells: [Substring]) throws(HAProxyAnswerError) -> Substring {
            guard let index = columns[name], index < cells.count else { throw error }
            return cells[index]
        }
        var result: [HAProxyServer] = []
        for line in lines.dropFirst(2) {
            let cells = line.split(separator: " ")
            if try cell("be_name", cells) != backend[...] { continue }
            guard let weight = Int(try cell("srv_uweight", cells)), let port = UInt16(try cell("srv_port", cells)),
                let decisions = Int(try cell("srv_admin_state", cells))
            else { throw error }
            result.append(
                HAProxyServer(
                    name: String(try cell("srv_name", cells)), address: IPAddress(try cell("srv_addr", cells)),
                    port: port, weight: weight, decisions: HAProxyServer.Decisions(rawValue: decisions)))
        }
        return result
    }

    /// Whether an answer is known to say that the command was carried out: most commands then say nothing at all. The words
    /// are not part of the runtime API and change from version to version (2.6 has `no need to change the addr`, 3.0
    /// `nothing changed`): false does not mean failure, ``HAProxyPass`` then looks what HAProxy has.
    public static func isSuccess(_ answer: String) -> Bool {
        let text = answer.split(separator: "\n").joined()
        return text.isEmpty || text == registered || text.hasPrefix("IP changed from")
            || text.hasPrefix("port changed from") || text.hasPrefix("no need to change") || text == "nothing changed"
    }

    /// How the answer to `add server` begins if there is a new server.
    static let registered = "New server registered."

    /// Whether a name can be that of a backend or a server: nothing that would end or divide a command.
    public static func isName(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "-_.:".utf8.contains(byte)
                }
            }
    }
}
