import Netfilter
import NetworkTypes
import Testing

@Suite("Text: what nft would write")
struct TextTests {
    private static let frontend: [Selector] = [.destinationAddress, .transportProtocol, .destinationPort]

    private func key(_ parts: (inout KeyBuilder) -> Void) -> ElementKey {
        var key = KeyBuilder()
        parts(&key)
        return key.key
    }

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test(
        "An interval is an address, a prefix or a range",
        arguments: [
            ("10.0.0.0", "10.255.255.255", "10.0.0.0/8"), ("0.0.0.0", "255.255.255.255", "0.0.0.0/0"),
            ("255.255.255.255", "255.255.255.255", "255.255.255.255"), ("0.0.0.0", "127.255.255.255", "0.0.0.0/1"),
            ("10.0.0.0", "10.0.0.1", "10.0.0.0/31"), ("10.0.0.1", "10.0.0.2", "10.0.0.1-10.0.0.2"),
            ("10.0.0.0", "10.0.2.255", "10.0.0.0-10.0.2.255"), ("10.0.0.1", "10.0.0.255", "10.0.0.1-10.0.0.255"),
            ("10.0.0.0", "10.0.0.254", "10.0.0.0-10.0.0.254"), ("128.0.0.0", "255.255.255.255", "128.0.0.0/1"),
            ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"), ("fd00::1", "fd00::1", "fd00::1"),
            ("fd00::", "fd00::ffff:ffff:ffff:ffff", "fd00::/64"), ("fd00::", "fd00::ffff:ffff", "fd00::/96"),
            ("fd00::", "fd00::7fff:ffff:ffff:ffff", "fd00::/65"), ("fd00::", "fd00::fffe", "fd00::-fd00::fffe"),
            ("fd00::", "fd00::1:ffff:ffff", "fd00::/95"), ("fd00::1", "fd00::ffff", "fd00::1-fd00::ffff"),
            ("8000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "8000::/1"),
            ("fd00:0:0:1::", "fd00:0:0:1:ffff:ffff:ffff:ffff", "fd00:0:0:1::/64"),
            ("fd00::1:0:0", "fd00::1:ffff:ffff", "fd00::1:0:0/96"),
            ("fd00::ffff", "fd00:0:0:1:ffff:ffff:ffff:ffff", "fd00::ffff-fd00::1:ffff:ffff:ffff:ffff"),
        ])
    func interval(_ first: String, _ last: String, _ expected: String) throws {
        let family = try address(first).family
        let set = SetDeclaration(SetID(0), "ranges", key: [.sourceAddress], isInterval: true)
        let (start, end) = (try address(first), try address(last))
        let element = Element(key { $0.append(start) }, to: key { $0.append(end) })
        #expect(set.text(of: element, family) == expected)
    }

    @Test(
        "A slot of a map shows frontend, slot and endpoint",
        arguments: [
            ("10.96.0.10", "10.128.1.11", "10.96.0.10 . tcp . 80 . 7 : 10.128.1.11 . 8080"),
            ("fd00::a", "fd00:1::b", "fd00::a . tcp . 80 . 7 : fd00:1::b . 8080"),
        ])
    func slot(_ frontend: String, _ backend: String, _ expected: String) throws {
        let map = SetDeclaration(
            SetID(0), "endpoints", key: Self.frontend + [.random(modulus: 65536)],
            data: [.destinationAddress, .destinationPort])
        let (from, to) = (try address(frontend), try address(backend))
        let element = Element(
            key {
                $0.append(from)
                $0.append(.tcp)
                $0.append(port: 80)
                $0.append(slot: 7)
            },
            data: key {
                $0.append(to)
                $0.append(port: 8080)
            })
        #expect(map.text(of: element, from.family) == expected)
    }

    @Test("Counter, comment and data stand in the order that nft wants")
    func decorations() throws {
        let address = try address("10.0.0.1")
        let element = Element(
            key { $0.append(address) }, data: key { $0.append(port: 53) }, comment: "default/dns:udp")
        let map = SetDeclaration(
            SetID(0), "m", key: [.destinationAddress], data: [.destinationPort], countsPackets: true)
        #expect(
            map.text(of: element, .ipv4) == "10.0.0.1 counter packets 0 bytes 0 comment \"default/dns:udp\" : 53")
    }

    @Test("Node ports are protocol and port; an unknown protocol is a number")
    func nodePort() {
        let set = SetDeclaration(SetID(0), "n", key: [.transportProtocol, .destinationPort])
        let known = Element(
            key {
                $0.append(.sctp)
                $0.append(port: 65535)
            })
        #expect(set.text(of: known, .ipv6) == "sctp . 65535")
        var unknown = known.key
        unknown[0] = 99 << 24
        #expect(set.text(of: Element(unknown), .ipv6) == "99 . 65535")
    }

