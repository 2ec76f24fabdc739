import DataplaneTestKit
import Netfilter
import NetworkTypes
import PacketPath
import Testing

/// The order in which packets meet chains and rules.
@Suite("The way through chains and hooks")
struct WayTests {
    @Test("jump comes back, goto does not")
    func jumpAndGoto() {
        var table = Table()
        table.chains = [Chain("empty", rules: []), Table.prerouting([[.jump("empty")], [.drop]])]
        #expect(table.fate() == .dropped)
        table.chains[1].rules = [[.goto("empty")], [.drop]]
        #expect(table.passes())
    }

    @Test("goto in a chain that was jumped to goes back to where the jump was")
    func gotoBelowJump() {
        var table = Table()
        table.chains = [
            Chain("empty", rules: []), Chain("middle", rules: [[.goto("empty")], [.accept]]),
            Table.prerouting([[.jump("middle")], [.drop]]),
        ]
        #expect(table.fate() == .dropped)
    }

    @Test("accept ends the base chain from any depth, and nothing else")
    func accept() {
        var table = Table()
        table.chains = [
            Chain("deep", rules: [[.accept]]), Table.prerouting([[.jump("deep")], [.drop]]),
        ]
        #expect(table.passes())
        table.chains.append(Table.prerouting([[.reject]], priority: 5))
        #expect(table.fate() == .refused(.portUnreachable))
    }

    @Test("base chains have their turn by priority, in whatever order they stand")
    func priorities() {
        var table = Table()
        table.chains = [
            Table.prerouting([[.reject]], priority: 20), Table.prerouting([[.rejectWithReset]], priority: 10),
        ]
        #expect(table.fate() == .refused(.reset))
    }

    private static let leads: Statement = .destinationNAT(Table.frontend + [.random(modulus: 1)], map: "pool")

    @Test("a later chain sees the new destination, conntrack the first one")
    func translated() {
        let original: [Selector] = [.originalDestinationAddress, .originalProtocol, .originalDestinationPort]
        let known = SetDeclaration(SetID(2), "known", key: Table.frontend)
        var table = Table()
        table.chains = [
            Table.nat(.prerouting, [[Self.leads], [.drop]]),
            Table.nat(.postrouting, [[.isDestinationTranslated, .lookup(original, set: "known"), .masquerade]]),
        ]
        table.sets = [Table.pool([21]), (known, [Element(Scene.frontend(Table.address(9), 80).key)])]
        let outcome = table.outcomes()[0]
        #expect(outcome.isTranslated && outcome.masquerade?.chain == "nat-postrouting")
        #expect(outcome.fate == .passed(Scene.address(.ipv4, 1, 21), 8080))
        table.chains[1].rules[0][1] = .lookup(Table.frontend, set: "known")
        #expect(table.outcomes()[0].masquerade == nil)
    }

    @Test("a translation that changes nothing is none")
    func translationToItself() {
        var table = Table()
        let map = SetDeclaration(
            SetID(1), "pool", key: [.sourceAddress], data: [.destinationAddress, .destinationPort])
        let data = ElementKey.make {
            $0.append(Table.address(9))
            $0.append(port: 80)
        }
        table.sets = [(map, [Element(.make { $0.append(Table.address(7)) }, data: data)])]
        table.chains = [
            Table.nat(.prerouting, [[.destinationNAT([.sourceAddress], map: "pool")]]),
            Table.nat(.postrouting, [[.isDestinationTranslated, .masquerade]]),
        ]
        #expect(!table.outcomes()[0].isTranslated && table.outcomes()[0].masquerade == nil)
    }

    @Test("what ends on the node passes no postrouting, what the node sends does")
    func postrouting() {
        var table = Table()
        table.chains = [Table.nat(.postrouting, [[.masquerade]])]
        let here = Packet(from: Table.address(7), to: Table.address(1), 80, origin: .interface("eth0"))
        #expect(table.outcomes(here)[0].masquerade == nil)
        #expect(table.outcomes(Table.forwarded)[0].masquerade != nil)
        let loop = Packet(from: Table.address(1), to: Table.address(1), 80, origin: .node)
        #expect(table.outcomes(loop)[0].masquerade != nil)
    }

    @Test("the node's own packets pass output, and prerouting only if they end on the node, untranslated")
    func output() {
        var table = Table()
        table.sets = [Table.pool([21])]
        table.chains = [Table.prerouting([[.inputInterface("lo", isPrefix: false, negated: false), .drop]])]
        #expect(table.passes(Table.sent))
        let loop = Packet(from: Table.address(1), to: Table.address(1), 80, origin: .node)
        #expect(table.fate(loop) == .dropped)
        table.chains = [Table.nat(.prerouting, [[.drop]])]
        #expect(table.passes(loop))
        table.chains = [Table.nat(.output, [[Self.leads]])]
        #expect(table.outcomes(Table.sent)[0].isTranslated)
        #expect(!table.outcomes(Table.forwarded)[0].isTranslated)
    }

    @Test("an INVALID packet meets filters, and no translation")
    func invalid() {
        var packet = Table.forwarded
        packet.state = .invalid
        var table = Table()
        table.sets = [Table.pool([21])]
        table.chains = [Table.nat(.prerouting, [[Self.leads]])]
        #expect(table.outcomes()[0].isTranslated && !table.outcomes(packet)[0].isTranslated)
        table.chains = [Table.prerouting([[.drop]])]
        #expect(table.fate(packet) == .dropped)
    }
}
