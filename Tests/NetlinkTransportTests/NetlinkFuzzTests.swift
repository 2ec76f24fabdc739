import FairleadTestKit
import FuzzKit
import Netfilter
import NetworkTypes
import ServiceDataplane
import Testing

@testable import NetlinkTransport

/// What the kernel sends, tampered with: nothing is read beyond its end, and nothing traps.
@Suite(
    "Replies of the kernel that were tampered with",
    .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct NetlinkFuzzTests {
    /// Reads a datagram in every way that Fairlead reads any. Returns how many elements, flows and addresses it held.
    private func read(_ datagram: [UInt8]) -> (elements: Int, flows: Int, addresses: Int) {
        var found = (elements: 0, flows: 0, addresses: 0)
        var table = ObservedElements(keyBytes: 12, valueBytes: 8)
        // A buffer of exactly this size: a sanitizer sees what is read beyond it.
        datagram.withUnsafeBytes { buffer in
            for message in MessageSequence(buffer) {
                _ = ErrorReport(message)
                _ = LinkHeader(message)?.tellsUpOrDown
                if AddressDump.usableAddress(message) != nil { found.addresses += 1 }
                for family in IPFamily.allCases {
                    for transport in TransportProtocol.allCases {
                        guard let entry = ConntrackEntry(message, family, transport) else { continue }
                        var writer = MessageWriter(capacity: 64)
                        entry.writeDeletion(to: &writer, sequence: 1)
                        found.flows += MessageSequence(writer.bytes).reduce(0) { count, _ in count + 1 }
                    }
                }
                for offset in [0, 40, 4000, nil] {
                    _ = BatchNaming.object(sequence: message.sequence, offset: offset, in: buffer) { _, _ in
                        Tables.services
                    }
                }
                for list in message.attributes where list.type == ElementAttribute.listElements {
                    for item in list.nested {
                        guard let element = ReceivedElement(item) else { continue }
                        element.insert(into: &table)
                        found.elements += 1
                    }
                }
            }
        }
        return found
    }

    private func total(_ datagrams: [[UInt8]]) -> (elements: Int, flows: Int, addresses: Int) {
        datagrams.map(read).reduce((0, 0, 0)) { ($0.0 + $1.elements, $0.1 + $1.flows, $0.2 + $1.addresses) }
    }

    @Test("Bytes of real replies are changed, removed and added", arguments: UInt64(1)...4)
    func tampered(seed: UInt64) throws {
        let replies = try KernelReplies()
        let real = total(replies.all)
        // The replies are what they are to be: else this would be a test of nothing.
        #expect(real.elements > 20 && real.flows >= 2 && real.addresses >= 1, "\(real)")
        let corpus = replies.all.map { Array($0.prefix(3000)) }
        var mutator = Mutator(seed: seed)
        var found = (elements: 0, flows: 0, addresses: 0)
        let count = Fuzz.rounds(3000)
        for _ in 0..<count {
            let part = read(mutator.mutated(mutator.pick(corpus)))
            found = (found.elements + part.elements, found.flows + part.flows, found.addresses + part.addresses)
        }
        #expect(found.elements > 0 && found.flows > 0 && found.addresses > 0)
        Fuzz.report("netlink replies, seed \(seed)", count, "\(found)")
    }

    /// All values that libnftnl shows; lengths and the like are for `RuleFuzzTests`.
    @Test("Values in rules are changed, and the rules shown", arguments: UInt64(1)...4)
    func rules(seed: UInt64) throws {
        let rules = try KernelReplies().rules.map { (datagram: $0, places: numbers(of: $0)) }.filter {
            !$0.places.isEmpty
        }
        var mutator = Mutator(seed: seed)
        var texts: Set<String> = []
        let count = Fuzz.rounds(500)
        for _ in 0..<count {
            let (rule, places) = mutator.pick(rules)
            var datagram = rule
            for _ in 0..<mutator.number(in: 0..<20) {
                datagram[mutator.pick(places) + mutator.number(in: 0..<4)] = UInt8(mutator.number(in: 0..<256))
            }
            datagram.withUnsafeBytes { buffer in
                for message in MessageSequence(buffer) where message.type != NetlinkControl.done {
                    texts.insert(RuleText.text(of: message))
                }
            }
        }
        #expect(texts.count > 100)
        Fuzz.report("rules, seed \(seed)", count, "\(texts.count) texts")
    }

    /// Where numbers of four bytes stand in the expressions of rules. Names of expressions that have four bytes are none.
    private func numbers(of datagram: [UInt8]) -> [Int] {
        var places: [Int] = []
        datagram.withUnsafeBytes { buffer in
            func walk(_ attributes: AttributeSequence, depth: Int) {
                for attribute in attributes {
                    if attribute.value.count != 4 {
                        if depth < 6 { walk(attribute.nested, depth: depth + 1) }
                    } else if attribute.value.last != 0 || attribute.value.first == 0,
                        let start = attribute.value.baseAddress, let base = buffer.baseAddress
                    {
                        places.append(start - base)
                    }
                }
            }
            for message in MessageSequence(buffer) {
                if let expressions = message.attributes.first(4) { walk(expressions.nested, depth: 0) }
            }
        }
        return places
    }
}
