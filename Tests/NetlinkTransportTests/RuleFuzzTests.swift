import FairleadTestKit
import FuzzKit
import Testing

@testable import NetlinkTransport

/// Rules of the kernel that were tampered with in ways that no kernel does. libnftnl ends the process over many of them: it must
/// not get to see these.
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
        for name in ["lookup", "nat", "masq", "reject", "immediate", "cmp", "payload", "ct", "meta", "counter"] {
            #expect(texts.contains { $0.contains("\(name) ") || $0.contains("\(name)\n") }, "\(name)")
        }
    }

    @Test("Each attribute is made longer, shorter, and another one")
    func attributes() throws {
        var (count, unreadable) = (0, 0)
        for rule in try Self.rules() {
            for place in Self.attributes(of: rule) {
                for change in [0xFFFF, 0xFFFC, 0xFFFD, 1, 2, 4, 60] {
                    var changed = rule
                    let length = (Int(rule[place]) + Int(rule[place + 1]) << 8 + change) & 0xFFFF
                    (changed[place], changed[place + 1]) = (UInt8(length & 0xFF), UInt8(length >> 8))
                    unreadable += Self.texts(changed).contains(RuleText.unreadable) ? 1 : 0
                    count += 1
                }
                for type in UInt8(0)..<14 {
                    var changed = rule
                    changed[place + 2] = type
                    unreadable += Self.texts(changed).contains(RuleText.unreadable) ? 1 : 0
                    count += 1
                }
            }
        }
        // Some changes do no harm: an attribute that is not looked at, or one number instead of another.
        #expect(unreadable > count / 4 && unreadable < count)
        Fuzz.report("attributes of rules", count, "\(unreadable) unreadable")
    }

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
