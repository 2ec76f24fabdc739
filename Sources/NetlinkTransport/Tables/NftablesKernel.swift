import CNftnl
import Netfilter
import NetworkTypes

/// The nftables of the network namespace in which it was made.
///
/// Not for concurrent use: one owner makes one request after the other. A commit blocks until the kernel has carried
/// the batch out. Between `submit` and the end of `settle` nothing else may be asked.
public final class NftablesKernel: DataplaneKernel {
    private var socket: NetlinkSocket
    private var sequence: UInt32 = 1
    private let buffer: UnsafeMutableRawBufferPointer

    /// A dump's datagrams have up to 32 KiB; smaller buffers make dumps several times slower.
    private static let receiveCapacity = 1 << 16
    /// What an answer with one element takes at the most, by far.
    private static let elementSlot = receiveCapacity / NetlinkSocket.manyLimit
    /// What the kernel charges the receive buffer for such an answer, by far.
    private static let elementCharge = 8 << 10
    /// The room of a request for elements.
    private static let requestLimit = 40_000
    private static let receiveReserve = 4 << 20
    private static let sendReserve = 2 << 20
    /// The bytes that an element takes in a batch at the most, comment included; IPv6 slots take about 90.
    private static let elementBytes = 160

    /// About how many elements one transaction can carry. As root there is no limit that matters; in a user namespace
    /// the system's `net.core.wmem_max` is one.
    public let elementCapacity: Int
    /// How many elements one request can ask for by key: the answers have to fit the receive buffer.
    let lookupCapacity: Int
    private var lengths = [UInt32](repeating: 0, count: NetlinkSocket.manyLimit)

    /// Sets with more elements are read by key, where there are guesses.
    let dumpLimit: Int
    /// How many dumps of sets were taken.
    var dumps = 0
    /// How many sets were read by key.
    var setsReadByKey = 0
    /// How many of them were read on another thread.
    var setsReadBeside = 0
    /// Carries out what was submitted.
    var pipeline: CommitPipeline?
    /// Who is to be told of each submitted transaction.
    var submitted: [(Duration) -> Void] = []

    /// Reads beside this one.
    let reader: SharedReader?

    /// Where the encoders take theirs.
    var encoderMemory = EncoderMemory.system

    /// The flags of the tables that this connection makes.
    private(set) var tableFlags: UInt32 = 0

    /// What becomes of tables that a connection makes.
    public enum TableMaking: Sendable {
        /// Whoever has the privilege may change them.
        case plain
        /// Nobody else may change them as long as this connection lives. Like `plain` where the kernel knows no such
        /// tables.
        case owned
    }

    /// Whether tables that this connection makes belong to it: as wished, and as far as the kernel can do it.
    public var makesOwnedTables: Bool { tableFlags & TableField.owned != 0 }

    /// The address of this connection, by which notifications name who committed.
    public var portID: UInt32 { socket.portID }

    /// Sets with more elements are read by key, where `observe` gets guesses, unless somebody says otherwise.
    public static let usualDumpLimit = 2_000

    /// Opens a connection to the nftables of the calling thread's network namespace.
    ///
    /// - Parameters:
    ///   - dumpLimit: sets with more elements are read by key, where `observe` gets guesses.
    ///   - making: what becomes of tables that the connection makes.
    public convenience init(dumpLimit: Int = usualDumpLimit, making: TableMaking = .plain) throws(NetlinkError) {
        try self.init(dumpLimit: dumpLimit, making: making, hasReader: true, sendLimit: .max)
    }

    /// A connection that sends no more bytes at once than that, as one without privilege does: for tests.
    package convenience init(sendLimit: Int) throws(NetlinkError) {
        try self.init(dumpLimit: Self.usualDumpLimit, making: .plain, hasReader: true, sendLimit: sendLimit)
    }

    private init(
        dumpLimit: Int, making: TableMaking, hasReader: Bool, sendLimit: Int = .max
    ) throws(NetlinkError) {
        self.dumpLimit = dumpLimit
        // The first socket of a process has the number of the process, and this one comes to own tables.
        var socket = try NetlinkSocket(netlinkProtocol: NETLINK_NETFILTER)
        socket.sendLimit = sendLimit
        // A socket belongs to the namespace in which it was opened: the reader's has to be opened now.
        reader =
            hasReader ? SharedReader(try NftablesKernel(dumpLimit: dumpLimit, making: .plain, hasReader: false)) : nil
        elementCapacity = try socket.reserveSend(bytes: Self.sendReserve) / Self.elementBytes
        let room = socket.reserveReceive(bytes: Self.receiveReserve)
        lookupCapacity = min(max(room / Self.elementCharge, 16), Self.requestLimit / (ElementKey.capacity + 12))
        self.socket = socket
        buffer = .allocate(byteCount: Self.receiveCapacity, alignment: 8)
        chooseTableFlags(making)
    }

