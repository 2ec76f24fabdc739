import DataplaneTestKit
import FairleadTestKit
import KubernetesModel
import Netfilter
import NetlinkTransport
import NetworkTypes
import Reconciliation
import ServiceDataplane
import Testing

@Suite("Tables of another version in the kernel", .enabled(if: Capability.runsNetworkSuites, "no namespaces"))
struct UpgradeTests {
    enum Elder: CaseIterable {
        case comments, withoutSet, withMoreSets, otherKey, otherForm, everyForm, otherHook, otherMemory, smallerMemory

        /// Changes a table into what another version would have made.
        func apply(to state: inout TableState) {
            func change(_ name: String, _ body: (inout SetDeclaration) -> Void) {
                for index in state.schema.sets.indices where state.schema.sets[index].name == name {
                    body(&state.schema.sets[index])
                }
            }
            switch self {
            case .comments:
                for index in state.schema.sets.indices { state.schema.sets[index].comment = "elder" }
                for index in state.schema.chains.indices { state.schema.chains[index].comment = "elder" }
            case .withoutSet:
                drop("hairpin", from: &state)
                state.schema.sets.removeAll { $0.name == "hairpin" }
            case .withMoreSets:
                let set = SetDeclaration(SetID(9000), "elder", key: [.sourceAddress])
                state.schema.sets.append(set)
                state.schema.chains.insert(
                    Chain("elder-chain", rules: [[.lookup([.sourceAddress], set: "elder"), .drop]]), at: 0)
                state.schema.chains[state.schema.chains.count - 1].rules.append([.jump("elder-chain")])
            case .otherKey:
                drop("hairpin", from: &state)
                change("hairpin") { $0.key.append(.destinationPort) }
            case .otherForm:
                for set in state.schema.sets where set.name.hasPrefix("services-") || set.name == "cluster-ips" {
                    change(set.name) { $0.countsPackets.toggle() }
                }
            case .everyForm:
                for set in state.schema.sets where !set.isDynamic && !set.isInterval {
                    change(set.name) { $0.countsPackets.toggle() }
                }
            case .otherHook:
                for index in state.schema.chains.indices where state.schema.chains[index].name == "nat-prerouting" {
                    state.schema.chains[index].hook?.priority = -101
                }
            case .otherMemory:
                for index in state.schema.chains.indices {
                    state.schema.chains[index].rules.removeAll { Self.uses("affinity", $0) }
                }
                change("affinity") { $0.key.removeLast() }
            case .smallerMemory: change("affinity") { $0.size = 10 }
            }
        }

        private func drop(_ set: String, from state: inout TableState) {
            for index in state.schema.chains.indices {
                state.schema.chains[index].rules.removeAll { Self.uses(set, $0) }
            }
            state.elements[SetID.hairpin] = nil
        }

        private static func uses(_ set: String, _ rule: Rule) -> Bool {
            TableSchema.renaming([rule], [set: "\(set)-other"]) != [rule]
        }
    }

    private static func objects(_ count: Int) -> [ClusterObject] {
        (1...count).flatMap { number -> [ClusterObject] in
            var objects = [Objects.service("s\(number)", clusterIP: number)]
            if number > 1 { objects.append(Objects.slice("s\(number)", number..<number + 10, node: "here")) }
            if number % 3 == 2, case .service(var service) = objects[0] {
                service.sessionAffinity = .clientIP(timeoutSeconds: 7200)
                objects[0] = .service(service)
            }
            return objects
        }
    }

    private static func desired(_ objects: [ClusterObject]) -> DesiredState {
        var desired = DesiredState(
            options: Tables.options, settings: NodeSettings(nodeName: "here"),
            host: Tables.host)
        _ = desired.load(objects.map { .applied($0) })
        return desired
    }

    /// A kernel that remembers its transactions.
    private final class Recording {
        let kernel: FaultyKernel<NftablesKernel>
        var transactions: [Transaction] = []

        init(_ base: NftablesKernel) {
            kernel = FaultyKernel(base)
            kernel.tamper = { [unowned self] transaction in
                transactions.append(transaction)
                return transaction
            }
        }
    }

