import CNftnl
import NetworkTypes

/// Tells when somebody else has changed the tables of a name.
///
/// The kernel makes a message of each element that anybody commits while somebody listens, so that commits cost about
/// three times as much: listen only where tables cannot be protected.
public final class RulesetWatcher: Sendable {
    /// A change of the tables.
    public struct Change: Hashable, Sendable {
        /// Whether there was one for sure; if not, the kernel told more than could be read in time.
        public var isCertain: Bool
        /// Who made it, if that is known.
        public var committer: Committer?
    }

    /// One element for any number of changes since the last one was fetched; for one consumer. Ends with the watcher.
    public let changes: AsyncStream<Change>
    private let stopper: WakeDescriptor

    /// What the kernel may have to tell before it is read.
    private static let receiveReserve = 4 << 20

    /// Starts to listen in the network namespace of the calling thread: what is changed from now on is told.
    ///
    /// - Parameters:
    ///   - tableName: the name of the tables, the same in each family.
    ///   - port: the address of the connection whose own commits are not told.
    public init(tableName: String, except port: UInt32) throws(NetlinkError) {
        let socket = try NetlinkSocket(netlinkProtocol: NETLINK_NETFILTER)
        try socket.ignore(sender: port)
        socket.reserveReceive(bytes: Self.receiveReserve)
        try socket.join(group: NFTMessage.group)
        let stopper = try WakeDescriptor()
        let (stream, continuation) = AsyncStream<Change>.makeStream(bufferingPolicy: .bufferingNewest(1))
        continuation.onTermination = { _ in stopper.send() }
        self.stopper = stopper
        changes = stream
        try NotificationThread(socket, stopper, RulesetReader(tableName, continuation)).start()
    }

    deinit { stopper.send() }

    /// Ends the thread and the sequence.
    public func stop() { stopper.send() }
}

/// Reads what the kernel tells of commits.
private struct RulesetReader: NotificationReader {
    /// The table's name with its terminating zero.
    private let name: [UInt8]
    private let continuation: AsyncStream<RulesetWatcher.Change>.Continuation
    /// The address of the socket that changed the tables last.
    private var offender: UInt32?
    private var committer: Committer?
    private var isCertain = false

    init(_ tableName: String, _ continuation: AsyncStream<RulesetWatcher.Change>.Continuation) {
        name = Array(tableName.utf8) + [0]
        self.continuation = continuation
    }

    /// A commit is told object by object, and who made it at its end.
    mutating func read(_ messages: MessageSequence) -> Bool {
        var matters = false
        for message in messages where message.type >> 8 == NFTMessage.subsystem >> 8 {
            if message.type & 0xFF == NFTMessage.newGeneration {
                if offender == message.portID { committer = Committer(commitEnd: message.attributes) }
                offender = nil
            } else if isOfTables(message) {
                offender = message.portID
                (matters, isCertain) = (true, true)
            }
        }
        return matters
    }

    /// Objects of all kinds have the name of their table in their first attribute.
    private func isOfTables(_ message: NetlinkMessage) -> Bool {
        guard message.family == IPFamily.ipv4.netfilterNumber || message.family == IPFamily.ipv6.netfilterNumber,
            let table = message.attributes.first(TableField.name)
        else { return false }
        return table.value.elementsEqual(name)
    }

    mutating func readLoss() -> Bool {
        (offender, committer) = (nil, nil)
        return true
    }

    mutating func wake() {
        continuation.yield(RulesetWatcher.Change(isCertain: isCertain, committer: committer))
        (isCertain, committer) = (false, nil)
    }

    func finish() { continuation.finish() }
}

extension Committer {
    /// What the message at the end of a commit's notifications tells.
    fileprivate init?(commitEnd attributes: AttributeSequence) {
        guard let number = attributes.first(GenerationField.processID)?.number else { return nil }
        self.init(name: attributes.first(GenerationField.processName)?.text, number: number)
    }
}
