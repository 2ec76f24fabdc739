import DataplaneTestKit
import Netfilter
import NetworkTypes
import PacketPath
import Testing

/// What each part of a rule means to a packet.
@Suite("The meaning of statements")
struct StatementTests {
    private static let udp = Packet(from: Table.address(7), to: Table.address(9), 80, .udp, origin: .interface("eth0"))
    private static let own = Packet(from: Table.address(1), to: Table.address(9), 80, origin: .interface("eth0"))
    private static let toNode = Packet(from: Table.address(7), to: Table.address(1), 80, origin: .interface("eth0"))
    private static var urgent: Packet {
        var packet = Table.forwarded
        packet.priority = 6
        return packet
    }
    private static var halfUrgent: Packet {
        var packet = Table.forwarded
        packet.priority = 4
        return packet
    }
    private static var invalid: Packet {
        var packet = Table.forwarded
        packet.state = .invalid
        return packet
    }

    /// A match, a packet that it matches, and one that it does not.
    struct Match: CustomTestStringConvertible {
        var statement: Statement
        var yes: Packet
        var no: Packet
        var testDescription: String { statement.text(.ipv4) }
    }

    static let cases = [
        Match(statement: .connectionState(.new), yes: Table.forwarded, no: invalid),
        Match(statement: .connectionState(.invalid), yes: invalid, no: Table.forwarded),
        Match(statement: .connectionStateIsNot(.new), yes: invalid, no: Table.forwarded),
        Match(statement: .connectionStateIsNot(.invalid), yes: Table.forwarded, no: invalid),
        Match(statement: .transport(.udp), yes: udp, no: Table.forwarded),
        Match(statement: .originalProtocol(.tcp), yes: Table.forwarded, no: udp),
        Match(statement: .sourceIsLocal, yes: own, no: Table.forwarded),
        Match(statement: .sourceIsNotLocal, yes: Table.forwarded, no: own),
        Match(statement: .destinationIsNotLocal, yes: Table.forwarded, no: toNode),
        Match(statement: .hasPriority, yes: urgent, no: Table.forwarded),
        Match(statement: .priorityHasBits(4), yes: urgent, no: Table.forwarded),
        Match(statement: .priorityHasBits(6), yes: urgent, no: halfUrgent),
    ]

    @Test("a match matches, and does not", arguments: cases)
    func match(_ match: Match) {
        let table = Table.matching(match.statement)
        #expect(table.passes(match.yes))
        #expect(table.fate(match.no) == .dropped)
    }

    @Test(
        "names of interfaces, whole and by how they begin",
        arguments: [
            ("eth0", false, false, true), ("eth", false, false, false), ("eth", true, false, true),
            ("cali", true, false, false), ("cali", true, true, true), ("eth0", false, true, false),
        ])
    func interfaces(_ name: String, _ isPrefix: Bool, _ isNegated: Bool, _ isMatch: Bool) {
        let table = Table.matching(.inputInterface(name, isPrefix: isPrefix, negated: isNegated))
        #expect(table.passes() == isMatch)
    }

    @Test("packets of the node itself come through no interface")
    func noInterface() {
        var table = Table()
        table.chains = [
            Chain(
                "output", hook: Chain.Hook(.filter, .output, priority: 0),
                rules: [[.inputInterface("eth0", isPrefix: false, negated: true), .accept], [.drop]])
        ]
        #expect(table.passes(Table.sent))
        table.chains[0].rules = [[.hasInputInterface, .accept], [.drop]]
        #expect(table.fate(Table.sent) == .dropped)
        #expect(Table.matching(.hasInputInterface).passes())
    }

