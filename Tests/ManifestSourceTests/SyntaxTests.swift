import KubernetesModel
import ManifestSource
import Testing

@Suite struct SyntaxTests {
    private func problem(_ text: String) -> String? {
        do throws(ManifestError) {
            _ = try decode(text)
            return nil
        } catch {
            return error.description
        }
    }

    private func problem(_ bytes: [UInt8]) -> String? {
        bytes.withUnsafeBytes { buffer in
            var decoder = ManifestDecoder(path: "f.yaml")
            do throws(ManifestError) {
                _ = try decoder.decode(buffer)
                return nil
            } catch {
                return error.description
            }
        }
    }

    @Test(arguments: [
        ("a: b\na: c\n", "f.yaml:2:1: the key \"a\" stands twice in one map"),
        ("a: {b: c, b: d}\n", "f.yaml:1:1: the key \"b\" stands twice in one map"),
        ("a: [b\n", "f.yaml:2:1: did not find expected ',' or ']' (while parsing a flow sequence from line 1)"),
        (
            "a:\n\tb: c\n",
            "f.yaml:2:1: found character that cannot start any token (while scanning for the next token from line 2)"
        ),
        ("a: b: c\n", "f.yaml:1:5: mapping values are not allowed in this context"),
        ("a: 'b\n", "f.yaml:2:1: found unexpected end of stream (while scanning a quoted scalar from line 1)"),
        ("a: *b\n", "f.yaml:1:4: alias without an anchor of that name before it"),
        ("a: &a [*a]\n", "f.yaml:1:8: alias to a node that contains it"),
        ("? [a]\n: b\n", "f.yaml:1:3: a key must be a plain text"),
        (
            "---\na: 1\n---\na: 1\n---\nb: [\n",
            "f.yaml:7:1: did not find expected node content (while parsing a flow node from line 7)"
        ),
        (
            "a: 1\n--- \nb: \"\\ud83d\"\n",
            "f.yaml:3:7: found invalid Unicode character escape code (while parsing a quoted scalar from line 3)"
        ),
        ("{\"a\": 1} x\n", "f.yaml:1:10: did not find expected <document start>"),
        ("a: \u{0}b\n", "f.yaml:1:4: control characters are not allowed"),
    ])
    func aFileThatIsNotYAMLIsRefused(_ text: String, _ expected: String) {
        #expect(problem(text) == expected)
    }

    @Test func badUTF8IsRefused() {
        #expect(problem(Array("a: ".utf8) + [0xC3]) == "f.yaml:1:4: incomplete UTF-8 octet sequence")
        #expect(problem(Array("a: ".utf8) + [0xFF, 0x0A]) == "f.yaml:1:4: invalid leading UTF-8 octet")
        #expect(problem(Array("a: ".utf8) + [0xC3, 0x28]) == "f.yaml:1:5: invalid trailing UTF-8 octet")
        #expect(problem(Array("b: 1\na: ".utf8) + [0xED, 0xA0, 0x80]) == "f.yaml:2:4: invalid Unicode character")
    }

    @Test func deepNestingIsRefused() {
        #expect(problem(String(repeating: "[", count: 101)) == "f.yaml:1:101: nested deeper than 100 levels")
        #expect(problem(String(repeating: "[", count: 100_000)) == "f.yaml:1:101: nested deeper than 100 levels")
        let deep = String(repeating: "[", count: 99) + String(repeating: "]", count: 99)
        #expect(problem("- &a \(deep)\n- [*a]\n") == "f.yaml:2:4: nested deeper than 100 levels")
    }