    @Test("A declaration says type for a lone address and typeof for anything else")
    func declarations() {
        let plain = SetDeclaration(
            SetID(0), "a", key: [.sourceAddress], isInterval: true, countsPackets: true, comment: "who")
        #expect(plain.lines(.ipv4) == ["type ipv4_addr", "flags interval", "counter", "comment \"who\""])
        #expect(plain.lines(.ipv6).first == "type ipv6_addr")
        let map = SetDeclaration(SetID(0), "b", key: [.destinationAddress], data: [.destinationPort])
        #expect(map.lines(.ipv4) == ["typeof ip daddr : th dport"])
        let set = SetDeclaration(SetID(0), "c", key: Self.frontend + [.random(modulus: 4)])
        #expect(set.lines(.ipv6) == ["typeof ip6 daddr . meta l4proto . th dport . numgen random mod 4"])
    }

    @Test("Every statement has its nft text in both families", arguments: statements)
    func statement(_ statement: Statement, _ ipv4: String, _ ipv6: String) {
        #expect(statement.text(.ipv4) == ipv4)
        #expect(statement.text(.ipv6) == ipv6)
    }

    static let statements: [(Statement, String, String)] = [
        (.lookup([.sourceAddress], set: "s"), "ip saddr @s", "ip6 saddr @s"),
        (
            .lookup([.sourceAddress, .sourcePort], set: "s", negated: true), "ip saddr . th sport != @s",
            "ip6 saddr . th sport != @s"
        ),
        (
            .lookup([.originalDestinationAddress, .originalProtocol, .originalDestinationPort], set: "s"),
            "ct original ip daddr . ct protocol . ct original proto-dst @s",
            "ct original ip6 daddr . ct protocol . ct original proto-dst @s"
        ),
        (
            .destinationNAT([.transportProtocol, .destinationPort, .random(modulus: 8)], map: "m"),
            "dnat ip to meta l4proto . th dport . numgen random mod 8 map @m",
            "dnat ip6 to meta l4proto . th dport . numgen random mod 8 map @m"
        ),
        (.connectionState(.invalid), "ct state invalid", "ct state invalid"),
        (.connectionStateIsNot(.new), "ct state != new", "ct state != new"),
        (.connectionStateIsNot(.established), "ct state != established", "ct state != established"),
        (.isDestinationTranslated, "ct status dnat", "ct status dnat"),
        (.isConfirmed, "ct status confirmed", "ct status confirmed"),
        (.transport(.sctp), "meta l4proto sctp", "meta l4proto sctp"),
        (.originalProtocol(.udp), "ct protocol udp", "ct protocol udp"),
        (.sourceIsLocal, "fib saddr type local", "fib saddr type local"), (.counter, "counter", "counter"),
        (.masquerade, "masquerade fully-random", "masquerade fully-random"),
        (.rejectWithReset, "reject with tcp reset", "reject with tcp reset"), (.reject, "reject", "reject"),
        (.accept, "accept", "accept"), (.drop, "drop", "drop"), (.jump("c"), "jump c", "jump c"),
        (.goto("c"), "goto c", "goto c"),
    ]

    @Test("A rule is its statements, one after the other")
    func rule() {
        let rule: Rule = [.transport(.tcp), .counter, .goto("refuse")]
        #expect(rule.text(.ipv4) == "meta l4proto tcp counter goto refuse")
    }

    @Test("A whole table is text with its elements in the order of their keys")
    func table() throws {
        let set = SetDeclaration(SetID(0), "s", key: [.destinationAddress], comment: "addresses")
        let hook = Chain.Hook(.nat, .output, priority: -100)
        let schema = TableSchema(
            family: .ipv4, name: "t", comment: "mine", sets: [set],
            chains: [Chain("c", hook: hook, comment: "first", rules: [[.accept]]), Chain("d", rules: [])])
        let elements = try ["10.0.0.2", "9.0.0.1", "10.0.0.1"].map { text in
            let address = try address(text)
            return Element(key { $0.append(address) })
        }
        let expected = """
            table ip t {
            \tcomment "mine"

            \tset s {
            \t\ttype ipv4_addr
            \t\tcomment "addresses"
            \t\telements = { 9.0.0.1,
            \t\t\t     10.0.0.1,
            \t\t\t     10.0.0.2 }
            \t}

            \tchain c {
            \t\tcomment "first"
            \t\ttype nat hook output priority -100; policy accept;
            \t\taccept
            \t}

            \tchain d {
            \t}

            }

            """
        #expect(TableState(schema: schema, elements: [SetID(0): elements]).description == expected)
    }

    @Test("Changes are counted by kind")
    func counts() {
        let set = SetDeclaration(SetID(0), "s", key: [.destinationPort])
        var transaction = Transaction(tableName: "t")
        #expect(transaction.isEmpty)
        transaction.append(.ipv4, .addSet(set))
        transaction.append(.ipv4, .deleteElements(set, [Element(ElementKey())]))
        transaction.append(.ipv6, .addElements(set, [Element(ElementKey()), Element(ElementKey())]))
        let counts = ChangeCounts([transaction, transaction])
        #expect((counts.added, counts.removed, counts.structural) == (4, 2, 2))
        #expect(transaction.elementCount == 3)
        #expect(!counts.isEmpty)
        #expect(ChangeCounts([]).isEmpty)
    }
}
