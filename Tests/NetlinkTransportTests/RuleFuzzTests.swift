import FairleadTestKit
import FuzzKit
import Testing

@testable import NetlinkTransport

/// Rules of the kernel that were tampered with: `RuleForm` decides which of them libnftnl gets to see.
@Suite(
    "Rules that were tampered with",
    .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct RuleFuzzTests {
    /// The texts of the rules in a datagram.
    private static func texts(_ datagram: [UInt8]) -> [String] {
        datagram.withUnsafeBytes { buffer in
            MessageSequence(buffer).filter { $0.type != NetlinkControl.done }.map { RuleText.text(of: $0) }
        }
    }

    /// Whether libnftnl gets to see the rule.
    private static func isHandedOver(_ datagram: [UInt8]) -> Bool {
        datagram.withUnsafeBytes { buffer in MessageSequence(buffer).contains { RuleForm.isReadable($0) } }
    }

    /// The rules by themselves, each as a datagram; of those that are alike, one.
    private static func rules() throws -> [[UInt8]] {
        var seen: Set<String> = []
        var rules: [[UInt8]] = []
        for datagram in try KernelReplies().rules {
            datagram.withUnsafeBytes { buffer in
                for message in MessageSequence(buffer) where message.type != NetlinkControl.done {
                    guard seen.insert(RuleText.text(of: message)).inserted else { continue }
                    rules.append(Array(buffer[message.offset..<message.offset + 16 + message.payload.count]))
                }
            }
        }
        return rules
    }

    /// Where the attributes of a rule begin, at every depth.
    private static func attributes(of rule: [UInt8]) -> [Int] {
        var places: [Int] = []
        rule.withUnsafeBytes { buffer in
            func walk(_ attributes: AttributeSequence, depth: Int) {
                for attribute in attributes {
                    guard let start = attribute.value.baseAddress, let base = buffer.baseAddress else { continue }
                    places.append(start - base - 4)
                    if depth < 6 { walk(attribute.nested, depth: depth + 1) }
                }
            }
            for message in MessageSequence(buffer) { walk(message.attributes, depth: 0) }
        }
        return places
    }

    @Test("What the kernel says of Fairlead's rules is read")
    func real() throws {
        let texts = try Self.rules().flatMap(Self.texts)
        #expect(texts.count > 30)
        #expect(!texts.contains(RuleText.unreadable))
        #expect(try Self.rules().allSatisfy(Self.isHandedOver))
        for name in ["lookup", "nat", "masq", "reject", "immediate", "cmp", "payload", "ct", "meta", "counter"] {
            #expect(texts.contains { $0.contains("\(name) ") || $0.contains("\(name)\n") }, "\(name)")
        }
    }

    @Test("A rule with an expression that Fairlead does not write is not handed to libnftnl")
    func foreignExpressions() throws {
        var count = 0
        for rule in try Self.rules() {
            for place in Self.attributes(of: rule) {
                let length = Int(rule[place]) + Int(rule[place + 1]) << 8
                let payload = rule[(place + 4)..<(place + length)]
                guard payload.last == 0, Self.expressions.contains(String(decoding: payload.dropLast(), as: UTF8.self))
                else { continue }
                // A name of the same length that no expression has: libnftnl says that it does not know it.
                var changed = rule
                for index in payload.indices.dropLast() { changed[index] = UInt8(ascii: "z") }
                #expect(!Self.isHandedOver(changed))
                count += 1
            }
        }
        #expect(count > 60)
        Fuzz.report("expressions of rules", count, "all unreadable")
    }

    private static let expressions: Set<String> = [
        "lookup", "nat", "masq", "reject", "immediate", "cmp", "payload", "ct", "meta", "counter", "bitwise", "fib",
        "dynset", "numgen", "hash",
    ]

    @Test("Bytes of rules are changed, removed and added", arguments: UInt64(1)...4)
    func bytes(seed: UInt64) throws {
        let rules = try Self.rules()
        let names = [
            "immediate", "lookup", "match", "target", "log", "dynset", "objref", "limit", "range", "quota", "x",
        ]
        var mutator = Mutator(
            seed: seed, pieces: names.map { "\($0)\u{0}" } + ["\u{4}\u{0}\u{1}\u{0}", "\u{8}\u{0}\u{2}\u{0}"])
        var (read, unreadable) = (0, 0)
        let count = Fuzz.rounds(2500)
        for _ in 0..<count {
            var rule = mutator.mutated(mutator.pick(rules))
            // Mostly the message still is one, of the bytes that are there.
            if rule.count >= 16, mutator.number(in: 0..<4) != 0 {
                rule += [UInt8](repeating: 0, count: -rule.count & 3)
                withUnsafeBytes(of: UInt32(rule.count)) { rule.replaceSubrange(0..<4, with: $0) }
            }
            for text in Self.texts(rule) {
                if text == RuleText.unreadable { unreadable += 1 } else { read += 1 }
            }
        }
        #expect(read > count / 20 && unreadable > count / 20, "\(read), \(unreadable)")
        Fuzz.report("bytes of rules, seed \(seed)", count, "\(unreadable) unreadable")
    }
}
