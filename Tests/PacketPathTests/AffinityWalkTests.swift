import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import PacketPath
import ServiceDataplane
import ServicePolicy
import Testing

/// What session affinity costs packets, and what it leaves on them.
@Suite("The way of packets through affinity")
struct AffinityWalkTests {
    /// Services with affinity, each with a timeout of its own, and one without, which is number 0.
    private static func ruleset(_ family: IPFamily, timeouts: Int, limit: [SetID] = []) -> Ruleset {
        var dataplane = Dataplane(options: DataplaneOptions())
        let services = (0...timeouts).map { number in
            var port = Scene.port(family, cluster: [1, 2, 3], local: [1])
            port.frontends = [Frontend(kind: .clusterIP, address: address(family, number), port: 80)]
            port.affinityTimeout = number == 0 ? nil : 100 + number
            return ResolvedService(key: Scene.key("service-\(number)"), ports: [port])
        }
        let delta = dataplane.update(services.map { ($0.key, $0) })
        var elements = delta.tables[family].added
        for set in limit { elements[set] = nil }
        return Ruleset(TableState(schema: dataplane.schema(family), elements: elements))
    }

    private static func address(_ family: IPFamily, _ number: Int) -> IPAddress { Scene.address(family, 0, 1 + number) }

    private static func packet(_ family: IPFamily, to number: Int, priority: UInt32 = 0) -> Packet {
        var packet = Packet(
            from: Scene.address(family, 9, 9), to: address(family, number), 80, origin: .interface("eth0"))
        packet.priority = priority
        return packet
    }

    private static func outcomes(_ ruleset: Ruleset, _ packet: Packet) -> [PacketOutcome] {
        Interpreter(ruleset, ownAddresses: []).outcomes(of: packet)
    }

    @Test(
        "a connection is compared with as many rules, however many affinity timeouts there are",
        arguments: Scene.families)
    func cost(_ family: IPFamily) throws {
        let tables = [1, 30, 300].map { ($0, Self.ruleset(family, timeouts: $0)) }
        for priority in [0, 6] as [UInt32] {
            var costs: [Set<Int>] = [[], []]
            for (count, ruleset) in tables {
                // The last Service has the longest timeout.
                for (index, number) in [0, count].enumerated() {
                    let outcomes = Self.outcomes(ruleset, Self.packet(family, to: number, priority: priority))
                    #expect(outcomes.allSatisfy(\.reachesEndpoint) && !outcomes.isEmpty)
                    costs[index].insert(try #require(outcomes.map(\.rulesCompared).max()))
                }
            }
            #expect(costs[0].count == 1 && costs[1].count == 1, "\(costs)")
            #expect(try #require(costs[0].first) < #require(costs[1].first))
        }
    }

    @Test("a connection without affinity passes no rule that remembers", arguments: Scene.families)
    func withoutAffinity(_ family: IPFamily) {
        let ruleset = Self.ruleset(family, timeouts: 300)
        func chains(_ number: Int) -> Set<String> {
            Set(Self.outcomes(ruleset, Self.packet(family, to: number)).flatMap(\.trace).map(\.chain))
        }
        let own: Set = ["recall-services", "remember", "remember-pool", "remember-107", "restore-priority"]
        #expect(chains(7).isSuperset(of: own))
        #expect(chains(0).isDisjoint(with: own))
        #expect(!chains(0).contains { $0.hasPrefix("re") }, "\(chains(0))")
    }

    @Test(
        "the packet that begins a connection keeps its priority, with affinity and without", arguments: Scene.families,
        [0, 6, 0x0001_0010, 0xFA1E_FFFF] as [UInt32])
    func priority(_ family: IPFamily, _ priority: UInt32) {
        let ruleset = Self.ruleset(family, timeouts: 2)
        for number in 0...2 {
            for origin in [Packet.Origin.node, .interface("eth0")] {
                var packet = Self.packet(family, to: number, priority: priority)
                packet.origin = origin
                let outcomes = Self.outcomes(ruleset, packet)
                #expect(outcomes.allSatisfy { $0.priority == priority && $0.reachesEndpoint }, "\(outcomes)")
            }
        }
    }

    @Test("a RELATED packet keeps its priority, and asks for no client", arguments: Scene.families)
    func related(_ family: IPFamily) {
        let ruleset = Self.ruleset(family, timeouts: 2)
        for priority in [0, 6] as [UInt32] {
            var packet = Self.packet(family, to: 1, priority: priority)
            packet.state = .related
            let outcomes = Self.outcomes(ruleset, packet)
            #expect(outcomes.allSatisfy { $0.priority == priority && $0.reachesEndpoint }, "\(outcomes)")
            #expect(!outcomes.flatMap(\.trace).contains { $0.chain == "recall-services" })
        }
    }

    @Test("no number stays on a packet whose pool goes while it is on its way", arguments: Scene.families)
    func vanishing(_ family: IPFamily) {
        for gone in [[.stickyTimeouts], [.backends]] as [[SetID]] {
            let ruleset = Self.ruleset(family, timeouts: 2, limit: gone)
            let outcomes = Self.outcomes(ruleset, Self.packet(family, to: 1, priority: 6))
            #expect(outcomes.allSatisfy { $0.priority == 6 }, "\(gone)")
        }
    }

    @Test("another timeout adds a chain and an element that leads to it, and changes no other chain")
    func schema() {
        for family in Scene.families {
            let options = DataplaneOptions()
            let one = TableSchema(family: family, options: options)
            let many = TableSchema(family: family, options: options, timeouts: AffinityTimeouts(Set(1...300)))
            let more = Set(many.chains).subtracting(one.chains)
            #expect(Set(one.chains).isSubset(of: many.chains) && one.sets == many.sets)
            #expect(Set(more.map(\.name)) == Set((1...300).map { "remember-\($0)" }))
            #expect(many.verdicts[.timeouts]?.count == 301)
        }
    }
}
