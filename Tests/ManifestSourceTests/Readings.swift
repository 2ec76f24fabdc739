import Testing

@testable import ManifestSource

/// What the quick readers and libyaml make of the same text.
enum Readings {
    /// What a text means: its nodes, one on a line, or that it is none.
    static func meaning(_ text: [UInt8], _ arena: ManifestArena) -> String {
        text.withUnsafeBytes { bytes in
            var result = ""
            do throws(SyntaxError) {
                try arena.parse(bytes) { roots in for root in roots { describe(root, "", &result) } }
            } catch {
                return "\(error.line):\(error.column): \(error.problem)"
            }
            return result
        }
    }

    private static func describe(_ node: ManifestNode, _ indent: String, _ result: inout String) {
        result += "\(indent)\(node.line) \(node.kind) \(node.count) \(node.isQuoted) \(node.text)\n"
        for element in node.elements { describe(element, indent + "  ", &result) }
        for key in node.keys {
            describe(key, indent + "k ", &result)
            describe(key.following, indent + "v ", &result)
        }
    }

    /// Both readings of a text, and whether the first did without libyaml.
    static func both(_ text: [UInt8]) throws -> (quick: String, slow: String, wasQuick: Bool) {
        let quick = try #require(ManifestArena())
        let slow = try #require(ManifestArena(onlyLibyaml: true))
        return (meaning(text, quick), meaning(text, slow), !quick.usedLibyaml)
    }

    /// Compares both readings of each text that can be made of so many pieces.
    ///
    /// - Parameter expected: How many texts the quick readers take at least: else nothing was compared.
    static func compareAll(of pieces: [String], upTo count: Int, atLeast expected: Int) throws {
        let quick = try #require(ManifestArena())
        let slow = try #require(ManifestArena(onlyLibyaml: true))
        let pieces = pieces.map { Array($0.utf8) }
        var texts = 0
        for length in 1...count {
            var digits = [Int](repeating: 0, count: length)
            var isDone = false
            while !isDone {
                let text = digits.flatMap { pieces[$0] }
                // What the quick readers leave to libyaml is the same by itself.
                let isQuick = text.withUnsafeBytes { bytes in
                    do throws(SyntaxError) { try quick.parse(bytes) { _ in } } catch { return false }
                    return !quick.usedLibyaml
                }
                if isQuick {
                    texts += 1
                    let (left, right) = (meaning(text, quick), meaning(text, slow))
                    try #require(left == right, "\(String(decoding: text, as: UTF8.self).debugDescription)")
                }
                var place = 0
                while place < length, digits[place] == pieces.count - 1 {
                    digits[place] = 0
                    place += 1
                }
                if place < length { digits[place] += 1 } else { isDone = true }
            }
        }
        #expect(texts >= expected)
    }
}