    @Test func anAliasBombIsRefused() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(aliases)]\n"
        }
        #expect(problem(text) == "f.yaml:6:10: aliases expand to more than 100000 nodes")
    }

    @Test func manyKeysAreCheckedForDuplicatesToo() {
        let keys = (0..<10_000).map { "k\($0): 1\n" }.joined()
        #expect(problem(keys) == nil)
        #expect(problem(keys + "k77: 1\n") == "f.yaml:10001:1: the key \"k77\" stands twice in one map")
    }

    @Test(arguments: ["", "\n", "---\n", "---\n---\n...\n", "# nothing\n", "null\n", "~", "[]", "\u{FEFF}"])
    func emptyDocumentsAreFine(_ text: String) throws {
        #expect(try decode(text) == LoadedFile(path: "f.yaml"))
    }

    @Test func aByteOrderMarkIsTolerated() throws {
        #expect(try decode("\u{FEFF}" + survivor).objects.count == 1)
        #expect(try decode("\u{FEFF}{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}").skipped.count == 1)
    }

    @Test func windowsLineEndsAreFine() throws {
        let file = try decode((survivor + survivor.replacing("survivor", with: "b")).replacing("\n", with: "\r\n"))
        #expect(file.names == ["Service default/survivor", "Service default/b"])
        #expect(file.objects.map(\.location.line) == [2, 7])
    }

    @Test func jsonWithSurrogatesAndEscapesIsRead() throws {
        let file = try decode(
            #"""
            {"apiVersion":"v1","kind":"Service","metadata":{"name":"web","annotations":{
            	"fairlead.dev/a":"\ud83d\ude00 \\ud83d\\ude00 \/ \u00e9\u0041","fairlead.dev/b":"\\\uD83D\uDE00"}},
            	"spec":{"clusterIP":"10.96.0.1","ports":[{"port":80}]}}
            """#)
        let service = try #require(file.services.first)
        #expect(
            service.annotations == [
                "fairlead.dev/a": "😀 \\ud83d\\ude00 / éA", "fairlead.dev/b": "\\😀",
            ])
    }

    @Test func aDocumentMarkerInsideTextIsNoMarker() throws {
        let file = try decode(
            """
            apiVersion: v1
            kind: ConfigMap
            data:
              text: |
                ---
                kind: Service
              other: "a
                --- b"
            ---not-a-marker: 1
            --- # a comment
            apiVersion: v1
            kind: Secret
            """)
        #expect(file.skipped.map(\.kind) == ["v1 ConfigMap", "v1 Secret"])
        #expect(file.skipped.map(\.location.line) == [1, 11])
    }

    @Test func directivesKeepTheFileInOnePiece() throws {
        let file = try decode("%YAML 1.1\n%TAG !t! tag:yaml.org,2002:\n---\nkind: !t!str 7\napiVersion: v1\n")
        #expect(file.skipped.map(\.kind) == ["v1 7"])
    }
}

@Suite struct SplittingTests {
    /// Documents of all sorts, more than one thread takes at a time.
    private static let text: String = {
        var text = ""
        for index in 0..<5000 {
            switch index % 5 {
            case 0: text += "---\n" + service("clusterIP: 10.96.0.1\nports: [{port: 80}]", name: "s\(index)")
            case 1: text += "---\n" + service("ports: [{port: 0}]", name: "s\(index)")
            case 2: text += "--- # \(index)\n" + slice("addressType: IPv4\nendpoints: [{addresses: [10.0.0.1]}]")
            case 3: text += "---\n\n# empty\n"
            default: text += "---\nkind: Pod\napiVersion: v1\ntext: |\n  ---\n  \(index)\n...\n"
            }
        }
        return text
    }()

    @Test func threadsGiveTheSameResultAsOne() throws {
        let one = try decode(Self.text, workers: 1)
        #expect(one.objects.count == 2000)
        #expect(one.findings.count == 1000)
        #expect(one.skipped.count == 1000)
        for workers in [2, 3, 8] { #expect(try decode(Self.text, workers: workers) == one) }
        // As one piece, as libyaml sees it.
        #expect(try decode("%YAML 1.1\n" + Self.text).objects.map(\.object) == one.objects.map(\.object))
    }

    @Test func theFirstErrorIsReportedWhicheverThreadMeetsIt() {
        let text = Self.text + "---\n{\n---\n}\n" + Self.text + "---\n]\n"
        var problems: Set<String> = []
        for workers in [1, 2, 4] {
            do throws(ManifestError) { _ = try decode(text, workers: workers) } catch {
                problems.insert(error.description)
            }
        }
        let lines = Self.text.utf8.count { $0 == 10 }
        #expect(problems.count == 1)
        #expect(problems.first?.hasPrefix("f.yaml:\(lines + 3):1: ") == true)
    }

    @Test func aCachedDocumentMovesWithTheFile() throws {
        var decoder = ManifestDecoder(path: "f.yaml")
        let bad = "---\n" + service("ports: [{port: 0}]")
        let before = try decoder.decode(survivor + bad)
        #expect(before.objects.map(\.location.line) == [2])
        #expect(before.findings.map(\.location) == ["f.yaml:11"])
        let after = try decoder.decode("# new\n# lines\n" + survivor + bad)
        #expect(after.objects.map(\.location.line) == [4])
        #expect(after.findings.map(\.location) == ["f.yaml:13"])
        #expect(try decoder.decode(bad).objects.isEmpty)
        #expect(try decoder.decode(survivor + bad) == before)
    }
}
