import CLinux
import Glibc
import NetworkTypes
import Synchronization

/// Tells when the addresses of a network namespace may have changed.
///
/// A thread of its own waits for the kernel's notifications, so that no thread of the concurrency pool blocks. It ends
/// with `stop`, with the last reference to the watcher, or when the task that listens is cancelled.
public final class HostAddressWatcher: Sendable {
    /// One element for any number of changes since the last one was fetched; for one consumer. Ends with the watcher.
    public let wakeUps: AsyncStream<Void>
    private let stopper: WakeDescriptor

    /// Starts to listen in the network namespace of the calling thread: what changes from now on is told.
    ///
    /// - Parameter followsDefaultRoutes: whether changes of default routes are told too. There are hosts with a million
    ///   routes that change all the time; only who needs them should ask.
    public init(followsDefaultRoutes: Bool) throws(NetlinkError) {
        let socket = try NetlinkSocket(netlinkProtocol: RouteMessage.netlinkProtocol)
        var groups = [RouteMessage.linkGroup] + RouteMessage.addressGroups
        if followsDefaultRoutes { groups += RouteMessage.routeGroups }
        for group in groups { try socket.join(group: group) }
        let stopper = try WakeDescriptor()
        let (stream, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        continuation.onTermination = { _ in stopper.send() }
        self.stopper = stopper
        wakeUps = stream
        try AddressWatchLoop(socket, stopper, continuation).start()
    }

    deinit { stopper.send() }

    /// Ends the thread and the sequence.
    public func stop() { stopper.send() }
}

/// A descriptor that becomes readable for good; closed with its last reference.
private final class WakeDescriptor: Sendable {
    let descriptor: Int32

    init() throws(NetlinkError) {
        descriptor = fl_wake_open()
        if descriptor < 0 { throw .system(operation: "make an event descriptor", errno: -descriptor) }
    }

    deinit { fl_close(descriptor) }

    func send() { _ = fl_wake_send(descriptor) }
}

/// What the watcher's thread does: waits for notifications, and wakes the listener up.
private final class AddressWatchLoop {
    private let socket: NetlinkSocket
    private let stopper: WakeDescriptor
    private let continuation: AsyncStream<Void>.Continuation
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 8)

    /// How long to wait for more before the listener is woken up: addresses often come in bursts.
    private static let settleMilliseconds: Int32 = 10
    /// How many datagrams to read before the listener gets its turn.
    private static let datagramsAtOnce = 1024

    init(
        _ socket: consuming NetlinkSocket, _ stopper: WakeDescriptor, _ continuation: AsyncStream<Void>.Continuation
    ) {
        self.socket = socket
        self.stopper = stopper
        self.continuation = continuation
    }

    deinit { buffer.deallocate() }

    /// Runs on a new thread.
    func start() throws(NetlinkError) {
        let context = Unmanaged.passRetained(self)
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<AddressWatchLoop>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        if result != 0 {
            context.release()
            throw .system(operation: "start a thread", errno: result)
        }
        pthread_detach(thread)
    }

    private func run() {
        while socket.wait(orFor: stopper.descriptor) {
            guard readNotifications() else { continue }
            // A wait for nothing but the end.
            if fl_wait(-1, stopper.descriptor, Self.settleMilliseconds) & 2 != 0 { break }
            _ = readNotifications()
            continuation.yield()
        }
        continuation.finish()
    }

    /// Reads what waits. Whether any of it matters; what was lost because it came too fast may have.
    private func readNotifications() -> Bool {
        var matters = false
        for _ in 0..<Self.datagramsAtOnce {
            do throws(NetlinkError) {
                guard let count = try socket.receive(into: buffer, milliseconds: 0) else { return matters }
                for message in MessageSequence(UnsafeRawBufferPointer(rebasing: buffer[..<count])) where !matters {
                    matters = Self.matters(message)
                }
            } catch {
                matters = true
                guard error.code == ErrorNumber.noBufferSpace || error.code == ErrorNumber.messageSize else { break }
            }
        }
        return matters
    }

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
