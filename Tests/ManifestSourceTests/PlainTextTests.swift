import Testing

@testable import ManifestSource

@Suite("Plain text is read as libyaml reads it")
struct PlainTextTests {
    private static let manifest = """
        ---
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata:
          name: web-1
          namespace: shop
          labels:
            kubernetes.io/service-name: web
            empty: ""
          annotations: {}
          ownerReferences: []
          creationTimestamp: 2026-01-02T03:04:05Z
        addressType: IPv6
        endpoints:
        - addresses:
          - fd00::1:5
          - "fd00::2"
          conditions:
            ready: true
            serving:
          hints:
              forZones:
                -   name: 'a'
                    weight: -1

        - addresses: [fd00::3]
          nodeName: node1
        ports:
          - name: http
            port: 8080
          - name:
            port: 9090
          - plain words, with: colons:inside
        """

    @Test("A manifest as programs write it needs no libyaml")
    func manifest() throws {
        let foreign = ["[fd00", "nodeName", "plain words"]
        let lines = Self.manifest.split(separator: "\n", omittingEmptySubsequences: false)
        let text = lines.filter { line in !foreign.contains { line.contains($0) } }.joined(separator: "\n")
        let (quick, slow, wasQuick) = try Readings.both(Array(text.utf8))
        #expect(wasQuick)
        #expect(quick == slow)
    }

    @Test(
        "Each of these is plain",
        arguments: [
            "a: b", "a: b\n", "---\na: b\n", "a:\n  b: c\n", "a:\n- b\n- c\nd: e\n",
            "a:\n  - b: c\n    d: e\n  - f: g\n",
            "a: {}\nb: []\n", "a: \"x y\"\nb: 'z'\n", "a:\nb: ::1\n", "a: -1\nb: /x\nc: .5\n", "\n\na: b\n\n\nc: d\n\n",
            "a:\n-   b: c\n    d: e\n", "a: b c, d - ? x\n", "a: 10.0.0.0/8\n",
            "a:\n  b:\n    c:\n    - d:\n      - e: f\n", "1: 2\n", "a: x:y\n", "a: b\nc:\n",
        ])
    func accepted(_ text: String) throws {
        let (quick, slow, wasQuick) = try Readings.both(Array(text.utf8))
        #expect(wasQuick)
        #expect(quick == slow)
    }

    @Test(
        "Each of these is libyaml's, or nobody's",
        arguments: [
            "", "\n", "---\n", "# x\na: b\n", "a: b # c\n", "a: b\n  c\n", "a: &x b\n", "a: *x\n", "a: |\n  b\n",
            "- a\n",
            "a: [b]\n", "a: {b: c}\n", "a: \"\\n\"\n", "a: 'it''s'\n", "a: b\na: c\n", "a: b: c\n", "a: fd00::\n",
            "a:\n   b: c\n  d: e\n", "a: b\n - c\n", "a:\n- b\n  c: d\n", "a:\tb\n", "\ta: b\n", "a: b\r\nc: d\r\n",
            "a: ä\n",
            "a: !!str 1\n", "a: b \n", "a: \n", "<<: b\n", "a: b\n---\nc: d\n", "a: b\n...\n", "? a\n: b\n", "a\n",
            "a:\n- - b\n", "a:\n-\n  b: c\n", "a: ~\n", "a: @b\n", "a:b\n", "\"a\": b\n", " a: b\n",
            "a: b\n   \nc: d\n",
            "a: \"b\n", "a: b\u{0}\n", "a: >\n", "%YAML 1.1\n---\na: b\n", "a:\n  b\n", "a:\n- b: c\n  - d\n",
        ])
    func refused(_ text: String) throws {
        let (quick, slow, wasQuick) = try Readings.both(Array(text.utf8))
        #expect(!wasQuick)
        #expect(quick == slow)
    }

    @Test("Whatever happens to a text, both read the same", arguments: UInt64(1)...8)
    func mutations(seed: UInt64) throws {
        var random = SeededNumbers(state: seed)
        let quick = try #require(ManifestArena())
        let slow = try #require(ManifestArena(onlyLibyaml: true))
        let lines = Self.manifest.split(separator: "\n", omittingEmptySubsequences: false).map { Array($0.utf8) }
        var plain = 0
        for _ in 0..<3000 {
            let text = Self.mutated(lines, using: &random)
            let (left, right) = (Readings.meaning(text, quick), Readings.meaning(text, slow))
            if !quick.usedLibyaml { plain += 1 }
            if left != right {
                Issue.record(
                    "seed \(seed): \(String(decoding: text, as: UTF8.self))\n--- quick\n\(left)--- libyaml\n\(right)")
                return
            }
        }
        // Else nothing was compared.
        #expect(plain > 200)
    }

    @Test("Each text of up to seven of these bytes that is plain is read as libyaml reads it")
    func allShortTexts() throws {
        // Of these YAML makes its structure; the rest are letters, and what makes a text not plain at once.
        try Readings.compareAll(of: ["a", ":", "-", " ", "\n", "\""], upTo: 7, atLeast: 1000)
    }

    /// Some lines of a text, with a few of them changed.
    private static func mutated(_ lines: [[UInt8]], using random: inout SeededNumbers) -> [UInt8] {
        let start = Int.random(in: 0..<lines.count - 1, using: &random)
        var part = Array(lines[start..<Int.random(in: start + 1...min(start + 12, lines.count), using: &random)])
        if Bool.random(using: &random) { part = part.map { Array($0.drop { $0 == 0x20 }) } }
        let letters = Array(" :-a\n\"'{}[]#0./".utf8)
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            let line = part.indices.randomElement(using: &random) ?? 0
            switch Int.random(in: 0..<6, using: &random) {
            case 0: part[line].insert(contentsOf: [0x20, 0x20], at: 0)
            case 1: part[line] = Array(part[line].dropFirst(2))
            case 2: part.insert(part.randomElement(using: &random) ?? [], at: line)
            case 3: part.swapAt(line, part.indices.randomElement(using: &random) ?? line)
            case 4 where !part[line].isEmpty:
                let place = Int.random(in: 0..<part[line].count, using: &random)
                part[line][place] = letters.randomElement(using: &random) ?? 0x20
            default:
                let place = Int.random(in: 0...part[line].count, using: &random)
                part[line].insert(letters.randomElement(using: &random) ?? 0x20, at: place)
            }
        }
        return Array(part.joined(separator: [0x0A]))
    }
}
