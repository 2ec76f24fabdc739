import Glibc
import Logging

/// The `nft` of this host, as far as it can be told without running it.
///
/// The kernel keeps the flag `persist` of a table whose owner has ended, and nobody can take it back. `nft` before 1.1.0 lists such a
/// table in a way that it refuses to load, and with it the whole file: a ruleset that was saved so is not there after a boot.
enum InstalledNft {
    /// Where distributions put the library that `nft` is made of.
    static let libraries = [
        "/usr/lib/*/libnftables.so.1", "/usr/lib64/libnftables.so.1", "/usr/lib/libnftables.so.1",
        "/usr/local/lib/libnftables.so.1",
    ]

    /// The largest library that is looked into.
    private static let capacity = 16 << 20

    /// The first library that knows flags of tables, but not this one. Nil also if there is none, or in a container that does not
    /// show the host's.
    static func withoutPersist(in patterns: [String] = libraries) -> String? {
        for pattern in patterns {
            for path in files(pattern) {
                let content = read(path)
                if contains(content, "dormant"), !contains(content, "persist") { return path }
            }
        }
        return nil
    }

    /// Says so, and what to do.
    static func warn(_ logger: Logger) {
        guard let path = withoutPersist() else { return }
        logger.warning(
            """
            the nft that is installed cannot load what it lists of tables that outlive their owner: a ruleset that is saved after \
            this daemon has ended must leave the tables 'fairlead' out, or --no-own-tables be given (docs/operations.md)
            """, metadata: ["library": "\(path)"])
    }

    private static func files(_ pattern: String) -> [String] {
        var found = glob_t()
        defer { globfree(&found) }
        guard glob(pattern, 0, nil, &found) == 0 else { return [] }
        return (0..<Int(found.gl_pathc)).compactMap { found.gl_pathv[$0].map { String(cString: $0) } }
    }

    private static func read(_ path: String) -> [UInt8] {
        guard let file = fopen(path, "rbe") else { return [] }
        defer { fclose(file) }
        var content: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while content.count < capacity {
            let count = fread(&part, 1, part.count, file)
            if count == 0 { break }
            content += part[..<count]
        }
        return content
    }

    /// Whether a string constant is there.
    private static func contains(_ content: [UInt8], _ text: String) -> Bool {
        let constant = Array(text.utf8) + [0]
        return content.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            var from = 0
            while bytes.count - from > constant.count, let zero = memchr(base + from, 0, bytes.count - from) {
                from = UnsafeRawPointer(zero) - base + 1
                guard bytes.count - from >= constant.count else { return false }
                if memcmp(base + from, constant, constant.count) == 0 { return true }
            }
            return false
        }
    }
}
