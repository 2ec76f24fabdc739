import FairleadTestKit
import Netfilter
import NetworkTypes
import ServiceDataplane
import Synchronization
import Testing

@testable import NetlinkTransport

@Suite("A batch for a part of which there is no memory")
struct EncoderMemoryTests {
    /// Gives so many pieces of memory and no more.
    private final class Purse: Sendable {
        private let left: Mutex<Int>
        private let taken = Mutex(0)

        init(_ pieces: Int = .max) { left = Mutex(pieces) }

        var count: Int { taken.withLock { $0 } }

        var memory: EncoderMemory {
            EncoderMemory { [self] in
                taken.withLock { $0 += 1 }
                return left.withLock { left in
                    left -= 1
                    return left >= 0
                }
            }
        }
    }

    /// A table with rules of every form, and sets of every form.
    private static func transaction(_ family: IPFamily) -> Transaction {
        var options = Tables.options
        options.servesLocalhostNodePorts = true
        var transaction = KernelBench.transaction([
            TableState(schema: TableSchema(family: family, options: options), elements: [:])
        ])
        transaction.append(family, .deleteSet(name: "services-4"))
        transaction.append(family, .deleteChain(name: "services"))
        transaction.append(family, .flushChain(name: "outside"))
        return transaction
    }

    private static func bytes(_ transaction: Transaction, _ memory: EncoderMemory) throws(NetlinkError) -> [UInt8] {
        func copy(_ batch: borrowing EncodedBatch) -> [UInt8] { Array(batch.writer.bytes) }
        return copy(
            try BatchEncoder.encode(
                transaction, generation: nil, firstSequence: 1, isComplete: true, memory: memory))
    }

    @Test(
        "an encoder that gets no memory throws, at every single piece, and never leaves a condition out of a rule",
        arguments: IPFamily.allCases)
    func everyPiece(_ family: IPFamily) throws {
        var objects: Set<String> = []
        var count = 0
        // Step by step: what a step needs does not depend on those before it.
        for step in Self.transaction(family).steps {
            var transaction = Transaction(tableName: "fairlead")
            transaction.append(family, step.operation)
            let purse = Purse()
            let whole = try Self.bytes(transaction, purse.memory)
            count += purse.count
            #expect(try Self.bytes(transaction, .system) == whole)
            for pieces in 0..<purse.count {
                do throws(NetlinkError) {
                    let bytes = try Self.bytes(transaction, Purse(pieces).memory)
                    Issue.record("\(bytes.count) bytes of \(whole.count) after \(pieces) pieces of memory")
                } catch {
                    guard case .noMemory(let object) = error else { throw error }
                    #expect(object.hasPrefix("table \(family.nftName) fairlead"))
                    #expect(error.code == ErrorNumber.noMemory)
                    objects.insert(object)
                }
            }
        }
        // Several for each rule.
        #expect(count > 500)
        // The error names what it was about.
        #expect(objects.contains("table \(family.nftName) fairlead, chain services: expression lookup"))
        #expect(objects.contains("table \(family.nftName) fairlead, set services-4: its name"))
        #expect(objects.contains { $0.hasSuffix(": its counter") })
    }

    @Test("nothing of it is sent", .enabled(if: Capability.runsNetworkSuites, "needs network namespaces"))
    func nothingIsSent() throws {
        let bench = try KernelBench()
        let transaction = KernelBench.transaction(Tables.random(seed: 3, count: 2))
        let purse = Purse()
        _ = try Self.bytes(transaction, purse.memory)
        let before = try bench.kernel.generation()
        for pieces in stride(from: 0, to: purse.count, by: purse.count / 12) {
            bench.kernel.encoderMemory = Purse(pieces).memory
            do throws(NetlinkError) {
                try bench.kernel.commit(transaction, expecting: nil)
                Issue.record("committed")
            } catch {
                guard case .noMemory = error else { throw error }
            }
        }
        #expect(try bench.kernel.generation() == before)
        #expect(try bench.kernel.families(ofTable: "fairlead") == [])
        bench.kernel.encoderMemory = .system
        try bench.kernel.commit(transaction, expecting: nil)
        #expect(try bench.kernel.families(ofTable: "fairlead") == IPFamily.allCases)
    }

    @Test("rules whose text cannot be made are not taken for equal", .enabled(if: Capability.runsNetworkSuites, ""))
    func comparison() throws {
        let bench = try KernelBench()
        let states = Tables.random(seed: 3, count: 2)
        try bench.load(states)
        bench.kernel.encoderMemory = Purse(100).memory
        #expect(throws: NetlinkError.self) { try bench.observe(states.map(\.schema)) }
    }
}
