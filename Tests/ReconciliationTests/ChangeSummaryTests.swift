import DataplaneTestKit
import Netfilter
import NetworkTypes
import Reconciliation
import ServiceDataplane
import Testing

@Suite("What a repair changed, in words")
struct ChangeSummaryTests {
    private func repair(_ edits: [ForeignEdit]) throws -> String {
        var random = SeededGenerator(seed: 3)
        let bench = try Bench(synchronized: Objects.cluster(&random))
        bench.kernel.edit { ruleset in
            for edit in edits { edit.apply(to: &ruleset, &random) }
        }
        return try #require(try bench.reconciler.verify()).summary.description
    }

    @Test("each kind of change has its words")
    func words() throws {
        #expect(try repair([.extraElement]) == "ip cluster-ips: removed 0.0.0.0")
        #expect(try repair([.elementDeleted]).hasPrefix("ip backends: put back 10.0.1."))
        #expect(try repair([.changedRule]) == "ip: rules of chain refuse put in order")
        #expect(try repair([.extraChain]) == "ip: chain foreign removed")
        #expect(try repair([.extraSet]) == "ip: set foreign removed")
        let both = try repair([.extraSet, .extraElement])
        #expect(both == "ip: set foreign removed; ip cluster-ips: removed 0.0.0.0")
    }

    @Test("a table that is recreated says it all, and a line stays short")
    func bounded() throws {
        #expect(try repair([.tableDeleted]) == "ip: table recreated")
        let form = try repair([.otherDeclaration])
        #expect(form.hasPrefix("ip: set backends.new recreated; ip: rules of chain invalid put in order; ip: rules of"))
        let emptied = try repair([.setEmptied])
        #expect(emptied.hasPrefix("ip endpoints: put back 10.0.") && emptied.hasSuffix(" more"), "\(emptied)")
        #expect(emptied.utf8.count < 200)
        var summary = ChangeSummary()
        #expect(summary.isEmpty && summary.description == "")
        var transaction = Transaction(tableName: "fairlead")
        for number in 0..<50 { transaction.append(.ipv6, .deleteSet(name: "s\(number)")) }
        summary.add(transaction)
        #expect(summary.description.hasSuffix("; ip6: set s7 removed; 42 more"))
    }
}