    /// Asks the kernel whether it knows the flags: it judges a table that it never makes.
    private func chooseTableFlags(_ making: TableMaking) {
        switch making {
        case .plain: return
        case .owned: tableFlags = TableField.persistent | TableField.owned
        }
        var trial = Transaction(tableName: "fairlead-trial")
        trial.append(.ipv4, .addTable(comment: nil))
        do throws(NetlinkError) { try check(trial) } catch {
            // Anything else, such as a missing privilege, is for the first commit to tell.
            if error.code == ErrorNumber.notSupported || error.code == ErrorNumber.invalid { tableFlags = 0 }
        }
    }

    deinit { buffer.deallocate() }

    // MARK: Generation

    /// The number of the current ruleset; every commit that changes anything, by anyone in the namespace, adds one.
    public func generation() throws(NetlinkError) -> UInt32 {
        var result: UInt32?
        try request(NFTMessage.getGeneration, flags: 0, family: 0, operation: "read the ruleset's generation") { _ in
        } handle: { message in
            result = message.attributes.first(GenerationField.number)?.number
        }
        guard let result else { throw .malformedReply(operation: "read the ruleset's generation") }
        return result
    }

    // MARK: Commit

    /// Carries a transaction out, whole or not at all.
    ///
    /// - Parameter generation: if given, refuse with `staleGeneration` unless the ruleset is of this generation.
    public func commit(_ transaction: Transaction, expecting generation: UInt32?) throws(NetlinkError) {
        guard !transaction.isEmpty else { return }
        let batch = try BatchEncoder.encode(
            transaction, generation: generation, firstSequence: sequence, isComplete: true, tableFlags: tableFlags,
            memory: encoderMemory)
        try exchange(batch, transaction, isCheck: false)
    }

    /// The bytes that `commit` would send first: for measurements.
    package static func bytes(of transaction: Transaction) throws(NetlinkError) -> [UInt8] {
        // The bytes live as long as the batch: a function of its own has it for that long.
        func copy(_ batch: borrowing EncodedBatch) -> [UInt8] { Array(batch.writer.bytes) }
        return copy(try BatchEncoder.encode(transaction, generation: nil, firstSequence: 1, isComplete: true))
    }

