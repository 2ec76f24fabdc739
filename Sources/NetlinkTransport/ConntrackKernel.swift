import CNftnl
import Netfilter
import NetworkTypes

/// The connection tracking table of the network namespace in which it was made.
///
/// Not for concurrent use: one owner makes one request after the other.
public final class ConntrackKernel: FlowTable {
    private let socket: NetlinkSocket
    private var sequence: UInt32 = 1
    private let buffer: UnsafeMutableRawBufferPointer
    /// Whether the kernel is asked to hand over only what passes the filter. It is compared here anyway.
    private let asksForFilter: Bool

    private static let receiveCapacity = 1 << 16
    private static let receiveReserve = 4 << 20
    /// Deletions of one send: their acknowledgements wait in the socket's buffer until the send returns.
    private static let deletionsPerSend = 256
    /// How often a dump is tried again when the kernel says that it was interrupted.
    private static let attempts = 5

    /// Opens a connection to the table of the calling thread's network namespace.
    public convenience init() throws(NetlinkError) { try self.init(asksForFilter: true) }

    init(asksForFilter: Bool) throws(NetlinkError) {
        socket = try NetlinkSocket(netlinkProtocol: NETLINK_NETFILTER)
        socket.reserveReceive(bytes: Self.receiveReserve)
        self.asksForFilter = asksForFilter
        buffer = .allocate(byteCount: Self.receiveCapacity, alignment: 8)
    }

    deinit { buffer.deallocate() }

    /// Looks at the flows that pass the filter once, and deletes exactly those that are stale.
    public func remove(
        _ filter: FlowFilter, where isStale: (TrackedFlow) -> Bool
    ) throws(NetlinkError) -> FlowRemoval {
        for _ in 0..<Self.attempts {
            do throws(NetlinkError) {
                var removal = FlowRemoval()
                let deletions = try findStale(filter, isStale, &removal)
                try carryOut(deletions, &removal)
                return removal
            } catch {
                guard case .interrupted = error else { throw error }
            }
        }
        throw .interrupted(operation: "list conntrack entries")
    }

    // MARK: Look

    /// Messages that delete entries, in pieces of what goes into one send.
    private struct Deletions: ~Copyable {
        var writer = MessageWriter(capacity: 4096)
        /// The offset at which each piece starts.
        var starts: [Int] = []
        var count = 0
        let firstSequence: UInt32

        init(firstSequence: UInt32) { self.firstSequence = firstSequence }

        mutating func append(_ entry: ConntrackEntry) {
            if count % ConntrackKernel.deletionsPerSend == 0 { starts.append(writer.count) }
            entry.writeDeletion(to: &writer, sequence: firstSequence &+ UInt32(count))
            count += 1
        }
    }

    private func findStale(
        _ filter: FlowFilter, _ isStale: (TrackedFlow) -> Bool, _ removal: inout FlowRemoval
    ) throws(NetlinkError) -> Deletions {
        try drain()
        let own = sequence
        try requestDump(filter, sequence: own)
        sequence = own &+ 1
        var deletions = Deletions(firstSequence: own &+ 1)
        var isInterrupted = false
        reading: while true {
            guard let count = try socket.receive(into: buffer, milliseconds: 10_000) else {
                throw .system(operation: "list conntrack entries", errno: ErrorNumber.timedOut)
            }
            for message in MessageSequence(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            where message.sequence == own {
                isInterrupted = isInterrupted || message.flags & NetlinkFlag.dumpInterrupted != 0
                if try Self.isFinal(message) { break reading }
                guard message.type == ConntrackMessage.new else { continue }
                removal.examined += 1
                guard message.family == filter.family.netfilterNumber,
                    let entry = ConntrackEntry(message, filter.family, filter.transport),
                    filter.matches(entry.flow), isStale(entry.flow)
                else { continue }
                deletions.append(entry)
            }
        }
        sequence = sequence > 1 << 30 ? 1 : deletions.firstSequence &+ UInt32(deletions.count)
        if isInterrupted { throw .interrupted(operation: "list conntrack entries") }
        return deletions
    }

    private func requestDump(_ filter: FlowFilter, sequence: UInt32) throws(NetlinkError) {
        var writer = MessageWriter(capacity: 512)
        let start = writer.beginMessage(
            type: ConntrackMessage.get, flags: NetlinkFlag.request | NetlinkFlag.dump, sequence: sequence,
            family: filter.family.netfilterNumber)
        if asksForFilter { writer.put(filter) }
        writer.endMessage(start)
        try socket.send(writer.bytes)
    }

    private static func isFinal(_ message: NetlinkMessage) throws(NetlinkError) -> Bool {
        guard message.type == NetlinkControl.error || message.type == NetlinkControl.done else { return false }
        let report = ErrorReport(message)
        if report.code == ErrorNumber.interruptedCall { throw .interrupted(operation: "list conntrack entries") }
        guard report.code == 0 else {
            throw .refused(object: "list conntrack entries", errno: report.code, detail: report.text)
        }
        return true
    }

    // MARK: Deletion

    private func carryOut(_ deletions: borrowing Deletions, _ removal: inout FlowRemoval) throws(NetlinkError) {
        let bytes = deletions.writer.bytes
        for (index, start) in deletions.starts.enumerated() {
            let end = index + 1 < deletions.starts.count ? deletions.starts[index + 1] : bytes.count
            try socket.send(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            try receiveVerdicts(deletions.firstSequence, &removal)
        }
    }

    /// The kernel has answered by the time that the send returns: nothing is waited for.
    private func receiveVerdicts(_ firstSequence: UInt32, _ removal: inout FlowRemoval) throws(NetlinkError) {
        while let count = try socket.receive(into: buffer, milliseconds: 0) {
            for message in MessageSequence(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            where message.type == NetlinkControl.error && message.sequence >= firstSequence {
                let report = ErrorReport(message)
                switch report.code {
                case 0: removal.deleted += 1
                // It ended by itself, or another flow has its tuple now.
                case ErrorNumber.noEntry: continue
                case ErrorNumber.busy: removal.refused += 1
                default: throw .refused(object: "delete a conntrack entry", errno: report.code, detail: report.text)
                }
            }
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
}
