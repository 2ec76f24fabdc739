import DataplaneTestKit
import FairleadTestKit
import Netfilter
import NetlinkTransport
import NetworkTypes
import ServiceDataplane
import Testing

@Suite("Refusals name the object, and nothing is applied", .enabled(if: Capability.runsNetworkSuites, "no namespaces"))
struct RefusalTests {
    private static let map = SetDeclaration(
        SetID(2), "ports", key: [.destinationAddress, .transportProtocol, .destinationPort], data: [.destinationPort])

    private func bench(_ family: IPFamily = .ipv4, elements: [Element] = []) throws -> KernelBench {
        let bench = try KernelBench()
        let schema = TableSchema(
            family: family, name: "fairlead", sets: [Tables.services, Self.map], chains: [Chain("c", rules: [])])
        try bench.load([TableState(schema: schema, elements: [SetID(2): elements])])
        return bench
    }

    private static func port(_ number: Int, _ port: UInt16, _ family: IPFamily = .ipv4) -> Element {
        var data = KeyBuilder()
        data.append(port: port)
        var element = Tables.frontend(number, family)
        element.data = data.key
        return element
    }

    /// The description of the refusal; nil if there was none. Checks that nothing was applied.
    private func refusal(_ bench: KernelBench, _ transaction: Transaction) throws -> String? {
        let generation = try bench.kernel.generation()
        var result: String?
        do throws(NetlinkError) {
            try bench.kernel.commit(transaction, expecting: nil)
        } catch {
            result = error.description
        }
        #expect(try bench.kernel.generation() == generation)
        var judged: String?
        do throws(NetlinkError) { try bench.kernel.check(transaction) } catch { judged = error.description }
        #expect(judged == result)
        #expect(try bench.kernel.generation() == generation)
        return result
    }

    @Test(
        "An element that exists with other data is named, among hundreds in one message", arguments: [0, 1, 500, 998])
    func exists(position: Int) throws {
        for (family, address) in [(IPFamily.ipv4, "10.96.0.0"), (.ipv6, "fd00::")] {
            let bench = try bench(family, elements: [Self.port(0, 1, family)])
            var elements = (1..<999).map { Self.port($0, 2, family) }
            elements.insert(Self.port(0, 2, family), at: position)
            let text = try refusal(bench, Transaction(family, .addElements(Self.map, elements)))
            let table = "table \(family.nftName) fairlead"
            #expect(text == "\(table), set ports, element \(address) . tcp . 80: File exists")
        }
    }

    @Test("An element in the second message of a long list is named")
    func secondMessage() throws {
        let bench = try bench(elements: [Self.port(0, 1)])
        let elements = (1..<5000).map { Self.port($0, 2) } + [Self.port(0, 2)]
        let text = try refusal(bench, Transaction(.ipv4, .addElements(Self.map, elements)))
        #expect(text == "table ip fairlead, set ports, element 10.96.0.0 . tcp . 80: File exists")
    }

    @Test("A missing element that is to be removed is named")
    func missing() throws {
        let bench = try bench(elements: (0..<300).map { Self.port($0, 1) })
        let gone = [200, 299, 300, 100].map { Self.port($0, 1) }
        let text = try refusal(bench, Transaction(.ipv4, .deleteElements(Self.map, gone)))
        #expect(text == "table ip fairlead, set ports, element 10.96.1.44 . tcp . 80: No such file or directory")
    }

    @Test("Unknown sets, chains and tables are named")
    func unknown() throws {
        let bench = try bench()
        let unknown = SetDeclaration(SetID(7), "unknown", key: [.destinationAddress])
        let missing = ": No such file or directory"
        let element = Element(ElementKey())
        let cases: [(Transaction, String)] = [
            (Transaction(.ipv4, .addElements(unknown, [element])), "table ip fairlead, set unknown, element 0.0.0.0"),
            (Transaction(.ipv4, .deleteSet(name: "unknown")), "table ip fairlead, set unknown"),
            (Transaction(.ipv4, .deleteChain(name: "nowhere")), "table ip fairlead, chain nowhere"),
            (
                Transaction(.ipv4, .setRules(Chain("c", rules: [[.accept], [.jump("nowhere")]]))),
                "table ip fairlead, rule of chain c"
            ),
            (
                Transaction(.ipv4, .setRules(Chain("c", rules: [[.lookup([.sourceAddress], set: "unknown"), .drop]]))),
                "table ip fairlead, rule of chain c"
            ),
            (Transaction(.ipv6, .deleteTable), "table ip6 fairlead"),
        ]
        for (transaction, object) in cases {
            let text = try #require(try refusal(bench, transaction))
            #expect(text.hasPrefix(object) && text.hasSuffix(missing), "\(text)")
        }
    }

