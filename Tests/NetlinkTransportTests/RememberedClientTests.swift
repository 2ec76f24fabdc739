import DataplaneTestKit
import FairleadTestKit
import Netfilter
import NetworkTypes
import ServiceDataplane
import Testing

@testable import NetlinkTransport

/// What the kernel does with the maps that packets fill.
@Suite("Remembered clients in the kernel", .enabled(if: Capability.runsNetworkSuites, "needs network namespaces"))
struct RememberedClientTests {
    private static func key(_ number: UInt32, _ family: IPFamily) -> ElementKey {
        var key = ElementKey()
        key[0] = number
        key[family == .ipv4 ? 4 : 8] = 6 << 24
        key[family == .ipv4 ? 8 : 12] = 77
        return key
    }

    private static func value(_ number: UInt32) -> ElementKey {
        var value = ElementKey()
        value[0] = 0x0A01_0000 + number
        return value
    }

    /// The schema of the maps, filled with so many clients.
    private static func load(_ bench: KernelBench, _ family: IPFamily, clients: Int) throws -> TableSchema {
        var schema = TableSchema(family: family, options: Tables.options)
        schema.sets = schema.clientMemories
        schema.chains = []
        let elements = (0..<clients).map { Element(key(UInt32($0), family), data: value(UInt32($0))) }
        try bench.load([
            TableState(schema: schema, elements: Dictionary(schema.sets.map { ($0.id, elements) }) { $1 })
        ])
        return schema
    }

    @Test("are read by key, those that are missing left out", arguments: IPFamily.allCases)
    func byKey(_ family: IPFamily) throws {
        let bench = try KernelBench()
        let schema = try Self.load(bench, family, clients: 600)
        let asked = (0..<900).map { Self.key(UInt32($0 * 7 % 900), family) }
        for set in schema.sets {
            let found = try bench.kernel.elements(of: set, in: schema, keys: asked)
            #expect(found.count == 600)
            #expect(try bench.kernel.elements(of: set, in: schema).count == 600)
        }
        let first = try #require(schema.sets.first)
        let pair = [Self.key(5, family), Self.key(950, family)]
        let found = try bench.kernel.elements(of: first, in: schema, keys: pair)
        #expect(found.mapValues { $0.value[0] } == [Self.key(5, family): 0x0A01_0005])
        #expect(try bench.kernel.elements(of: first, in: schema, keys: []).isEmpty)
    }

    @Test("go from both maps in one transaction, and only of the generation that was looked at")
    func discard() throws {
        let bench = try KernelBench()
        let schema = try Self.load(bench, .ipv6, clients: 10)
        let doomed = [Element(Self.key(3, .ipv6)), Element(Self.key(4, .ipv6))]
        let gone = [Element(Self.key(99, .ipv6))]
        let before = try bench.kernel.generation()
        let elements = [(set: schema.sets[0], elements: doomed), (set: schema.sets[1], elements: doomed + gone)]
        #expect(throws: NetlinkError.staleGeneration) {
            try bench.kernel.discard(elements, in: schema, expecting: before - 1)
        }
        // Before Linux 6.3 each of the two keys takes a transaction, and the missing one none that counts.
        let transactions = Capability.removesGoneElements ? 1 : 2
        #expect(try bench.kernel.discard(elements, in: schema, expecting: before) == transactions)
        #expect(try bench.kernel.generation() == before + UInt32(transactions))
        for set in schema.sets { #expect(try bench.kernel.elements(of: set, in: schema).count == 8) }
        // Nothing to remove, no transaction.
        #expect(try bench.kernel.discard([(schema.sets[0], [])], in: schema, expecting: before) == 0)
    }

    @Test("a dump of elements that commits interrupt is not marked as that: nothing may rely on a mark")
    func unmarked() throws {
        let bench = try KernelBench()
        let other = try KernelBench.kernel(in: bench.namespace)
        let state = Tables.single(.ipv4, Tables.services, (0..<5000).map { Tables.frontend($0) })
        try bench.load([state])
        var messages = 0
        var failure: NetlinkError?
        let before = try other.generation()
        // A mark would be thrown as an error.
        try bench.kernel.request(
            NFTMessage.getElement, flags: NetlinkFlag.dump, family: IPFamily.ipv4.netfilterNumber, operation: "dump"
        ) {
            $0.put(ElementAttribute.listTable, "fairlead")
            $0.put(ElementAttribute.listSet, Tables.services.name)
        } handle: { _ in
            messages += 1
            if messages > 5 { return }
            do throws(NetlinkError) {
                let gone = Transaction(.ipv4, .deleteElements(Tables.services, [Tables.frontend(messages)]))
                try other.commit(gone, expecting: nil)
            } catch { failure = error }
        }
        #expect(failure == nil)
        #expect(messages > 5)
        #expect(try other.generation() == before + 5)
        // A list is.
        #expect(throws: NetlinkError.interrupted(operation: "list")) {
            for number in 0..<3000 {
                var transaction = Transaction(tableName: "t\(number)")
                transaction.append(.ipv4, .addTable(comment: nil))
                try other.commit(transaction, expecting: nil)
            }
            var isFirst = true
            try bench.kernel.request(
                NFTMessage.getTable, flags: NetlinkFlag.dump, family: IPFamily.ipv4.netfilterNumber, operation: "list"
            ) { _ in
            } handle: { _ in
                if !isFirst { return }
                isFirst = false
                var transaction = Transaction(tableName: "one-more")
                transaction.append(.ipv4, .addTable(comment: nil))
                try? other.commit(transaction, expecting: nil)
            }
        }
    }

    @Test("a dump of a small set is held against the number that the kernel tells, as that of a large one is")
    func smallDumps() throws {
        let bench = try KernelBench()
        let state = Tables.single(.ipv4, Tables.services, (0..<20).map { Tables.frontend($0) })
        try bench.load([state])
        func dumps(count: Int?) throws -> Int {
            let before = bench.kernel.dumps
            var table = ObservedTable()
            try bench.kernel.observeElements(of: Tables.services, in: state.schema, count: count, nil, into: &table)
            #expect(table.elements[Tables.services.id]?.count == 20)
            return bench.kernel.dumps - before
        }
        #expect(try dumps(count: 20) == 1)
        // Where the kernel does not tell, two have to agree.
        #expect(try dumps(count: nil) == 2)
        // One is missing, as far as the number goes: looked at again and again.
        #expect(try dumps(count: 21) == 5)
    }
}
