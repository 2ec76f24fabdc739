import FuzzKit
import Testing

@testable import ManifestSource

@Suite("JSON is read by RapidJSON as libyaml reads it")
struct JSONTextTests {
    private static let manifest = #"""
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "annotations": {
                    "last": "{\"apiVersion\":\"v1\",\"spec\":{}}\n",
                    "escapes": "\u003ca\u003e \/ \b\f\r\t\\ \u00e9\u20ac \u0000"
                },
                "creationTimestamp": "2026-01-02T03:04:05Z",
                "labels": {},
                "name": "web",
                "ownerReferences": []
            },
            "spec": {
                "clusterIPs": ["10.96.0.1", "fd00::1"],
                "ports": [
                    {"name": "http", "port": 80, "targetPort": "http"},
                    {"name": null, "port": 443, "weight": -1.5e+3, "on": true, "off": false}
                ]
            },
            "<<": "no merge: the key is in quotes"
        }

        """#

    @Test("A manifest as programs write it needs no libyaml")
    func manifest() throws {
        let (quick, slow, wasQuick) = try Readings.both(Array(Self.manifest.utf8))
        #expect(wasQuick)
        #expect(quick == slow)
    }

    @Test(
        "Each of these is RapidJSON's",
        arguments: [
            "{}", "[]", " {}", "\n\n[]\n", "{\t}", "{\"a\":1}", "{\"a\" : 1}", "[1,2,\n3]", "[[],[[]],{}]",
            "[0,-0,1.5,1e3,1E-3,12345678901234567890]", "[true,false,null]", "{\"\":\"\"}", "{\"a\":{\"a\":1}}",
            "[\"a\n\"]".replacing("\n", with: "\\n"), "[\"\\u0041\\\\\\\"\"]", "{\"a: b # c\": \"- x: *y &z\"}",
        ])
    func accepted(_ text: String) throws {
        let (quick, slow, wasQuick) = try Readings.both(Array(text.utf8))
        #expect(wasQuick)
        #expect(quick == slow)
    }

    @Test(
        "Each of these is libyaml's, or nobody's",
        arguments: [
            "{", "[", "[1,]", "{\"a\":1,}", "{a: b}", "[a]", "['a']", "{\"a\":1} {}", "[] # x", "[]\n---\n[]", "[01]",
            "[+1]", "[.5]", "[1.]", "[tru]", "[truex]", "[nul]", "[nullx]", "[\"a]", "[\"a\nb\"]", "[\"ä\"]",
            "[\"\\x41\"]", "[\"\\ud800\"]", "[1\r\n]", "{\"a\":1,\"a\":2}", "{\"a\"\n:1}", "{\"a\":1 \"b\":2}", "[1 2]",
            "{\"a\"}", "{1:2}", "[\u{7f}]", "[\"\u{7f}\"]", "[1e999]", "[\"a\\", "\t{}", "{}\n\t",
            "{\"\\u0061\": 1}", "{\"\\n\\n\\\" :\"\n: 1}", "[\"\\udc00\"]", "[\"\\ud83d\\ude00\"]", "[\u{0}]",
            "[]\u{0}", "[\"\u{0}\"]",
            "{\"" + String(repeating: "a", count: 2000) + "\": 1}",
            String(repeating: "[", count: 101) + String(repeating: "]", count: 101),
        ])
    func refused(_ text: String) throws {
        let (quick, slow, wasQuick) = try Readings.both(Array(text.utf8))
        #expect(!wasQuick)
        #expect(quick == slow)
    }

    @Test("As deep as manifests may be, and no deeper")
    func depth() throws {
        let text = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        let (quick, slow, wasQuick) = try Readings.both(Array(text.utf8))
        #expect(wasQuick)
        #expect(quick == slow)
    }

    @Test("Text that is nested a million levels deep costs no stack", arguments: ["[", "{\"a\":"])
    func abyss(_ bracket: String) throws {
        let closing = bracket == "[" ? "]" : "}"
        let text = String(repeating: bracket, count: 1_000_000) + "1" + String(repeating: closing, count: 1_000_000)
        let (quick, slow, wasQuick) = try Readings.both(Array(text.utf8))
        #expect(!wasQuick)
        #expect(quick == slow)
        #expect(quick.contains("nested deeper than 100 levels"))
    }

    @Test("Whatever happens to a text, both read the same", arguments: UInt64(1)...8)
    func mutations(seed: UInt64) throws {
        let pieces = [
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\n", " ", "\t", "\r", "1", "-", ".", "e", "true", "null", "\\n",
            "\\u00e9", "\\ud83d", "#", "'", "\u{85}", "é", "\"a\": 1,", "\u{1}", "/",
        ]
        var mutator = Mutator(seed: seed, pieces: pieces)
        let quick = try #require(ManifestArena())
        let slow = try #require(ManifestArena(onlyLibyaml: true))
        var simple = 0
        let count = Fuzz.rounds(3000)
        for _ in 0..<count {
            let text = mutator.mutated(Array(Self.manifest.utf8))
            let (left, right) = (Readings.meaning(text, quick), Readings.meaning(text, slow))
            if !quick.usedLibyaml { simple += 1 }
            try #require(left == right, "seed \(seed): \(String(decoding: text, as: UTF8.self))")
        }
        // Else nothing was compared.
        #expect(simple > count / 100)
    }

    @Test("Each text of up to five of these tokens that is strict JSON is read as libyaml reads it")
    func allShortTexts() throws {
        let tokens = ["{", "}", "[", "]", ",", ":", "\"a\"", "1", "-", "true", " ", "\n", "\t"]
        try Readings.compareAll(of: tokens, upTo: 5, atLeast: 100)
    }
}
