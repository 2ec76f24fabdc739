import DataplaneTestKit
import FairleadTestKit
import Glibc
import Netfilter
import NetlinkTransport
import NetworkTypes
import ServiceDataplane
import Synchronization
import Testing

@Suite("Observing while others commit", .enabled(if: Capability.runsNetworkSuites, "needs network namespaces"))
struct ConcurrencyTests {
    /// Commits from a thread of its own until told to stop.
    private final class Disturbance: Sendable {
        private let isDone = Atomic(false)
        private let count = Atomic(0)

        /// How often it has committed.
        var commits: Int { count.load(ordering: .relaxed) }

        func stop() { isDone.store(true, ordering: .relaxed) }

        /// Returns when the first commit is through; from then on the tasks' threads are not needed.
        func start(
            in namespace: NetworkNamespace, _ transaction: @escaping @Sendable (Int) -> Transaction
        ) async throws {
            Task.detached {
                try await namespace.perform { () throws(TestKitError) in
                    do throws(NetlinkError) {
                        try self.commit(transaction)
                    } catch {
                        throw .conversation(error.description)
                    }
                }
            }
            for _ in 0..<500 where commits == 0 { try await Task.sleep(for: .milliseconds(20)) }
            try #require(commits > 0)
        }

        private func commit(_ transaction: (Int) -> Transaction) throws(NetlinkError) {
            let kernel = try NftablesKernel()
            while !isDone.load(ordering: .relaxed) {
                try kernel.commit(transaction(commits), expecting: nil)
                count.add(1, ordering: .relaxed)
                usleep(20_000 * UInt32(TimeFactor.value))
            }
        }
    }

    private static let halves = [(0..<400).map { Tables.frontend($0) }, (400..<800).map { Tables.frontend($0) }]

    /// When to give up: on a slow processor most looks are disturbed, and with one processor thousands pass before the other thread has a turn.
    private static var deadline: ContinuousClock.Instant { .now + .seconds(30) }

    @Test("An observation is of one moment, however often others commit meanwhile")
    func consistent() async throws {
        let bench = try KernelBench()
        let state = Tables.single(.ipv4, Tables.services, Self.halves[0])
        try bench.load([state])
        let other = Disturbance()
        try await other.start(in: bench.namespace) { count in
            Transaction(
                .ipv4, .deleteElements(Tables.services, Self.halves[count % 2]),
                .addElements(Tables.services, Self.halves[(count + 1) % 2]))
        }
        defer { other.stop() }
        let end = other.commits + 60
        var observed: Set<Bool> = []
        let deadline = Self.deadline
        while other.commits < end || observed.count < 2, ContinuousClock.now < deadline {
            let keys = Set(try bench.observe([state.schema])[.ipv4]?.elements[SetID(1)]?.keys.map { $0 } ?? [])
            #expect(keys == Set(Self.halves[0].map(\.key)) || keys == Set(Self.halves[1].map(\.key)))
            observed.insert(keys.contains(Self.halves[0][0].key))
        }
        #expect(observed.count == 2)
    }

    @Test("A table that others remove and make again meanwhile is whole or absent")
    func recreated() async throws {
        let bench = try KernelBench()
        let state = Tables.single(.ipv4, Tables.services, Self.halves[0])
        try bench.load([state])
        let other = Disturbance()
        try await other.start(in: bench.namespace) { count in
            var transaction = Transaction(tableName: "fairlead")
            if count % 2 == 0 { transaction.append(.ipv4, .deleteTable) }
            if count % 2 == 1 { transaction = KernelBench.transaction([state]) }
            return transaction
        }
        defer { other.stop() }
        let end = other.commits + 60
        var found: Set<Int> = []
        let deadline = Self.deadline
        while other.commits < end || found.count < 2, ContinuousClock.now < deadline {
            let table = try #require(try bench.observe([state.schema])[.ipv4])
            found.insert(table.elements[SetID(1)]?.count ?? 0)
            #expect(table.exists == (table.elements[SetID(1)] != nil))
        }
        #expect(found == [0, 400])
    }

    @Test("Two connections work side by side in their own namespaces")
    func namespaces() throws {
        let (one, two) = (try KernelBench(), try KernelBench())
        try one.load([Tables.single(.ipv4, Tables.services, [])])
        #expect(try one.kernel.families(ofTable: "fairlead") == [.ipv4])
        #expect(try two.kernel.families(ofTable: "fairlead") == [])
    }
}