    @Test(
        "they become today's in place: clients stay remembered, counters go on, in batches that any process may send",
        arguments: Elder.allCases)
    func upgrade(_ elder: Elder) async throws {
        let objects = Self.objects(300)
        let bench = try KernelBench()
        let nft = NFT(bench.namespace)
        var planned = Self.desired(objects)
        var states = planned.tables()
        let memory = try #require(Self.memory(states[0]))
        for index in states.indices { elder.apply(to: &states[index]) }
        try bench.load(states)
        if elder != .otherMemory { try await nft.load("add element ip fairlead affinity { \(memory) }") }
        let counted = "10.0.0.1 . tcp . 80 counter packets 5 bytes 300"
        if elder != .everyForm {
            try await nft.load(
                """
                delete element ip fairlead reject-services { 10.0.0.1 . tcp . 80 }
                add element ip fairlead reject-services { \(counted) comment "default/s1" }
                """)
        }
        // What a process without privilege can send where `net.core.wmem_max` has its usual value.
        let limit = 2 * 212_992
        let made: Result<NftablesKernel, NetlinkError> = try bench.namespace.run {
            do throws(NetlinkError) { return .success(try NftablesKernel(sendLimit: limit)) } catch {
                return .failure(error)
            }
        }
        let recording = Recording(try made.get())
        let reconciler = Reconciler(kernel: recording.kernel, desired: Self.desired(objects))
        let report = try reconciler.synchronize()
        // Before Linux 6.5 a set keeps the size with which it was made.
        let keepsSize = elder == .smallerMemory && !Capability.resizesSets
        #expect((report.transactions == 0) == (elder == .comments || keepsSize))
        for step in recording.transactions.flatMap(\.steps) {
            if case .deleteTable = step.operation { Issue.record("a table was deleted") }
        }
        for transaction in recording.transactions { #expect(try NftablesKernel.bytes(of: transaction).count <= limit) }
        if elder == .everyForm { #expect(recording.transactions.count > 6) }
        #expect(try reconciler.synchronize().transactions == 0)
        let sets = try await nft.list(["sets"]) + nft.list(["maps"])
        #expect(!sets.contains(".new") && !sets.contains("elder {"))
        if elder != .otherMemory {
            let remembered = try await nft.list(["map", "ip", "fairlead", "affinity"])
            #expect(remembered.contains("10.0.7.7 . tcp . "), "\(remembered)")
            #expect(remembered.contains("timeout 2h expires 1h"), "\(remembered)")
            #expect(remembered.contains(keepsSize ? "size 10\n" : "size 262144\n"))
        }
        if elder != .everyForm {
            #expect(try await nft.list(["set", "ip", "fairlead", "reject-services"]).contains(counted))
        }
        // What nft lists is what it would list of tables that were made today, but for comments and what was counted.
        if [.withoutSet, .withMoreSets, .otherKey, .otherForm, .otherHook].contains(elder) {
            let clean = try KernelBench()
            try clean.load(planned.tables())
            #expect(
                Self.lines(try await nft.listRuleset()) == Self.lines(try await NFT(clean.namespace).listRuleset()))
        }
    }

    /// A client of the first pool with affinity, as `nft` writes what is remembered of it.
    private static func memory(_ state: TableState) -> String? {
        guard let sticky = state.schema.declaration(named: "sticky"),
            let slots = state.schema.declaration(named: "endpoints"),
            let (frontend, pool) = state.elements[sticky.id]?.map({ ($0.key, $0.data) }).min(by: { $0.0 < $1.0 }),
            let pool, let endpoint = state.elements[slots.id]?.first(where: { $0.key == frontend })?.data
        else { return nil }
        let number = ElementText.fields(pool, sticky.data, .ipv4)
        return "10.0.7.7 . tcp . \(number) timeout 2h : \(ElementText.fields(endpoint, slots.data, .ipv4))"
    }

    private static func lines(_ text: String) -> [String] {
        text.split(separator: "\n").flatMap { line -> [String] in
            var line = line.drop { $0 == " " || $0 == "\t" }
            if line.contains("10.0.7.7") { return [] }
            if line.hasPrefix("elements = { ") { line = line.dropFirst("elements = { ".count) }
            if line.hasSuffix(" }") { line = line.dropLast(2) }
            return line.split(separator: ",").map { part in
                String(part.drop { $0 == " " }).replacing("packets 5 bytes 300", with: "packets 0 bytes 0")
            }
        }.sorted()
    }
}
