import Netfilter
import NetworkTypes
import Testing

/// Walks through chains of other programs.
struct FilterWalkTests {
    private static let table = FilterRules.Table(.ip, "filter")
    private static let endpoint = IPAddress.v4(IPv4Address(rawValue: 0x0A4D_0102))
    private static let packet = FilterPacket(
        from: .v4(IPv4Address(rawValue: 0xCB00_714D)), to: endpoint, .tcp, port: 8080, isTranslated: true,
        input: .init("eth0", index: 2),
        output: .init("cni0", index: 3))
    private static let accept = FilterExpression.verdict(.accept)

    private static func rules(
        policy drops: Bool, _ rules: [[FilterExpression]], others: [String: [[FilterExpression]]] = [:]
    ) -> FilterRules {
        var result = FilterRules()
        result.chains[.init(table, "FORWARD")] = .init(
            entry: .init(hook: .forward, priority: 0, drops: drops), rules: rules)
        for (name, rules) in others { result.chains[.init(table, name)] = .init(entry: nil, rules: rules) }
        return result
    }

    private static func drops(_ rules: FilterRules, _ packet: FilterPacket = packet) -> Bool {
        !FilterWalk(rules).obstacles(to: packet, at: .forward).isEmpty
    }

    private static func bytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }

    /// `ct status dnat`, as nft writes it.
    private static let isTranslated: [FilterExpression] = [
        .load(.status, into: 0, length: 4), .combine(0, into: 0, mask: bytes(32), toggled: bytes(0)),
        .compare(0, .notEqual, bytes(0)),
    ]

    @Test("a policy decides what no rule does, and a rule at the end decides without one")
    func policies() {
        #expect(Self.drops(Self.rules(policy: true, [])))
        #expect(!Self.drops(Self.rules(policy: false, [])))
        #expect(Self.drops(Self.rules(policy: false, [[.neutral, .verdict(.drop)]])))
        #expect(!Self.drops(Self.rules(policy: true, [[Self.accept]])))
        #expect(Self.drops(Self.rules(policy: true, [[.verdict(.leave)], [Self.accept]])))
    }

    @Test("ct status dnat admits what was translated, and nothing else")
    func translated() {
        let rules = Self.rules(policy: true, [Self.isTranslated + [Self.accept]])
        #expect(!Self.drops(rules))
        var other = Self.packet
        other.isTranslated = false
        #expect(Self.drops(rules, other))
        let iptables = Self.rules(policy: true, [[.connection(states: 128, isInverted: false), Self.accept]])
        #expect(!Self.drops(iptables) && Self.drops(iptables, other))
        let established = Self.rules(policy: true, [[.connection(states: 2 | 4, isInverted: false), Self.accept]])
        #expect(Self.drops(established))
    }

    @Test("fields of the header, interfaces, ports and prefixes of names count")
    func fields() {
        func admits(_ expressions: FilterExpression...) -> Bool {
            !Self.drops(Self.rules(policy: true, [expressions + [Self.accept]]))
        }
        #expect(admits(.load(.network(16), into: 0, length: 4), .compare(0, .equal, [10, 77, 1, 2])))
        #expect(!admits(.load(.network(16), into: 0, length: 4), .compare(0, .equal, [10, 77, 1, 3])))
        #expect(admits(.load(.network(16), into: 0, length: 2), .compare(0, .equal, [10, 77])))
        #expect(!admits(.load(.network(12), into: 0, length: 2), .compare(0, .equal, [10, 77])))
        #expect(admits(.load(.header(2), into: 0, length: 2), .range(0, from: [31, 0], to: [32, 0], isInside: true)))
        #expect(
            !admits(.load(.header(2), into: 0, length: 2), .range(0, from: [31, 0], to: [32, 0], isInside: false)))
        #expect(admits(.load(.inputInterface, into: 0, length: 16), .compare(0, .equal, Array("et".utf8))))
        #expect(!admits(.load(.outputInterface, into: 0, length: 16), .compare(0, .equal, Array("eth0".utf8) + [0])))
        #expect(admits(.load(.outputIndex, into: 0, length: 4), .compare(0, .equal, Self.bytes(3))))
        #expect(admits(.ports([8000...8100], .tcp, isInverted: false)))
        #expect(!admits(.ports([8000...8100], .udp, isInverted: false)))
        #expect(!admits(.mark(0x4000, mask: 0x4000, isInverted: false)))
        #expect(admits(.setMark(0x4000, mask: 0x4000), .mark(0x4000, mask: 0x4000, isInverted: false)))
    }

    @Test("a condition that cannot be judged: neither what may be accepted nor a drop behind it makes an obstacle")
    func unclear() {
        #expect(!Self.drops(Self.rules(policy: true, [[.unclear, Self.accept]])))
        #expect(!Self.drops(Self.rules(policy: false, [[.unclear, .verdict(.drop)]])))
        #expect(Self.drops(Self.rules(policy: true, [[.unclear, .verdict(.drop)]])))
        #expect(
            Self.drops(Self.rules(policy: true, [[.unclear, .connection(states: 2, isInverted: false), Self.accept]])))
        let jump = Self.rules(policy: true, [[.unclear, .verdict(.jump("A"))]], others: ["A": []])
        #expect(Self.drops(jump))
        let accepting = Self.rules(policy: true, [[.unclear, .verdict(.jump("A"))]], others: ["A": [[Self.accept]]])
        #expect(!Self.drops(accepting))
    }

    @Test("jump comes back, goto does not, and what a chain returns is decided by who jumped there")
    func jumps() {
        let others: [String: [[FilterExpression]]] = [
            "A": [[.verdict(.leave)], [.verdict(.drop)]], "B": [[.verdict(.goto("C"))], [Self.accept]], "C": [],
        ]
        #expect(!Self.drops(Self.rules(policy: true, [[.verdict(.jump("A"))], [Self.accept]], others: others)))
        #expect(Self.drops(Self.rules(policy: true, [[.verdict(.goto("A"))], [Self.accept]], others: others)))
        #expect(Self.drops(Self.rules(policy: true, [[.verdict(.jump("B"))]], others: others)))
        // The kernel has no loops; whoever claims one is not followed for ever.
        let loop = Self.rules(policy: true, [[.verdict(.jump("L"))]], others: ["L": [[.verdict(.jump("L"))]]])
        #expect(!Self.drops(loop))
    }

    @Test("sets are asked with the whole key, and a map's verdict is carried out")
    func sets() {
        let rules = Self.rules(
            policy: true,
            [[.load(.header(2), into: 0, length: 2), .lookup(set: "ports", 0, isInverted: false, isVerdict: true)]],
            others: ["known": [[Self.accept]]])
        func drops(_ answer: FilterWalk.Answer) -> Bool {
            let walk = FilterWalk(rules) { table, set, key in
                #expect(table == Self.table && set == "ports" && key(2) == [0x1F, 0x90])
                return answer
            }
            return !walk.obstacles(to: Self.packet, at: .forward).isEmpty
        }
        #expect(drops(.absent) && drops(.present(nil)) && drops(.present(.drop)))
        #expect(!drops(.present(.accept)) && !drops(.present(.jump("known"))))
        // The verdict may be to accept.
        #expect(!drops(.unknown))
    }

    @Test("obstacles come in the order in which the packet meets them, of its own family only")
    func order() {
        var rules = Self.rules(policy: true, [])
        rules.chains[.init(.init(.inet, "early"), "f")] = .init(
            entry: .init(hook: .forward, priority: -10, drops: true))
        rules.chains[.init(.init(.ip6, "six"), "f")] = .init(entry: .init(hook: .forward, priority: -20, drops: true))
        rules.chains[.init(.init(.ip, "input"), "f")] = .init(entry: .init(hook: .input, priority: -20, drops: true))
        let found = FilterWalk(rules).obstacles(to: Self.packet, at: .forward).map(\.description)
        #expect(
            found == ["table inet early, chain f (policy drop)", "table ip filter, chain FORWARD (policy drop)"])
    }
}
