import DataplaneTestKit
import FairleadTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import ServiceDataplane
import ServicePolicy
import Testing

@testable import NetlinkTransport

@Suite("Large sets are read by key", .enabled(if: Capability.runsNetworkSuites, "needs network namespaces"))
struct KeyedReadingTests {
    private static let elements = (0..<3000).map { Tables.frontend($0) }

    /// Guesses for the only set, the same in both families.
    ///
    /// - Parameter beside: whether the set is read on another thread.
    private static func guesses(_ rounds: [[[Element]]], beside: Bool = false) -> ElementGuesses {
        ElementGuesses(sets: [Tables.services.id], independent: beside ? [Tables.services.id] : []) {
            _, _, round, _, keys in
            for run in round < rounds.count ? rounds[round] : [] {
                for element in run { keys.append(element.key) }
                keys.endRun()
            }
        }
    }

    private func read(
        _ guesses: ElementGuesses
    ) throws -> (elements: ObservedElements?, isByKey: Bool, isBeside: Bool) {
        let bench = try KernelBench(dumpLimit: 100)
        let state = Tables.single(.ipv4, Tables.services, Self.elements)
        try bench.load([state])
        // A table that grows tells its number of elements, too, and finds elements by key.
        let table = try #require(try bench.observe([state.schema], guesses: guesses)[.ipv4])
        return (
            table.elements[Tables.services.id], bench.kernel.setsReadByKey > 0, bench.kernel.setsReadBeside > 0
        )
    }

    private static let expected = ObservedElements(
        Dictionary(uniqueKeysWithValues: elements.map { ($0.key, ObservedElement(of: $0)) }))

    @Test(
        "Guesses that are true in each run up to some point find all",
        .enabled(if: KernelBench.tellsCounts, "this kernel does not tell how many elements a set has"),
        arguments: [false, true])
    func runs(beside: Bool) throws {
        let strangers = (9000..<9010).map { Tables.frontend($0) }
        let runs = stride(from: 0, to: 3000, by: 7).map { Array(Self.elements[$0..<min($0 + 7, 3000)]) + strangers }
        let found = try read(Self.guesses([runs], beside: beside))
        #expect(found.elements == Self.expected)
        #expect(found.isByKey)
        #expect(found.isBeside == beside)
    }

    @Test(
        "What one round misses the next one finds",
        .enabled(if: KernelBench.tellsCounts, "this kernel does not tell how many elements a set has"),
        arguments: [false, true])
    func rounds(beside: Bool) throws {
        let found = try read(
            Self.guesses([[Array(Self.elements[..<2000])], [Array(Self.elements[1500...])]], beside: beside))
        #expect(found.elements == Self.expected)
        #expect(found.isByKey)
    }

    @Test(
        "A guess that comes twice in a round counts once",
        .enabled(if: KernelBench.tellsCounts, "this kernel does not tell how many elements a set has"),
        arguments: [false, true])
    func twice(beside: Bool) throws {
        let runs = [Array(Self.elements[..<2000]), Array(Self.elements[1000...])]
        let found = try read(Self.guesses([runs], beside: beside))
        #expect(found.elements == Self.expected)
        #expect(found.isByKey)
    }

    @Test(
        "Where guesses miss elements, or stop a run too early, the set is dumped",
        arguments: [
            [], [[]], [[Array(elements[1...])]], [[Array(elements[..<10]) + [Tables.frontend(9000)] + elements]],
        ], [false, true])
    func incomplete(_ rounds: [[[Element]]], beside: Bool) throws {
        let found = try read(Self.guesses(rounds, beside: beside))
        #expect(found.elements == Self.expected)
        #expect(!found.isByKey)
    }

    @Test("The tables of Services are read by key as sent", arguments: UInt64(1)...6)
    func services(seed: UInt64) throws {
        let bench = try KernelBench(dumpLimit: 0)
        let states = Tables.random(seed: seed)
        try bench.load(states)
        let guesses = LikelyElements(ClusterState(), in: ClusterState().byAge, node: NodeContext(nodeName: "here"))
            .guesses
        let tables = try bench.observe(states.map(\.schema), guesses: guesses)
        for state in states {
            let table = try #require(tables[state.schema.family])
            for set in state.schema.sets {
                let sent = Dictionary(
                    uniqueKeysWithValues: (state.elements[set.id] ?? []).map { ($0.key, ObservedElement(of: $0)) })
                #expect(table.elements[set.id] ?? [:] == ObservedElements(sent), "\(set.name)")
            }
        }
        // Slots and addresses follow from the frontends of the tables themselves.
        let known = PoolKind.allCases.map(\.slots) + [.clusterIPs]
        let filled = states.flatMap { state in known.filter { state.elements[$0]?.isEmpty == false } }
        if KernelBench.tellsCounts { #expect(bench.kernel.setsReadByKey >= filled.count) }
    }
}
