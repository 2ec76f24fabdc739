import DataplaneTestKit
import FairleadTestKit
import Netfilter
import NetlinkTransport
import NetworkTypes
import Synchronization
import Testing

@Suite("Changes of the tables by others are told", .enabled(if: Capability.runsNetworkSuites, "no namespaces"))
struct RulesetWatcherTests {
    /// A kernel with a table, and what a watcher tells of it.
    private final class Bench: Sendable {
        let namespace: NetworkNamespace
        let nft: NFT
        private let watcher: RulesetWatcher
        private let changes = Mutex<[RulesetWatcher.Change]>([])

        init(except port: UInt32, in namespace: NetworkNamespace) throws {
            self.namespace = namespace
            nft = NFT(namespace)
            let result: Result<RulesetWatcher, NetlinkError> = try namespace.run {
                do throws(NetlinkError) {
                    return .success(try RulesetWatcher(tableName: "fairlead", except: port))
                } catch {
                    return .failure(error)
                }
            }
            watcher = try result.get()
        }

        func stop() { watcher.stop() }

        func listen() async { for await change in watcher.changes { changes.withLock { $0.append(change) } } }

        var told: [RulesetWatcher.Change] { changes.withLock { $0 } }

        /// What was told up to now: a change of the table that is known to be told comes last.
        func settle(_ number: Int) async throws -> [RulesetWatcher.Change] {
            let before = told.count
            try await nft.load("add chain ip6 fairlead fence-\(number)\n")
            let isTold = await eventually { self.told.count > before }
            #expect(isTold)
            return told
        }
    }

    @Test("changes of the tables by others are told with who made them; own ones and those of other tables are not")
    func told() async throws {
        let kernel = try KernelBench()
        try kernel.load(Tables.random(seed: 2))
        let bench = try Bench(except: kernel.kernel.portID, in: kernel.namespace)
        let listener = Task { await bench.listen() }
        defer { listener.cancel() }
        // Neighbours, of the same name too.
        try await bench.nft.load(
            "add table ip other\nadd chain ip other c\nadd table inet fairlead\nadd chain inet fairlead services\n")
        // The own connection, large commits included.
        let elements = (0..<20_000).map { Tables.frontend($0) }
        try kernel.kernel.commit(
            Transaction(.ipv4, .addSet(Tables.services.renamed("own"))), expecting: nil)
        try kernel.kernel.commit(
            Transaction(.ipv4, .addElements(Tables.services.renamed("own"), elements)), expecting: nil)
        #expect(try await bench.settle(0).count == 1)
        let edits = [
            "add element ip fairlead cluster-ips { 192.0.2.1 }", "delete element ip fairlead cluster-ips { 192.0.2.1 }",
            "add chain ip fairlead c", "add rule ip fairlead c accept", "flush chain ip fairlead c",
            "add set ip6 fairlead s { type ipv4_addr; }", "flush set ip fairlead own", "delete table ip6 fairlead",
            "flush ruleset",
        ]
        for (number, edit) in edits.enumerated() {
            let before = bench.told.count
            try await bench.nft.load(edit + "\n")
            let isTold = await eventually { bench.told.count > before }
            #expect(isTold, "\(edit)")
            #expect(bench.told.count == number + 2)
            #expect(bench.told.last?.isCertain == true && bench.told.last?.committer?.name == "nft", "\(edit)")
        }
    }

    @Test("the sequence ends with the watcher")
    func ends() async throws {
        let bench = try Bench(except: 1, in: try NetworkNamespace("watcher"))
        let listener = Task { await bench.listen() }
        bench.stop()
        await listener.value
    }
}

extension SetDeclaration {
    fileprivate func renamed(_ name: String) -> SetDeclaration {
        var copy = self
        copy.name = name
        return copy
    }
}
