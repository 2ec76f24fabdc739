import DataplaneTestKit
import FairleadTestKit
import Netfilter
import NetlinkTransport
import NetworkTypes
import ServiceDataplane
import Testing

@Suite(
    "Tables that only their owner may change", .enabled(if: Capability.runsNetworkSuites, "no namespaces"),
    .enabled(if: Capability.ownsTables, "no tables with an owner before Linux 6.9"))
struct OwnershipTests {
    private static let name = "fairlead"

    private func kernel(
        _ namespace: NetworkNamespace, _ making: NftablesKernel.TableMaking
    ) throws -> NftablesKernel {
        let result: Result<NftablesKernel, NetlinkError> = try namespace.run {
            do throws(NetlinkError) { return .success(try NftablesKernel(making: making)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func error(_ kernel: NftablesKernel, _ transaction: Transaction) -> NetlinkError? {
        do throws(NetlinkError) { try kernel.commit(transaction, expecting: nil) } catch { return error }
        return nil
    }

    @Test("an owner keeps others off, its end makes the table an orphan, and who claims it owns it")
    func owner() throws {
        let namespace = try NetworkNamespace("owner")
        let other = try kernel(namespace, .owned)
        do {
            let first = try kernel(namespace, .owned)
            try #require(first.makesOwnedTables)
            try first.commit(KernelBench.transaction(Tables.random(seed: 1)), expecting: nil)
            #expect(try first.ownership(ofTable: Self.name) == [.ipv4: .own, .ipv6: .own])
            let foreign = TableOwnership.foreign(port: first.portID)
            #expect(try other.ownership(ofTable: Self.name) == [.ipv4: foreign, .ipv6: foreign])
            for operation: Netfilter.Operation in [.deleteTable, .claimTable, .addChain(Chain("c", rules: []))] {
                let refusal = try #require(error(other, Transaction(.ipv4, operation)))
                #expect(refusal.isOwned)
                #expect(refusal.description.hasPrefix("table ip fairlead: another process owns the table: "))
            }
            try first.commit(Transaction(.ipv4, .addChain(Chain("c", rules: []))), expecting: nil)
        }
        #expect(try other.ownership(ofTable: Self.name) == [.ipv4: .orphan, .ipv6: .orphan])
        let generation = try other.generation()
        try other.commit(Transaction(.ipv4, .claimTable), expecting: generation)
        #expect(try other.generation() == generation + 1)
        #expect(try other.ownership(ofTable: Self.name) == [.ipv4: .own, .ipv6: .orphan])
        // What is one's own already can be claimed again.
        try other.commit(Transaction(.ipv4, .claimTable), expecting: nil)
        // A table that is recreated in place of one's own is one's own.
        try other.commit(Transaction(.ipv4, .deleteTable, .addTable(comment: nil)), expecting: nil)
        #expect(try other.ownership(ofTable: Self.name)[.ipv4] == .own)
    }

    @Test("plain tables can never be claimed, and a table keeps its flag for good")
    func making() throws {
        let namespace = try NetworkNamespace("making")
        let daemon = try kernel(namespace, .owned)
        do {
            let former = try kernel(namespace, .owned)
            try former.commit(Transaction(.ipv4, .addTable(comment: "mine")), expecting: nil)
            // Adding what is there is no error, with whatever flags it was made.
            try former.commit(Transaction(.ipv4, .addTable(comment: "mine")), expecting: nil)
        }
        let plain = try kernel(namespace, .plain)
        #expect(!plain.makesOwnedTables)
        try plain.commit(Transaction(.ipv6, .addTable(comment: nil)), expecting: nil)
        #expect(try plain.ownership(ofTable: Self.name) == [.ipv4: .orphan, .ipv6: .shared])
        try plain.commit(Transaction(.ipv4, .addChain(Chain("c", rules: []))), expecting: nil)
        try daemon.commit(Transaction(.ipv4, .claimTable), expecting: nil)
        #expect(error(daemon, Transaction(.ipv6, .claimTable))?.code == 95)
        #expect(try daemon.ownership(ofTable: Self.name) == [.ipv4: .own, .ipv6: .shared])
        let schema = TableSchema(family: .ipv4, name: Self.name, sets: [], chains: [])
        let observed = try plain.observe(tableName: Self.name, guesses: ElementGuesses()) { _ in [schema] }
        #expect(observed.tables[.ipv4]?.ownership == .foreign(port: daemon.portID))
    }
}
