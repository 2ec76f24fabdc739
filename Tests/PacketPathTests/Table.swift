import DataplaneTestKit
import Netfilter
import NetworkTypes
import PacketPath

/// A small table made by hand, and the packets that go through it.
struct Table {
    var chains: [Chain] = []
    var sets: [(SetDeclaration, [Element])] = []
    var own: Set<IPAddress> = [Self.address(1)]

    static func address(_ number: Int) -> IPAddress { Scene.address(.ipv4, 0, number) }
    static let frontend: [Selector] = [.destinationAddress, .transportProtocol, .destinationPort]
    /// From elsewhere to elsewhere: 10.0.0.7 to 10.0.0.9, port 80.
    static let forwarded = Packet(from: address(7), to: address(9), 80, origin: .interface("eth0"))
    /// The node, 10.0.0.1, to the same place.
    static let sent = Packet(from: address(1), to: address(9), 80, origin: .node)

    /// A table with one rule in prerouting, behind which packets are dropped: what matches the rule's matches is accepted.
    static func matching(_ matches: Statement..., sets: [(SetDeclaration, [Element])] = []) -> Table {
        var table = Table()
        table.chains = [prerouting([matches + [.accept], [.drop]])]
        table.sets = sets
        return table
    }

    static func prerouting(_ rules: [Rule], priority: Int32 = 0) -> Chain {
        Chain("prerouting\(priority)", hook: Chain.Hook(.filter, .prerouting, priority: priority), rules: rules)
    }

    static func nat(_ point: Chain.Hook.Point, _ rules: [Rule]) -> Chain {
        Chain(
            "nat-\(point.name)", hook: Chain.Hook(.nat, point, priority: point == .postrouting ? 100 : -100),
            rules: rules)
    }

    /// A map from frontends and slots to endpoints: 10.0.0.9 port 80 leads to the endpoints 10.0.1.x port 8080.
    static func pool(_ endpoints: [Int], named name: String = "pool") -> (SetDeclaration, [Element]) {
        let declaration = SetDeclaration(
            SetID(1), name, key: frontend + [.random(modulus: 64)], data: [.destinationAddress, .destinationPort])
        return (
            declaration,
            endpoints.enumerated().map { slot, number in
                var key = Scene.frontend(address(9), 80)
                key.append(slot: UInt32(slot))
                var data = KeyBuilder()
                data.append(Scene.address(.ipv4, 1, number))
                data.append(port: 8080)
                return Element(key.key, data: data.key)
            }
        )
    }

    func outcomes(_ packet: Packet = forwarded) -> [PacketOutcome] {
        let schema = TableSchema(family: .ipv4, name: "test", sets: sets.map(\.0), chains: chains)
        var elements: [SetID: [Element]] = [:]
        for (set, members) in sets { elements[set.id] = members }
        let ruleset = Ruleset(TableState(schema: schema, elements: elements))
        return Interpreter(ruleset, ownAddresses: own).outcomes(of: packet)
    }

    /// The only thing that becomes of a packet; nil if there are several.
    func fate(_ packet: Packet = forwarded) -> PacketOutcome.Fate? {
        let all = outcomes(packet)
        return all.count == 1 ? all[0].fate : nil
    }

    /// Whether the packet passes all chains.
    func passes(_ packet: Packet = forwarded) -> Bool {
        if case .passed = fate(packet) { true } else { false }
    }
}

extension ElementKey {
    /// A key of addresses, ports and the like.
    static func make(_ build: (inout KeyBuilder) -> Void) -> ElementKey {
        var key = KeyBuilder()
        build(&key)
        return key.key
    }
}
