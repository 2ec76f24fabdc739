import NetworkTypes

/// Tells when the addresses of a network namespace may have changed.
///
/// A thread of its own waits for the kernel's notifications. It ends with `stop`, with the last reference to the watcher,
/// when the task that listens is cancelled, or when its socket fails; what was lost because it came too fast is a wake-up.
public final class HostAddressWatcher: Sendable {
    /// One element for any number of changes since the last one was fetched; for one consumer. Ends with the watcher.
    public let wakeUps: AsyncStream<Void>
    private let stopper: WakeDescriptor

    /// Starts to listen in the network namespace of the calling thread: what changes from now on is told.
    ///
    /// - Parameter followsDefaultRoutes: whether changes of default routes are told too. There are hosts with a million
    ///   routes that change all the time; only who needs them should ask.
    public convenience init(followsDefaultRoutes: Bool) throws(NetlinkError) {
        try self.init(
            followsDefaultRoutes: followsDefaultRoutes,
            socket: try NetlinkSocket(netlinkProtocol: RouteMessage.netlinkProtocol))
    }

    /// - Parameter socket: has joined no group yet.
    init(followsDefaultRoutes: Bool, socket: consuming NetlinkSocket) throws(NetlinkError) {
        var groups = [RouteMessage.linkGroup] + RouteMessage.addressGroups
        if followsDefaultRoutes { groups += RouteMessage.routeGroups }
        for group in groups { try socket.join(group: group) }
        let stopper = try WakeDescriptor()
        let (stream, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        continuation.onTermination = { _ in stopper.send() }
        self.stopper = stopper
        wakeUps = stream
        try NotificationThread(socket, stopper, AddressReader(continuation: continuation)).start()
    }

    deinit { stopper.send() }

    /// Ends the thread and the sequence.
    public func stop() { stopper.send() }
}

/// Reads what the kernel tells of addresses, links and routes.
private struct AddressReader: NotificationReader {
    let continuation: AsyncStream<Void>.Continuation

    func read(_ messages: MessageSequence) -> Bool { messages.contains { Self.matters($0) } }

    /// What was lost may have mattered.
    func readLoss() -> Bool { true }

    func wake() { continuation.yield() }

    func finish() { continuation.finish() }

    private static func matters(_ message: NetlinkMessage) -> Bool {
        switch message.type {
        case RouteMessage.newAddress, RouteMessage.deleteAddress, RouteMessage.deleteLink: true
        // Links say much that is of no interest here. An IPv4 route ends with its link without a word of its own.
        case RouteMessage.newLink: LinkHeader(message)?.tellsUpOrDown ?? true
        // `struct rtmsg`: the second byte is the length of the destination's prefix, 0 for a default route.
        case RouteMessage.newRoute, RouteMessage.deleteRoute: message.payload.count < 2 || message.payload[1] == 0
        default: false
        }
    }
}
