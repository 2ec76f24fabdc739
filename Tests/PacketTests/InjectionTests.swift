import FairleadTestKit
import FoundationEssentials
import Glibc
import NetworkTypes
import Testing

/// Names and values that try to be something else: rules, lines of the log, JSON, series of metrics.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct InjectionTests {
    private static let texts = [
        "a\"; flush ruleset; #", "a\"\nadd table ip forged\n", "}\nadd table ip forged\n", "a } add table ip forged {",
        "{}",
        "*/", "/* a", "# a", "a\\", "\\\"", "'; x", "$(touch /tmp/forged)", "`id`", "a;b", "a b",
        "include \"/etc/passwd\"",
        "\nerror: forged", "\r\nerror: forged", "\u{85}error: forged", "\u{2028}error: forged", "a\u{1B}[2Jforged",
        "\u{9B}2J",
        "a\u{202E}b", "a\u{0}b", "\u{7F}", "\u{FEFF}", "\",\"level\":\"forged", "\"}\n{\"level\":\"forged\"}",
        "a\"} 1\nforged 2",
        "<script>forged()</script>", "&lt;", "%0aforged", "../../etc/passwd", "", " ", "-a", "@a", "drop",
        String(repeating: "a", count: 254), String(repeating: "\"", count: 300),
    ]

    /// The text as a scalar of YAML and JSON.
    private static func quoted(_ text: String) -> String {
        let escaped = text.utf16.map { unit -> String in
            let digits = String(unit, radix: 16)
            return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
        return "\"" + escaped.joined() + "\""
    }

    /// Objects with the text in every place that takes one, and one that has nothing to do with it.
    private static func manifests(_ text: String, number: Int) -> String {
        let value = quoted(text)
        func service(_ metadata: String, port: String = "port: 80", _ spec: String = "") -> String {
            "apiVersion: v1\nkind: Service\nmetadata: {\(metadata)}\n"
                + "spec: {clusterIP: 10.96.1.\(number), ports: [{\(port)}]\(spec)}\n"
        }
        func slice(_ labels: String, _ endpoint: String, port: String = "port: 80") -> String {
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s, labels: {\(labels)}}\n"
                + "addressType: IPv4\nendpoints: [{addresses: [10.128.1.9]\(endpoint)}]\nports: [{\(port)}]\n"
        }
        let own = "kubernetes.io/service-name"
        return [
            service("name: \(value)"), service("name: a, namespace: \(value)"),
            // YAML's keys have at most 1,024 characters.
            service("name: b, labels: {\(value.count < 1000 ? value : "k"): \(value)}"),
            service("name: c", port: "port: 80, name: \(value)"),
            service("name: d, annotations: {fairlead.dev/external-traffic: \(value)}"),
            service("name: e, annotations: {fairlead.dev/\(text.allSatisfy(\.isLetter) ? text : "x"): \(value)}"),
            service("name: f", ", type: \(value)"), service("name: g", ", externalIPs: [\(value)]"),
            service("name: h", ", sessionAffinity: \(value)"), service("name: i", ", trafficDistribution: \(value)"),
            service("name: j", ", loadBalancerSourceRanges: [\(value)]"), slice("\(own): \(value)", ""),
            slice("\(own): survivor", ", nodeName: \(value)"), slice("\(own): survivor", ", zone: \(value)"),
            slice("\(own): survivor", ", hints: {forZones: [{name: \(value)}]}"),
            slice("\(own): survivor", "", port: "port: 80, name: \(value)"),
            "apiVersion: v1\nkind: Node\nmetadata: {name: \(value), labels: {topology.kubernetes.io/zone: \(value)}}\n",
            "apiVersion: v1\nkind: \(value)\nmetadata: {name: x}\n", "apiVersion: \(value)\nkind: Service\n",
        ].joined(separator: "---\n")
    }

    private static let survivor = """
        apiVersion: v1
        kind: Service
        metadata: {name: survivor}
        spec: {clusterIP: 10.96.0.99, ports: [{port: 80}]}
        ---
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {name: survivor-1, labels: {kubernetes.io/service-name: survivor}}
        addressType: IPv4
        endpoints: [{addresses: [10.128.1.11]}]
        ports: [{port: 8080}]

        """

    private struct Bench {
        let namespace: NetworkNamespace
        let directory: TemporaryDirectory

        /// - Parameter hasBrokenFile: whether there is a file that cannot be read; a one-shot command needs all of them.
        init(hasBrokenFile: Bool) throws(TestKitError) {
            namespace = try NetworkNamespace("injection")
            directory = try TemporaryDirectory()
            try directory.write(survivor, to: "survivor.yaml")
            for (index, text) in texts.enumerated() {
                try directory.write(manifests(text, number: index + 1), to: "text-\(index).yaml")
            }
            // The name of a file, too, ends up in the log.
            if hasBrokenFile { try directory.write("kind: [\n", to: "x\nerror: forged\u{202E}\u{1B}[2J \"}.yaml") }
        }

        func fairlead(_ arguments: String...) async throws(TestKitError) -> ProgramResult {
            let cluster = FairleadCommand.clusterArguments(manifests: directory.path)
            return try await FairleadCommand().run(arguments + cluster, in: namespace)
        }
    }

    /// What Swift's decoder accepts, whatever it is.
    private struct Anything: Decodable { init(from decoder: any Decoder) throws {} }

    private struct LogLine: Decodable {
        let level: String
        let message: String
    }

    private static func isJSON(_ text: some StringProtocol) -> Bool {
        (try? JSONDecoder().decode(Anything.self, from: Data(text.utf8))) != nil
    }

    /// Characters that move the cursor, end lines or turn text round.
    private static func isPlain(_ text: String) -> Bool {
        !text.unicodeScalars.contains { scalar in
            switch scalar.properties.generalCategory {
            case .control: scalar != "\n" && scalar != "\t"
            case .format, .lineSeparator, .paragraphSeparator: true
            default: false
            }
        }
    }

    @Test("nothing in an object becomes a rule of its own")
    func rules() async throws {
        let bench = try Bench(hasBrokenFile: false)
        let (nft, namespace) = (NFT(bench.namespace), bench.namespace)
        try await nft.load("table ip bystander {\n}\n")
        let rendered = try await bench.fairlead("render").requireSuccess()
        #expect(rendered.standardOutput.contains("survivor") && Self.isPlain(rendered.standardOutput))
        try await nft.load(rendered.standardOutput)
        let loaded = try await nft.listRuleset()
        let expected = ["table ip bystander", "table ip fairlead", "table ip6 fairlead"]
        #expect(try await nft.listTables() == expected)
        // Over netlink as well, on top of it: the rules are the same.
        try await bench.fairlead("apply").requireSuccess()
        #expect(try await nft.listTables() == expected)
        #expect(try await nft.listRuleset() == loaded)
        #expect(!loaded.contains("forged"))
        let files = try await namespace.execute(Program("ls", ["/tmp/forged"]))
        #expect(files.status != 0)
        let json = try await bench.fairlead("render", "--output", "json").standardOutput
        #expect(json.contains("survivor") && Self.isJSON(json))
    }

    @Test("nothing in an object becomes a line of the log, or hides one", arguments: ["text", "json"])
    func log(format: String) async throws {
        let bench = try Bench(hasBrokenFile: true)
        let result = try await bench.fairlead("render", "--log-format", format, "--log-level", "trace")
        let lines = result.standardError.split(separator: "\n")
        // Each text is refused in several places.
        #expect(lines.count > 4 * Self.texts.count, "\(lines.count)")
        #expect(Self.isPlain(result.standardError) || format == "json")
        let levels = ["trace", "debug", "info", "notice", "warning", "error"]
        for line in lines {
            if format == "json" {
                let read = try JSONDecoder().decode(LogLine.self, from: Data(line.utf8))
                #expect(levels.contains(read.level) && !read.message.isEmpty, "\(line)")
            } else {
                #expect(levels.contains { line.hasPrefix("\($0): ") }, "\(line)")
                #expect(!line.hasPrefix("error: forged"))
            }
        }
    }

    @Test("nothing in an object becomes a series of the metrics")
    func metrics() async throws {
        let bench = try Bench(hasBrokenFile: true)
        let arguments = FairleadCommand.clusterArguments(manifests: bench.directory.path)
        let daemon = try await FairleadCommand().start(["run", "--service-counters"] + arguments, in: bench.namespace)
        try await daemon.waitForOutput("serving", timeLimit: .seconds(60))
        let curl = Program("curl", ["-s", "--max-time", "20", "http://127.0.0.1:10249/metrics"])
        let page = try PrometheusPage(try await bench.namespace.execute(curl).requireSuccess().standardOutput)
        #expect(page.values.keys.contains { $0.contains("survivor") })
        #expect(!page.values.keys.contains { $0.contains("forged") })
        daemon.signal(SIGTERM)
        #expect(try await daemon.waitForEnd(timeLimit: .seconds(30)).status == 0)
    }
}
