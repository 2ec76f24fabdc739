import DataplaneTestKit
import FairleadTestKit
import KubernetesModel
import Netfilter
import NetlinkTransport
import NetworkTypes
import Reconciliation
import ServiceDataplane
import Testing

@Suite("nft as referee", .enabled(if: Capability.runsNetworkSuites, "needs network namespaces"))
struct RefereeTests {
    @Test("nft lists what was committed as what it loads from the text", arguments: UInt64(1)...4)
    func listing(seed: UInt64) async throws {
        let states = Tables.random(seed: seed, count: 8)
        let bench = try KernelBench()
        try bench.load(states)
        let committed = try await NFT(bench.namespace).listRuleset()
        let other = try NetworkNamespace("text")
        try await NFT(other).load(states.map(\.description).joined(separator: "\n"))
        let loaded = try await NFT(other).listRuleset()
        #expect(NFT.lines(of: committed) == NFT.lines(of: loaded))
        #expect(committed.contains("comment \"default/service-0"))
    }

    @Test(
        "What nft loads from the text is read back without a difference", arguments: UInt64(5)...7,
        Neighbour.runnable("nft"))
    func observedText(seed: UInt64, build: Neighbour) async throws {
        let states = Tables.random(seed: seed, count: 8)
        let bench = try KernelBench()
        try await NFT(bench.namespace, build: build).load(states.map(\.description).joined(separator: "\n"))
        let version = try await build.version(in: bench.namespace)
        let tables = try bench.observe(states.map(\.schema))
        for state in states {
            let table = try #require(tables[state.schema.family])
            #expect(table.differingSets == [])
            #expect(table.differingChains == [])
            let unexpected = table.differingRules.filter { !Self.isWrittenOtherwise($0, state.schema.family, version) }
            #expect(unexpected == [])
            for set in state.schema.sets {
                let sent = Dictionary(
                    uniqueKeysWithValues: (state.elements[set.id] ?? []).map { ($0.key, ObservedElement(of: $0)) })
                #expect(table.elements[set.id] ?? [:] == ObservedElements(sent), "\(set.name)")
            }
        }
    }

    /// Chains that `nft` encodes in another way that does the same: it takes other registers for hashed IPv6 sources, and from 1.1 on
    /// for what an affinity map is told. Such rules are rewritten once.
    private static func isWrittenOtherwise(_ chain: String, _ family: IPFamily, _ version: String) -> Bool {
        guard chain.hasPrefix("remember-") || chain.hasPrefix("recall-") else { return false }
        return family == .ipv6 || !version.contains(" v1.0.")
    }

    static let edits = [
        "delete table ip fairlead", "flush set ip fairlead cluster-cidrs", "flush ruleset",
        "add element ip fairlead cluster-ips { 9.9.9.9 }", "add element ip fairlead cluster-cidrs { 9.9.9.0/24 }",
        "add chain ip fairlead mine", "add chain ip fairlead mine { type filter hook input priority 0; }",
        "insert rule ip fairlead refuse accept", "insert rule ip fairlead refuse ip saddr { 1.2.3.4, 5.6.7.8 } drop",
        "add rule ip6 fairlead refuse tcp dport vmap { 80 : accept, 81 : drop }", "flush chain ip fairlead unserved",
        "add set ip fairlead mine { type ipv4_addr; }",
        """
        add chain ip fairlead mine
        add map ip fairlead vm { type inet_service : verdict; elements = { 80 : goto mine }; }
        add rule ip fairlead refuse tcp dport vmap @vm
        """,
        "add chain ip fairlead nat-output { policy drop; }",
    ]

    @Test("What an administrator does to the tables with nft is repaired by the difference", arguments: edits)
    func foreignEdit(_ edit: String) async throws {
        let bench = try KernelBench()
        let desired = DesiredState(
            options: Tables.options, settings: NodeSettings(nodeName: "here"),
            host: Tables.host)
        let reconciler = Reconciler(kernel: bench.kernel, desired: desired)
        var service = Service(key: Scene.key("web"))
        service.clusterIPs = Scene.families.map { Scene.address($0, 0, 1) }
        service.ports = [ServicePort(port: 80)]
        reconciler.load([.applied(.service(service))])
        _ = try reconciler.synchronize()
        let nft = NFT(bench.namespace)
        let clean = try await nft.listRuleset()
        try await nft.load(edit)
        #expect(try await nft.listRuleset() != clean)
        #expect(try reconciler.verify()?.transactions == 1)
        #expect(Self.sorted(try await nft.listRuleset()) == Self.sorted(clean))
        #expect(try reconciler.verify() == nil)
        #expect(try reconciler.synchronize().transactions == 0)
    }

    /// A table, chain or set that is made again is listed in another place.
    private static func sorted(_ text: String) -> [String] { NFT.lines(of: text).sorted() }
}
