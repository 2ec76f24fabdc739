import DataplaneTestKit
import Netfilter
import NetworkTypes
import PacketPath
import Testing

/// IPv6 clients with affinity are told by two hashes, which have to be the kernel's.
@Suite("The kernel's hash of an address")
struct HashTests {
    /// Numbers that Linux 6.18 wrote into a set: `update @s { jhash ip6 saddr mod 4294967295 seed 0x1 . … seed 0x2 }`.
    @Test("jhash of ::1 by two seeds", arguments: [(UInt32(1), UInt32(2_309_708_270)), (2, 417_672_361)])
    func loopback(_ seed: UInt32, _ hash: UInt32) throws {
        let source = try #require(IPAddress("::1"))
        let key: [Selector] = [.hashedSourceAddress(seed: seed)]
        let set = SetDeclaration(SetID(1), "known", key: key)
        let chain = Chain(
            "prerouting", hook: Chain.Hook(.filter, .prerouting, priority: 0),
            rules: [[.lookup(key, set: "known"), .drop]])
        let schema = TableSchema(family: .ipv6, name: "test", sets: [set], chains: [chain])
        for (number, isHit) in [(hash, true), (hash + 1, false)] {
            let element = Element(.make { $0.append(slot: number) })
            let ruleset = Ruleset(TableState(schema: schema, elements: [set.id: [element]]))
            let packet = Packet(from: source, to: Scene.address(.ipv6, 0, 9), 80, origin: .interface("eth0"))
            let outcome = Interpreter(ruleset, ownAddresses: []).outcomes(of: packet)[0]
            #expect((outcome.fate == .dropped) == isHit)
        }
    }
}
