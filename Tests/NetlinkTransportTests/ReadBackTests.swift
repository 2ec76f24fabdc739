import DataplaneTestKit
import FairleadTestKit
import Netfilter
import NetlinkTransport
import NetworkTypes
import ServiceDataplane
import Testing

private let canRun = Capability.runsNetworkSuites
private let reason: Comment = "needs the privilege to make network namespaces"

@Suite("What was committed is what is read back", .enabled(if: canRun, reason))
struct ReadBackTests {
    @Test("Tables with everything that Services can make are read back as sent", arguments: UInt64(1)...4)
    func everything(seed: UInt64) throws {
        let bench = try KernelBench()
        let states = Tables.random(seed: seed)
        try bench.load(states)
        let tables = try bench.observe(states.map(\.schema))
        for state in states {
            let table = try #require(tables[state.schema.family])
            #expect(table.exists)
            #expect(table.sets == Set(state.schema.sets.map(\.name)))
            #expect(table.chains == Set(state.schema.chains.map(\.name)))
            #expect(table.differingSets == [] && table.differingChains == [] && table.differingRules == [])
            for set in state.schema.sets {
                let sent = Dictionary(
                    uniqueKeysWithValues: (state.elements[set.id] ?? []).map { ($0.key, ObservedElement(of: $0)) })
                #expect(table.elements[set.id] ?? [:] == ObservedElements(sent), "\(set.name)")
            }
        }
    }

    @Test("Every variant of the rules is read back without a difference", arguments: [6, 16], [false, true])
    func schemas(exponent: Int, isStrict: Bool) throws {
        for hasCIDR in [false, true] {
            var options = hasCIDR ? Tables.options : DataplaneOptions()
            options.strictLocal = isStrict
            options.masqueradeAll = isStrict != hasCIDR
            let schemas = IPFamily.allCases.map {
                TableSchema(family: $0, options: options, largestExponent: exponent)
            }
            let bench = try KernelBench()
            try bench.load(schemas.map { TableState(schema: $0) })
            for table in try bench.observe(schemas).values {
                #expect(table.differingSets == [] && table.differingChains == [] && table.differingRules == [])
                #expect(table.elements.isEmpty)
            }
        }
    }

    @Test("A set, chain or rule that is another one is told apart")
    func differences() throws {
        let bench = try KernelBench()
        let schema = TableSchema(family: .ipv4, options: DataplaneOptions())
        try bench.load([TableState(schema: schema)])
        var other = schema
        for index in other.sets.indices {
            switch other.sets[index].name {
            case "backends": other.sets[index].countsPackets = true
            case "hairpin": other.sets[index].key = [.sourceAddress, .destinationAddress, .destinationPort]
            case "cluster-ips": other.sets[index].comment = "other"
            case "endpoints": other.sets[index].data = [.destinationAddress]
            case "cluster-cidrs": other.sets[index].isInterval = false
            default: continue
            }
        }
        for index in other.chains.indices {
            switch other.chains[index].name {
            case "nat-output": other.chains[index].hook?.priority = -99
            case "guard-prerouting": other.chains[index].hook?.kind = .nat
            case "outside": other.chains[index].comment = nil
            case "refuse": other.chains[index].rules.reverse()
            case "unserved": other.chains[index].rules[0] = [.drop]
            case "pick-services-4": other.chains[index].rules.removeLast()
            default: continue
            }
        }
        let table = try #require(try bench.observe([other])[.ipv4])
        // Comments do not matter to packets.
        #expect(table.differingSets == ["backends", "hairpin", "endpoints", "cluster-cidrs"])
        #expect(table.sharedElementSets == ["backends"])
        #expect(table.differingChains == ["nat-output", "guard-prerouting"])
        #expect(table.differingRules == ["refuse", "unserved", "pick-services-4"])
    }

    @Test("An absent table is absent, and a table of the other family or of another name is another one")
    func absent() throws {
        let bench = try KernelBench()
        try bench.load([TableState(schema: TableSchema(family: .ipv6, name: "fairlead", sets: [], chains: []))])
        try bench.load([TableState(schema: TableSchema(family: .ipv4, name: "other", sets: [], chains: []))])
        let schemas = IPFamily.allCases.map { TableSchema(family: $0, options: DataplaneOptions()) }
        let tables = try bench.observe(schemas)
        #expect(tables[.ipv4]?.exists == false && tables[.ipv6]?.exists == true)
        #expect(try bench.kernel.families(ofTable: "fairlead") == [.ipv6])
        #expect(try bench.kernel.families(ofTable: "other") == [.ipv4])
    }

    @Test(
        "Intervals at the edges and next to each other are read back, and can be removed one by one",
        arguments: [
            ["0.0.0.0/0"], ["::/0"], ["255.255.255.255/32"], ["0.0.0.0/32", "255.255.255.255/32"], ["128.0.0.0/1"],
            ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"], ["0.0.0.0/1", "128.0.0.0/1"], ["::/1", "8000::/1"],
            ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "::/128", "::1/128"], ["fd00::/64", "fd00:0:0:1::/64"],
        ])
    func intervals(_ texts: [String]) throws {
        let blocks = try texts.map { try #require(CIDR($0)) }
        let family = blocks[0].family
        let set = SetDeclaration(SetID(1), "ranges", key: [.sourceAddress], isInterval: true)
        let elements = blocks.map { block in
            var (first, last) = (KeyBuilder(), KeyBuilder())
            first.append(block.address)
            last.append(block.lastAddress)
            return Element(first.key, to: last.key)
        }
        let bench = try KernelBench()
        let state = Tables.single(family, set, elements)
        try bench.load([state])
        func found() throws -> ObservedElements? {
            try bench.observe([state.schema])[family]?.elements[set.id]
        }
        func expected(_ elements: some Sequence<Element>) -> ObservedElements {
            ObservedElements(
                Dictionary(uniqueKeysWithValues: elements.map { ($0.key, ObservedElement(of: $0)) }))
        }
        #expect(try found() == expected(elements))
        for index in elements.indices {
            try bench.kernel.commit(Transaction(family, .deleteElements(set, [elements[index]])), expecting: nil)
            let rest = expected(elements[(index + 1)...])
            #expect(try found() ?? [:] == rest)
        }
    }

    @Test("Comments of every length that nft takes are read back", arguments: Scene.families)
    func comments(family: IPFamily) throws {
        let bench = try KernelBench()
        let texts = ["", "a", "ab", "abc", "default/wéb", String(repeating: "x", count: 127)]
        let elements = texts.enumerated().map { number, text in
            var element = Tables.frontend(number, family)
            element.comment = text
            return element
        }
        let state = Tables.single(family, Tables.services, elements)
        try bench.load([state])
        let table = try #require(try bench.observe([state.schema])[family])
        for element in elements { #expect(table.elements[SetID(1)]?[element.key]?.comment == element.comment) }
    }

    @Test("A hundred thousand elements go in one transaction and come back")
    func large() throws {
        let bench = try KernelBench()
        let elements = (0..<100_000).map { Tables.frontend($0) }
        let state = Tables.single(.ipv4, Tables.services, elements)
        try bench.load([state])
        let table = try #require(try bench.observe([state.schema])[.ipv4])
        #expect(table.elements[SetID(1)]?.count == 100_000)
        #expect(elements.allSatisfy { table.elements[SetID(1)]?[$0.key] != nil })
        try bench.kernel.commit(Transaction(.ipv4, .deleteElements(Tables.services, elements)), expecting: nil)
        #expect(try bench.observe([state.schema])[.ipv4]?.elements.isEmpty == true)
    }
}
