import CNftnl
import Netfilter
import NetworkTypes

/// The connection tracking table of the network namespace in which it was made.
///
/// Not for concurrent use: one owner makes one request after the other. Memory does not depend on the table: entries are deleted while
/// the table is being read, by a second socket, a few hundred at a time.
public final class ConntrackKernel: FlowTable {
    private let socket: NetlinkSocket
    private let deleter: NetlinkSocket
    private var sequence: UInt32 = 1
    private let buffer: UnsafeMutableRawBufferPointer
    private let verdicts: UnsafeMutableRawBufferPointer
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
        deleter = try NetlinkSocket(netlinkProtocol: NETLINK_NETFILTER)
        deleter.reserveReceive(bytes: Self.receiveReserve)
        self.asksForFilter = asksForFilter
        buffer = .allocate(byteCount: Self.receiveCapacity, alignment: 8)
        verdicts = .allocate(byteCount: Self.receiveCapacity, alignment: 8)
    }

    deinit {
        buffer.deallocate()
        verdicts.deallocate()
    }

    /// Looks at the flows that pass the filter once, and deletes exactly those that are stale.
    public func remove(
        _ filter: FlowFilter, where isStale: (TrackedFlow) -> Bool, settle: () -> Bool
    ) throws(NetlinkError) -> FlowRemoval {
        var removal = FlowRemoval()
        for _ in 0..<Self.attempts {
            // What an attempt that was interrupted has deleted stays deleted; what it was refused is tried again.
            (removal.examined, removal.refused) = (0, 0)
            do throws(NetlinkError) {
                try look(filter, isStale, settle, &removal)
                return removal
            } catch {
                guard case .interrupted = error else { throw error }
            }
        }
        throw .interrupted(operation: "list conntrack entries")
    }

    // MARK: Look

    /// Entries that are about to be deleted: the messages that do it, and whose they are.
    private struct Deletions: ~Copyable {
        var writer = MessageWriter(capacity: 4096)
        var flows: [(flow: TrackedFlow, start: Int)] = []

        mutating func append(_ entry: ConntrackEntry) {
            flows.append((entry.flow, writer.count))
            entry.writeDeletion(to: &writer, sequence: UInt32(flows.count))
        }

        mutating func removeAll() {
            writer.removeAll()
            flows.removeAll(keepingCapacity: true)
        }

        /// The message at a position.
        func message(_ index: Int) -> UnsafeRawBufferPointer {
            let end = index + 1 < flows.count ? flows[index + 1].start : writer.count
            return UnsafeRawBufferPointer(rebasing: writer.bytes[flows[index].start..<end])
        }
    }

    private func look(
        _ filter: FlowFilter, _ isStale: (TrackedFlow) -> Bool, _ settle: () -> Bool, _ removal: inout FlowRemoval
    ) throws(NetlinkError) {
        try drain()
        let own = sequence
        try requestDump(filter, sequence: own)
        sequence = own > 1 << 30 ? 1 : own &+ 1
        var deletions = Deletions()
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
                if deletions.flows.count == Self.deletionsPerSend {
                    try carryOut(&deletions, isStale, settle, &removal)
                }
            }
        }
        try carryOut(&deletions, isStale, settle, &removal)
        if isInterrupted { throw .interrupted(operation: "list conntrack entries") }
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

    private func carryOut(
        _ deletions: inout Deletions, _ isStale: (TrackedFlow) -> Bool, _ settle: () -> Bool,
        _ removal: inout FlowRemoval
    ) throws(NetlinkError) {
        guard !deletions.flows.isEmpty else { return }
        guard settle() else {
            removal.refused += deletions.flows.count
            deletions.removeAll()
            return
        }
        var writer = MessageWriter(capacity: max(deletions.writer.count, 64))
        for (index, (flow, _)) in deletions.flows.enumerated() where isStale(flow) {
            writer.append(deletions.message(index))
        }
        deletions.removeAll()
        if writer.count == 0 { return }
        try deleter.send(writer.bytes)
        try receiveVerdicts(&removal)
    }

    /// The kernel has answered by the time that the send returns: nothing is waited for.
    private func receiveVerdicts(_ removal: inout FlowRemoval) throws(NetlinkError) {
        while let count = try deleter.receive(into: verdicts, milliseconds: 0) {
            for message in MessageSequence(UnsafeRawBufferPointer(rebasing: verdicts[..<count]))
            where message.type == NetlinkControl.error {
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
