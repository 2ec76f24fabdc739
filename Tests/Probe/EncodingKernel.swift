import Netfilter
import NetlinkTransport
import NetworkTypes

/// Takes transactions as far as the bytes for the kernel, and no further.
final class EncodingKernel: DataplaneKernel {
    typealias Failure = NetlinkError

    /// The bytes of each transaction, if they are kept.
    private(set) var batches: [[UInt8]] = []
    /// How many bytes there were.
    private(set) var bytes = 0
    private let keeps: Bool
    private var current: UInt32 = 1

    init(keeps: Bool = false) { self.keeps = keeps }

    func generation() throws(NetlinkError) -> UInt32 { current }

    func ownership(ofTable name: String) throws(NetlinkError) -> [IPFamily: TableOwnership] { [:] }

    func observe(
        tableName: String, guesses: ElementGuesses, schemas: ([IPFamily: Set<String>]) -> [TableSchema]
    ) throws(NetlinkError) -> Observation {
        _ = schemas([:])
        return Observation(tables: [:], generation: current)
    }

    func commit(_ transaction: Transaction, expecting generation: UInt32?) throws(NetlinkError) {
        let batch = try NftablesKernel.bytes(of: transaction)
        bytes += batch.count
        if keeps { batches.append(batch) }
        current += 1
    }

    func elements(of set: SetDeclaration, in schema: TableSchema) throws(NetlinkError) -> ObservedElements { [:] }

    func elements(
        of set: SetDeclaration, in schema: TableSchema, keys: [ElementKey]
    ) throws(NetlinkError) -> [ElementKey: ObservedElement] { [:] }

    func discard(
        _ elements: [(set: SetDeclaration, elements: [Element])], in schema: TableSchema, expecting generation: UInt32
    ) throws(NetlinkError) -> Int { 0 }

    func check(_ transaction: Transaction) throws(NetlinkError) {}
}