    @Test("a set has what it has")
    func lookup() {
        let set = SetDeclaration(SetID(1), "known", key: [.sourceAddress])
        let seven = Element(.make { $0.append(Table.address(7)) })
        let other = Element(.make { $0.append(Table.address(8)) })
        #expect(Table.matching(.lookup([.sourceAddress], set: "known"), sets: [(set, [seven])]).passes())
        #expect(!Table.matching(.lookup([.sourceAddress], set: "known"), sets: [(set, [other])]).passes())
        #expect(
            !Table.matching(.lookup([.sourceAddress], set: "known", negated: true), sets: [(set, [seven])]).passes())
        #expect(Table.matching(.lookup([.sourceAddress], set: "known", negated: true), sets: [(set, [other])]).passes())
    }

    @Test(
        "a range holds its ends and what is between",
        arguments: [(7, 7, true), (6, 8, true), (1, 6, false), (8, 9, false)])
    func range(_ first: Int, _ last: Int, _ isMatch: Bool) {
        let set = SetDeclaration(SetID(1), "known", key: [.sourceAddress], isInterval: true)
        let range = Element(.make { $0.append(Table.address(first)) }, to: .make { $0.append(Table.address(last)) })
        #expect(Table.matching(.lookup([.sourceAddress], set: "known"), sets: [(set, [range])]).passes() == isMatch)
    }

    @Test("a range in a concatenation is one of its field, not of the whole key")
    func concatenatedRange() {
        let key: [Selector] = [.destinationAddress, .sourceAddress]
        let set = SetDeclaration(SetID(1), "known", key: key, isInterval: true)
        func table(_ destination: Int, _ first: Int, _ last: Int) -> Table {
            let range = Element(
                .make {
                    $0.append(Table.address(destination))
                    $0.append(Table.address(first))
                },
                to: .make {
                    $0.append(Table.address(destination))
                    $0.append(Table.address(last))
                })
            return Table.matching(.lookup(key, set: "known"), sets: [(set, [range])])
        }
        #expect(table(9, 6, 8).passes())
        #expect(!table(9, 8, 9).passes())
        // As one long number 10.0.0.9 . 10.0.0.7 would be below 10.0.0.10 . 10.0.0.8.
        #expect(!table(8, 6, 8).passes() && !table(10, 6, 8).passes())
    }

    @Test("nat chains run where destinations are translated, whatever their priority, and in the order of that")
    func natOrder() {
        let frontend = Table.frontend
        let first = Table.pool([21], named: "first")
        var (second, elements) = Table.pool([22], named: "second")
        second.id = SetID(2)
        func nat(_ map: String, _ priority: Int32) -> Chain {
            Chain(
                map + "-nat", hook: Chain.Hook(.nat, .prerouting, priority: priority),
                rules: [[.destinationNAT(frontend + [.random(modulus: 1)], map: map)]])
        }
        var table = Table()
        table.sets = [first, (second, elements)]
        table.chains = [nat("second", -100), nat("first", -199)]
        #expect(table.fate() == .passed(Scene.address(.ipv4, 1, 21), 8080))
        // A filter before -100 sees the packet as it was sent.
        table.chains.append(Table.prerouting([[.isDestinationTranslated, .drop]], priority: -110))
        #expect(table.fate() == .passed(Scene.address(.ipv4, 1, 21), 8080))
        table.chains.append(Table.prerouting([[.isDestinationTranslated, .drop]], priority: -95))
        #expect(table.fate() == .dropped)
    }

    @Test("no further nat chain of a hook sees a flow that one has translated, be it to where it was sent")
    func settled() {
        var table = Table()
        let attempt: Statement = .destinationNAT(Table.frontend + [.random(modulus: 1)], map: "pool")
        func nat(_ name: String, _ rules: [Rule], _ priority: Int32) -> Chain {
            Chain(name, hook: Chain.Hook(.nat, .prerouting, priority: priority), rules: rules)
        }
        table.chains = [nat("late", [[.drop]], -95)]
        #expect(table.fate() == .dropped)
        table.sets = [Table.pool([21])]
        table.chains.append(nat("first", [[attempt]], -199))
        #expect(table.fate() == .passed(Scene.address(.ipv4, 1, 21), 8080))
        table.chains[0].hook?.kind = .filter
        #expect(table.fate() == .dropped)
    }

    @Test("a packet that begins a flow is of no flow that passed before, or was answered")
    func begins() {
        for (statement, matches) in [
            (Statement.isConfirmed, false), (.connectionState(.established), false),
            (.connectionStateIsNot(.established), true),
        ] {
            var table = Table()
            table.chains = [Table.prerouting([[statement, .drop]], priority: -110)]
            #expect((table.fate() == .dropped) == matches, "\(statement)")
        }
    }

    @Test("every slot of a pool is as likely as it is drawn")
    func draw() {
        var table = Table()
        let attempt: Statement = .destinationNAT(Table.frontend + [.random(modulus: 4)], map: "pool")
        table.chains = [Table.nat(.prerouting, [[attempt], [attempt]])]
        table.sets = [Table.pool([21, 22, 23])]
        let outcomes = table.outcomes()
        // Each try hits each slot once in four times; what misses twice stays untranslated.
        let shares = outcomes.map { $0.probability }
        #expect(shares == [0.3125, 0.3125, 0.3125, 0.0625])
        #expect(outcomes.map(\.isTranslated) == [true, true, true, false])
        #expect(outcomes[0].fate == .passed(Scene.address(.ipv4, 1, 21), 8080))
        #expect(outcomes[3].fate == .passed(Table.address(9), 80))
    }

    @Test("an address and a port may come from two maps")
    func twoMaps() {
        let addresses = SetDeclaration(SetID(1), "addresses", key: [.sourceAddress], data: [.destinationAddress])
        let ports = SetDeclaration(SetID(2), "ports", key: [.sourceAddress], data: [.destinationPort])
        let key = ElementKey.make { $0.append(Table.address(7)) }
        var table = Table()
        table.chains = [
            Table.nat(.prerouting, [[.destinationNATFromTwo([.sourceAddress], addresses: "addresses", ports: "ports")]])
        ]
        table.sets = [
            (addresses, [Element(key, data: .make { $0.append(Table.address(33)) })]),
            (ports, [Element(key, data: .make { $0.append(port: 81) })]),
        ]
        #expect(table.fate() == .passed(Table.address(33), 81))
        table.sets[1].1 = []
        #expect(table.fate() == .passed(Table.address(9), 80))
    }

    @Test("a packet's priority is set even if its rule ends later, and is taken off")
    func priority() {
        let map = SetDeclaration(SetID(1), "sticky", key: [.sourceAddress], data: [.priority])
        let known = SetDeclaration(SetID(2), "known", key: [.priority])
        let number = ElementKey.make { $0.append(priority: 5) }
        let nobody = SetDeclaration(SetID(3), "nobody", key: [.sourceAddress])
        var table = Table()
        let set: Statement = .setPriority([.sourceAddress], map: "sticky")
        table.sets = [
            (map, [Element(.make { $0.append(Table.address(7)) }, data: number)]), (known, [Element(number)]),
            (nobody, []),
        ]
        let drop: Rule = [.lookup([.priority], set: "known"), .drop]
        table.chains = [Table.prerouting([[set, .lookup([.sourceAddress], set: "nobody"), .accept], drop])]
        #expect(table.fate() == .dropped)
        table.chains = [Table.prerouting([[set], [.resetPriority], drop])]
        #expect(table.passes())
        table.sets[0].1 = []
        table.chains = [Table.prerouting([[set, .drop]])]
        #expect(table.passes())
    }

    @Test("a map of verdicts leads where its element says, or lets the packet pass")
    func dispatch() {
        let map = SetDeclaration(SetID(1), "ways", key: [.sourceAddress], data: [.chain(prefix: "way-")])
        let way = Element(.make { $0.append(Table.address(7)) }, data: .make { $0.append(priority: 60) })
        var table = Table()
        table.sets = [(map, [way])]
        table.chains = [
            Chain("way-60", rules: [[.drop]]), Chain("way-6", rules: [[.reject]]),
            Table.prerouting([[.dispatch([.sourceAddress], map: "ways")]]),
        ]
        #expect(table.fate() == .dropped)
        #expect(map.text(of: way, .ipv4) == "10.0.0.7 : goto way-60")
        table.sets[0].1 = []
        #expect(table.passes())
    }

    @Test("a set that a packet fills has the key from then on")
    func note() {
        let noted = SetDeclaration(SetID(1), "noted", key: [.connectionID, .hopLimit], isDynamic: true)
        let key: [Selector] = [.connectionID, .hopLimit]
        var table = Table()
        table.sets = [(noted, [])]
        let drop: Rule = [.lookup(key, set: "noted"), .drop]
        table.chains = [Table.prerouting([drop])]
        #expect(table.passes())
        table.chains = [Table.prerouting([[.update(key, map: "noted", data: [], seconds: 1)], drop])]
        #expect(table.fate() == .dropped)
    }

    @Test("a map that a packet fills has the entry from then on, and an old one keeps its data")
    func update() {
        let map = SetDeclaration(
            SetID(1), "memory", key: [.sourceAddress], data: [.destinationAddress, .destinationPort], isDynamic: true)
        var table = Table()
        let key = ElementKey.make { $0.append(Table.address(7)) }
        let update: Statement = .update(
            [.sourceAddress], map: "memory", data: [.destinationAddress, .destinationPort], seconds: 9)
        table.chains = [
            Table.prerouting([[update]], priority: -200),
            Table.nat(.prerouting, [[.destinationNAT([.sourceAddress], map: "memory")]]),
        ]
        table.sets = [(map, [])]
        #expect(table.fate() == .passed(Table.address(9), 80))
        #expect(table.outcomes()[0].trace.map(\.chain) == ["prerouting-200", "nat-prerouting"])
        table.sets = [
            (
                map,
                [
                    Element(
                        key,
                        data: .make {
                            $0.append(Table.address(44))
                            $0.append(port: 82)
                        })
                ]
            )
        ]
        #expect(table.fate() == .passed(Table.address(44), 82))
    }

    @Test(
        "what rules can say",
        arguments: [
            ([.drop], PacketOutcome.Fate.dropped), ([.reject], .refused(.portUnreachable)),
            ([.rejectWithReset], .refused(.reset)), ([.counter, .drop], .dropped),
            ([.accept], .passed(Table.address(9), 80)), ([], .passed(Table.address(9), 80)),
        ] as [(Rule, PacketOutcome.Fate)])
    func verdicts(_ rule: Rule, _ fate: PacketOutcome.Fate) {
        var table = Table()
        table.chains = [Table.prerouting([rule])]
        #expect(table.fate() == fate)
    }
}