    /// Sends bytes that `bytes(of:)` made: for measurements, as the least that a commit can cost.
    package func replay(_ batch: [UInt8]) throws(NetlinkError) {
        let limit = try socket.reserveSend(bytes: batch.count)
        guard batch.count <= limit else { throw .tooLarge(bytes: batch.count, limit: limit) }
        let failure = batch.withUnsafeBytes { bytes -> NetlinkError? in
            do throws(NetlinkError) { try socket.send(bytes) } catch { return error }
            return nil
        }
        if let failure { throw failure }
        while let count = try socket.receive(into: buffer, milliseconds: 0) {
            for message in MessageSequence(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            where message.type == NetlinkControl.error {
                let report = ErrorReport(message)
                if report.code != 0 { throw .refused(object: "replay", errno: report.code, detail: report.text) }
            }
        }
    }

    /// Has the kernel parse and judge a transaction without carrying it out.
    public func check(_ transaction: Transaction) throws(NetlinkError) {
        guard !transaction.isEmpty else { return }
        let batch = try BatchEncoder.encode(
            transaction, generation: nil, firstSequence: sequence, isComplete: false, tableFlags: tableFlags,
            memory: encoderMemory)
        try exchange(batch, transaction, isCheck: true)
    }

    /// The sequence number that the next batch begins with.
    var batchSequence: UInt32 { sequence }

    /// Sends a batch and waits for the verdict.
    ///
    /// - Parameter transaction: what it was made from, to name elements in errors.
    func exchange(
        _ batch: borrowing EncodedBatch, _ transaction: Transaction = Transaction(tableName: ""), isCheck: Bool = false
    ) throws(NetlinkError) {
        let bytes = batch.writer.bytes
        sequence = (batch.acknowledged ?? sequence) &+ 2
        if sequence > 1 << 30 { sequence = 1 }
        let limit = try socket.reserveSend(bytes: bytes.count)
        guard bytes.count <= limit else { throw .tooLarge(bytes: bytes.count, limit: limit) }
        try drain()
        try socket.send(bytes)
        do throws(NetlinkError) { try receiveVerdict(batch, transaction, isCheck: isCheck) } catch {
            throw owned(transaction.tableName, insteadOf: error)
        }
    }

    /// The kernel has answered by the time that the send returns: nothing is waited for.
    private func receiveVerdict(
        _ batch: borrowing EncodedBatch, _ transaction: Transaction, isCheck: Bool
    ) throws(NetlinkError) {
        var refusals = BatchRefusals()
        var isAcknowledged = batch.acknowledged == nil || isCheck
        while let count = try socket.receive(into: buffer, milliseconds: 0) {
            for message in MessageSequence(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            where message.type == NetlinkControl.error && message.sequence >= batch.firstSequence {
                let report = ErrorReport(message)
                if report.code != 0 {
                    refusals.add(report, message.sequence)
                } else if message.sequence == batch.acknowledged {
                    isAcknowledged = true
                }
            }
        }
        if let error = refusals.error(batch, transaction) { throw error }
        guard isAcknowledged else {
            throw .system(operation: "commit: the kernel's answer was lost", errno: ErrorNumber.noBufferSpace)
        }
    }

    /// Discards what an earlier, failed exchange may have left unread.
    private func drain() throws(NetlinkError) {
        for _ in 0..<4096 {
            do throws(NetlinkError) {
                if try socket.receive(into: buffer, milliseconds: 0) == nil { return }
            } catch {
                guard error.code == ErrorNumber.noBufferSpace else { throw error }
            }
        }
    }

    // MARK: Requests

    /// Sends one request and hands each answer to `handle`, until the kernel says that it is done.
    func request(
        _ type: UInt16, flags: UInt16, family: UInt8, operation: String,
        _ fill: (inout MessageWriter) -> Void, handle: (NetlinkMessage) -> Void
    ) throws(NetlinkError) {
        let own = try ask(type, flags: flags, family: family, fill)
        while true {
            guard let count = try socket.receive(into: buffer, milliseconds: 10_000) else {
                throw .system(operation: operation, errno: ErrorNumber.timedOut)
            }
            for message in MessageSequence(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            where message.sequence == own {
                if try Self.isFinal(message, operation) { return }
                if message.type > 16 { handle(message) }
            }
        }
    }

    /// Dumps a list, and hands each message to `handle` once all are there.
    ///
    /// The kernel makes each part of a list when the one before it is fetched, and says that the list was interrupted if somebody has
    /// committed anything in between. So the parts are fetched as fast as can be: where neighbours commit all the time, a list that was
    /// looked at meanwhile would hardly ever come whole.
    ///
    /// - Throws: `NetlinkError.interrupted` if there was a commit in between.
    func list(
        _ type: UInt16, family: UInt8, operation: String, _ fill: (inout MessageWriter) -> Void = { _ in },
        handle: (NetlinkMessage) -> Void
    ) throws(NetlinkError) {
        let own = try ask(type, flags: NetlinkFlag.dump, family: family, fill)
        var parts: [[UInt8]] = []
        var isWhole = false
        while !isWhole {
            guard let count = try socket.receive(into: buffer, milliseconds: 10_000) else {
                throw .system(operation: operation, errno: ErrorNumber.timedOut)
            }
            let part = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            parts.append(Array(part))
            for message in MessageSequence(part) where message.sequence == own {
                isWhole = try Self.isFinal(message, operation) || isWhole
            }
        }
        for part in parts {
            part.withUnsafeBytes { bytes in
                for message in MessageSequence(bytes) where message.sequence == own && message.type > 16 {
                    handle(message)
                }
            }
        }
    }

    /// Sends one request that is no dump, and that the kernel answers in many small messages before the send returns.
    ///
    /// - Parameter accepted: an error that ends the answers like success does.
    func requestMany(
        _ type: UInt16, family: UInt8, operation: String, accepting accepted: Int32,
        _ fill: (inout MessageWriter) -> Void, handle: (NetlinkMessage) -> Void
    ) throws(NetlinkError) {
        let own = try ask(type, flags: 0, family: family, fill)
        while let count = try socket.receiveMany(into: buffer, slot: Self.elementSlot, lengths: &lengths) {
            for index in 0..<count {
                let start = index * Self.elementSlot
                let datagram = UnsafeRawBufferPointer(rebasing: buffer[start..<start + Int(lengths[index])])
                for message in MessageSequence(datagram) where message.sequence == own {
                    if message.type == NetlinkControl.error, ErrorReport(message).code == accepted { return }
                    if try Self.isFinal(message, operation) { return }
                    if message.type > 16 { handle(message) }
                }
            }
        }
        throw .system(operation: operation, errno: ErrorNumber.timedOut)
    }

    /// Sends a request. Returns its sequence number.
    private func ask(
        _ type: UInt16, flags: UInt16, family: UInt8, _ fill: (inout MessageWriter) -> Void
    ) throws(NetlinkError) -> UInt32 {
        try drain()
        var writer = MessageWriter(capacity: 512)
        let isDump = flags & NetlinkFlag.dump == NetlinkFlag.dump
        let start = writer.beginMessage(
            type: NFTMessage.subsystem | type,
            flags: NetlinkFlag.request | flags | (isDump ? 0 : NetlinkFlag.acknowledge), sequence: sequence,
            family: family)
        fill(&writer)
        writer.endMessage(start)
        let own = sequence
        sequence = sequence > 1 << 30 ? 1 : sequence + 1
        try socket.send(writer.bytes)
        return own
    }

    /// Whether a message ends the answer.
    ///
    /// A list of tables, sets, chains or rules that a commit interrupted says so in a flag. A dump of elements is never marked, neither by
    /// the flag nor by an error number (seen on Linux 6.18): who needs one that is whole asks for the generation
    /// before and after it, and counts.
    private static func isFinal(_ message: NetlinkMessage, _ operation: String) throws(NetlinkError) -> Bool {
        if message.flags & NetlinkFlag.dumpInterrupted != 0 { throw .interrupted(operation: operation) }
        guard message.type == NetlinkControl.error || message.type == NetlinkControl.done else { return false }
        let report = ErrorReport(message)
        guard report.code == 0 else { throw .refused(object: operation, errno: report.code, detail: report.text) }
        return true
    }
}