    @Test("One bad step in the middle leaves nothing of the steps around it")
    func atomic() throws {
        let bench = try bench()
        let added = (0..<10).map { Tables.frontend($0) }
        let transaction = Transaction(
            .ipv4, .addElements(Tables.services, added), .deleteElements(Self.map, [Self.port(1, 1)]),
            .addChain(Chain("later", rules: [])))
        #expect(try refusal(bench, transaction) != nil)
        let schema = TableSchema(family: .ipv4, name: "fairlead", sets: [Tables.services], chains: [])
        let table = try #require(try bench.observe([schema])[.ipv4])
        #expect(table.elements.isEmpty && table.chains == ["c"])
    }

    @Test("The connection goes on to work after many refusals at once")
    func afterRefusals() throws {
        let bench = try bench()
        var transaction = Transaction(tableName: "fairlead")
        for number in 0..<3000 { transaction.append(.ipv4, .deleteSet(name: "none-\(number)")) }
        #expect(throws: NetlinkError.self) { try bench.kernel.commit(transaction, expecting: nil) }
        try bench.kernel.commit(
            Transaction(.ipv4, .addElements(Tables.services, [Tables.frontend(1)])), expecting: nil)
        #expect(try bench.kernel.families(ofTable: "fairlead") == [.ipv4])
    }

    @Test("A check without fault applies nothing")
    func check() throws {
        let bench = try bench()
        let generation = try bench.kernel.generation()
        let transaction = Transaction(.ipv4, .addElements(Tables.services, [Tables.frontend(1)]))
        try bench.kernel.check(transaction)
        try bench.kernel.check(transaction)
        #expect(try bench.kernel.generation() == generation)
        try bench.kernel.commit(transaction, expecting: nil)
        #expect(try bench.kernel.generation() == generation + 1)
    }

    @Test("A stale generation is refused as such, the current one is not")
    func staleGeneration() throws {
        let bench = try bench()
        let generation = try bench.kernel.generation()
        func add(_ number: Int) -> Transaction {
            Transaction(.ipv4, .addElements(Tables.services, [Tables.frontend(number)]))
        }
        try bench.kernel.commit(add(1), expecting: generation)
        #expect(throws: NetlinkError.staleGeneration) { try bench.kernel.commit(add(2), expecting: generation) }
        #expect(try bench.kernel.generation() == generation + 1)
        try bench.kernel.commit(add(2), expecting: generation + 1)
    }

    @Test("A key is removed and added again with other data in one transaction")
    func replace() throws {
        let bench = try bench(elements: [Self.port(1, 1)])
        let transaction = Transaction(
            .ipv4, .deleteElements(Self.map, [Self.port(1, 1)]), .addElements(Self.map, [Self.port(1, 2)]))
        try bench.kernel.commit(transaction, expecting: nil)
        let schema = TableSchema(family: .ipv4, name: "fairlead", sets: [Self.map], chains: [])
        let found = try bench.observe([schema])[.ipv4]?.elements[SetID(2)]
        #expect(found?.map(\.value).map(\.value) == [Self.port(1, 2).data ?? ElementKey()])
    }

    @Test("A generation is counted for a commit that changes something, and for no other")
    func generation() throws {
        let bench = try bench(elements: [Self.port(1, 1)])
        let generation = try bench.kernel.generation()
        try bench.kernel.commit(Transaction(tableName: "fairlead"), expecting: nil)
        try bench.kernel.commit(Transaction(.ipv4, .addElements(Self.map, [])), expecting: nil)
        try bench.kernel.commit(Transaction(.ipv4, .addElements(Self.map, [Self.port(1, 1)])), expecting: nil)
        try bench.kernel.commit(Transaction(.ipv4, .addTable(comment: nil)), expecting: nil)
        #expect(try bench.kernel.generation() == generation)
        try bench.kernel.commit(Transaction(.ipv4, .addElements(Self.map, [Self.port(2, 1)])), expecting: nil)
        #expect(try bench.kernel.generation() == generation + 1)
    }

    @Test("Tables of others stay as they are")
    func others() async throws {
        let bench = try KernelBench()
        let nft = NFT(bench.namespace)
        try await nft.load(
            """
            table inet other {
                set s {
                    type ipv4_addr
                    elements = { 1.2.3.4 }
                }
            }
            table ip mine {
            }
            """)
        let before = try await nft.listRuleset()
        let states = Tables.random(seed: 1, count: 4)
        try bench.load(states)
        #expect(try await nft.listRuleset().hasPrefix(before))
        var removal = Transaction(tableName: "fairlead")
        for family in IPFamily.allCases { removal.append(family, .deleteTable) }
        try bench.kernel.commit(removal, expecting: nil)
        #expect(try await nft.listRuleset() == before)
    }
}
