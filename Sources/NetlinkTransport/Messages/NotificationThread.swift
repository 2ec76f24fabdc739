import CLinux
import SystemSupport

/// A descriptor that becomes readable for good; closed with its last reference.
final class WakeDescriptor: Sendable {
    let descriptor: Int32

    init() throws(NetlinkError) {
        descriptor = fl_wake_open()
        if descriptor < 0 { throw .system(operation: "make an event descriptor", errno: -descriptor) }
    }

    deinit { fl_close(descriptor) }

    func send() { _ = fl_wake_send(descriptor) }
}

/// What a thread does with the notifications that it reads.
protocol NotificationReader {
    /// Takes a datagram. Whether the listener is to be woken up.
    mutating func read(_ messages: MessageSequence) -> Bool
    /// Takes note of datagrams that were lost because they came too fast. Whether the listener is to be woken up.
    mutating func readLoss() -> Bool
    /// Wakes the listener up.
    mutating func wake()
    /// Nothing will come any more.
    mutating func finish()
}

/// A thread of its own that waits for notifications of a netlink socket, so that no thread of the concurrency pool blocks.
final class NotificationThread<Reader: NotificationReader> {
    private let socket: NetlinkSocket
    private let stopper: WakeDescriptor
    private var reader: Reader
    private var hasFailed = false
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 8)

    /// How long to wait for more before the listener is woken up: notifications often come in bursts.
    private static var settleMilliseconds: Int32 { 10 }
    /// How many datagrams to read before the listener gets its turn.
    private static var datagramsAtOnce: Int { 1024 }

    /// - Parameters:
    ///   - socket: has joined its groups.
    ///   - stopper: ends the thread.
    init(_ socket: consuming NetlinkSocket, _ stopper: WakeDescriptor, _ reader: Reader) {
        self.socket = socket
        self.stopper = stopper
        self.reader = reader
    }

    deinit { buffer.deallocate() }

    /// Runs on a new thread.
    func start() throws(NetlinkError) {
        let failure = DetachedThread.start { self.run() }
        if failure != 0 { throw .system(operation: "start a thread", errno: failure) }
    }

    private func run() {
        while !hasFailed, socket.wait(orFor: stopper.descriptor) {
            guard readNotifications() else { continue }
            // A wait for nothing but the end.
            if fl_wait(-1, stopper.descriptor, Self.settleMilliseconds) & 2 != 0 { break }
            _ = readNotifications()
            reader.wake()
        }
        reader.finish()
    }

    /// Reads what waits. Whether any of it matters.
    private func readNotifications() -> Bool {
        var matters = false
        for _ in 0..<Self.datagramsAtOnce where !hasFailed {
            do throws(NetlinkError) {
                guard let count = try socket.receive(into: buffer, milliseconds: 0) else { return matters }
                let messages = MessageSequence(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                if reader.read(messages) { matters = true }
            } catch {
                if reader.readLoss() { matters = true }
                // Any other error stays: the socket would be readable for ever and say nothing. Whoever listens makes a new one.
                hasFailed = error.code != ErrorNumber.noBufferSpace && error.code != ErrorNumber.messageSize
            }
        }
        return matters
    }
}
