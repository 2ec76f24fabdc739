import Glibc

/// A document of the repository whose code blocks are run as they stand.
///
/// A block that is run has a comment before it, `<!-- run: NAME -->`.
public struct Document: Sendable {
    /// The blocks by their names.
    public let blocks: [String: String]

    /// Reads documents as if they were one.
    public init(paths: [String]) throws(TestKitError) {
        var texts: [String] = []
        for path in paths { texts.append(try Self.read(path)) }
        self.init(text: texts.joined(separator: "\n"))
    }

    /// Reads the document.
    public init(path: String) throws(TestKitError) { self.init(text: try Self.read(path)) }

    private static func read(_ path: String) throws(TestKitError) -> String {
        guard let file = fopen(path, "r") else { throw .system(operation: path, errno: errno) }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads the text of a document.
    public init(text: String) {
        var blocks: [String: String] = [:]
        var name: String?
        var lines: [Substring]?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("<!-- run: ") {
                name = line.dropFirst(10).split(separator: " ").first.map(String.init)
            } else if line.hasPrefix("```"), let known = name {
                if let block = lines {
                    blocks[known] = block.joined(separator: "\n") + "\n"
                    (name, lines) = (nil, nil)
                } else {
                    lines = []
                }
            } else {
                lines?.append(line)
            }
        }
        self.blocks = blocks
    }

    /// The block of that name.
    public func block(_ name: String) throws(TestKitError) -> String {
        guard let block = blocks[name] else { throw .notFound("the code block \(name)") }
        return block
    }
}
