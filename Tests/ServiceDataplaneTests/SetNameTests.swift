import Netfilter
import NetworkTypes
import ServiceDataplane
import Testing

@Suite("Sets of the tables")
struct SetNameTests {
    @Test(
        "each has a name and an identity of its own, whatever the options", arguments: IPFamily.allCases, [false, true])
    func unique(_ family: IPFamily, _ isFull: Bool) {
        var options = DataplaneOptions()
        options.servesLocalhostNodePorts = isFull
        options.preservesLocalSource = isFull
        options.countsConnections = isFull
        options.countsTraffic = isFull
        let sets = TableSchema(family: family, options: options, largestExponent: PoolSize.largestExponent).sets
        #expect(sets.count > 30)
        #expect(sets.allSatisfy { !$0.name.isEmpty })
        #expect(Set(sets.map(\.name)).count == sets.count)
        #expect(Set(sets.map(\.id)).count == sets.count)
    }
}
