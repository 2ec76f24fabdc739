import DataplaneTestKit
import FairleadTestKit
import Netfilter
import NetworkTypes
import ServiceDataplane
import Testing

@testable import NetlinkTransport

@Suite("Transactions that are submitted", .enabled(if: Capability.runsNetworkSuites, "needs network namespaces"))
struct CommitPipelineTests {
    private func bench() throws -> KernelBench {
        let bench = try KernelBench()
        try bench.load([Tables.single(.ipv4, Tables.services, [])])
        return bench
    }

    private static func addition(_ numbers: Range<Int>) -> Transaction {
        Transaction(.ipv4, .addElements(Tables.services, numbers.map { Tables.frontend($0) }))
    }

    private static let removal = Transaction(.ipv4, .deleteElements(Tables.services, [Tables.frontend(9999)]))

    private func elements(_ bench: KernelBench) throws -> Int {
        let schema = Tables.single(.ipv4, Tables.services, []).schema
        return try bench.kernel.elements(of: Tables.services, in: schema).count
    }

    @Test("They are carried out in order, each told once, and the kernel is there for other requests again")
    func order() throws {
        let bench = try bench()
        let first = try bench.kernel.generation()
        var told: [Int] = []
        for number in 0..<20 {
            try bench.kernel.submit(
                Self.addition(number * 50..<number * 50 + 50), expecting: first &+ UInt32(number)
            ) { duration in
                told.append(number)
                #expect(duration > .zero)
            }
        }
        try bench.kernel.settle()
        #expect(told == Array(0..<20))
        #expect(try elements(bench) == 1000)
        #expect(try bench.kernel.generation() == first &+ 20)
        try bench.kernel.settle()
    }

    @Test("None is carried out after one that was refused, which is told", arguments: [0, 1, 2, 7])
    func refusal(position: Int) throws {
        let bench = try bench()
        let first = try bench.kernel.generation()
        var told = 0
        var failure: NetlinkError?
        do throws(NetlinkError) {
            for number in 0..<12 {
                let transaction = number == position ? Self.removal : Self.addition(number * 5..<number * 5 + 5)
                try bench.kernel.submit(transaction, expecting: nil) { _ in told += 1 }
            }
            try bench.kernel.settle()
        } catch { failure = error }
        #expect(failure?.code == ErrorNumber.noEntry)
        #expect(told == position)
        #expect(try bench.kernel.generation() == first &+ UInt32(position))
        #expect(try elements(bench) == 5 * position)
        // The next round begins afresh.
        try bench.kernel.submit(Self.addition(500..<510), expecting: nil) { _ in told += 1 }
        try bench.kernel.settle()
        #expect(told == position + 1)
        #expect(try elements(bench) == 5 * position + 10)
    }

    @Test("Somebody else's commit in between is noticed")
    func stale() throws {
        let bench = try bench()
        let other = try KernelBench.kernel(in: bench.namespace)
        let generation = try bench.kernel.generation()
        try other.commit(Self.addition(100..<101), expecting: nil)
        do throws(NetlinkError) {
            try bench.kernel.submit(Self.addition(0..<5), expecting: generation) { _ in }
            try bench.kernel.settle()
            Issue.record("nothing was noticed")
        } catch { #expect(error.isStaleGeneration) }
        #expect(try elements(bench) == 1)
    }
}
