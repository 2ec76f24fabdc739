import Glibc
import KubernetesConfiguration
import Testing

/// docs/kube-proxy.md says of every key and flag what the code says.
///
/// With FAIRLEAD_UPDATE_DOCS=1 the test writes the tables instead.
@Suite struct DocumentationTests {
    private static let path =
        #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/docs/kube-proxy.md"

    private static func text(_ effect: ConfigurationEffect) -> String {
        switch effect {
        case .takes(""): "takes effect"
        case .takes(let how): how
        case .none(let why): "**none**: \(why)"
        }
    }

    /// The flags that set a key.
    private static func flags(_ path: String) -> String {
        KubeProxyFlag.all.filter { flag in
            switch flag.meaning {
            case .key(path): true
            case .keyOfMode(let key): ["iptables.\(key)", "nftables.\(key)"].contains(path)
            default: false
            }
        }.map { "`--\($0.name)`" }.joined(separator: ", ")
    }

    private static let keys = KubeProxyConfiguration.keys.map { key in
        "| `\(key.path)` | \(flags(key.path)) | \(text(key.effect)) |"
    }

    private static let flags = KubeProxyFlag.all.compactMap { flag -> String? in
        guard case .own(let effect) = flag.meaning else { return nil }
        return "| `--\(flag.name)` | \(text(effect)) |"
    }

    private static let gates = FeatureGate.all.map { "| `\($0.name)` | \(text($0.effect)) |" }

    private static func read() throws -> [String] {
        let file = try #require(fopen(path, "r"))
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(
            String.init)
    }

    /// The rows of the table whose first column has this heading.
    private static func rows(_ heading: String, in lines: [String]) -> Range<Int> {
        let start = (lines.firstIndex { $0.hasPrefix("| \(heading) |") } ?? lines.count - 2) + 2
        let end = lines[start...].firstIndex { !$0.hasPrefix("|") } ?? lines.count
        return start..<end
    }

    @Test(arguments: [("key", keys), ("flag", flags), ("gate", gates)])
    func theTablesAreTheCodes(_ heading: String, _ expected: [String]) throws {
        var lines = try Self.read()
        let rows = Self.rows(heading, in: lines)
        if getenv("FAIRLEAD_UPDATE_DOCS") != nil {
            lines.replaceSubrange(rows, with: expected)
            let file = try #require(fopen(Self.path, "w"))
            fputs(lines.joined(separator: "\n"), file)
            fclose(file)
        } else {
            #expect(Array(lines[rows]) == expected)
        }
    }

    private static func words(_ document: String) throws -> String {
        let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
        let file = try #require(fopen("\(root)/docs/\(document)", "r"))
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        let text = String(decoding: bytes, as: UTF8.self)
        return text.split(whereSeparator: \.isWhitespace).joined(separator: " ").lowercased()
    }

    @Test(
        "what a family without a range means is said alike in all documents",
        arguments: ["kube-proxy.md", "operations.md", "semantics.md"])
    func statements(_ document: String) throws {
        let words = try Self.words(document)
        for statement in OptionStatement.all { #expect(words.contains(statement.lowercased()), "\(statement)") }
        // Each place that speaks of it does so in these words. (docs/semantics.md also has names of tests.)
        if document == "semantics.md" { return }
        let places = ["a family without a range", "a family without a primary address"]
        for (start, statement) in zip(places, OptionStatement.all) {
            let spoken = words.ranges(of: start).count
            #expect(spoken == words.ranges(of: statement.lowercased()).count, "\(start)")
        }
    }

    @Test("defaults that docs/operations.md names are those of the configuration")
    func defaults() throws {
        let values = KubeProxyConfiguration()
        let conntrack = values.conntrack
        let words = try Self.words("operations.md")
        for (row, expected) in [
            ("`--conntrack-max-per-core`, `--conntrack-min`", "\(conntrack.maxPerCore), \(conntrack.min)"),
            ("`--conntrack-tcp-timeout-established`", "\(conntrack.tcpEstablishedTimeout.seconds / 3600)h"),
            ("`--conntrack-tcp-timeout-close-wait`", "\(conntrack.tcpCloseWaitTimeout.seconds / 3600)h"),
            ("`--conntrack-udp-timeout`, `--conntrack-udp-timeout-stream`", "\(conntrack.udpTimeout.seconds)"),
            ("`--healthz-bind-address`", "`\(values.healthzAddress)`"),
            ("`--metrics-bind-address`", "`\(values.metricsAddress)`"),
        ] {
            #expect(words.contains("| \(row) | \(expected) |"), "\(row)")
        }
    }
}
