import CLinux

/// A netlink socket: owns its descriptor, and closes it when it goes out of use.
///
/// A socket stays in the network namespace in which it was opened, whatever thread uses it later.
struct NetlinkSocket: ~Copyable {
    let descriptor: Int32
    /// The address of this socket, chosen by the kernel; notifications name the committer by it.
    let portID: UInt32
    private var messageLimit = 0
    /// What a send may take at the most, whatever the system allows: for tests.
    var sendLimit = Int.max

    /// Opens a socket.
    ///
    /// - Parameter netlinkProtocol: a `NETLINK_…` number.
    init(netlinkProtocol: Int32) throws(NetlinkError) {
        var port: UInt32 = 0
        let result = fl_netlink_open(netlinkProtocol, &port)
        guard result >= 0 else { throw .system(operation: "open a netlink socket", errno: -result) }
        descriptor = result
        portID = port
    }

    deinit { fl_close(descriptor) }

    /// Makes room for a burst of replies of about so many bytes; where the system refuses, what it gives has to do.
    /// Returns the room that there is, with the system's own overhead in it.
    @discardableResult
    func reserveReceive(bytes: Int) -> Int { max(0, Int(fl_netlink_reserve_receive(descriptor, bytes))) }

    /// The largest message that one send takes, after asking for room for `bytes`.
    mutating func reserveSend(bytes: Int) throws(NetlinkError) -> Int {
        if bytes <= messageLimit { return min(messageLimit, sendLimit) }
        let limit = fl_netlink_reserve_send(descriptor, bytes)
        guard limit >= 0 else { throw .system(operation: "size the netlink send buffer", errno: Int32(-limit)) }
        messageLimit = limit
        return min(limit, sendLimit)
    }

    /// Subscribes to a multicast group of the protocol.
    func join(group: UInt32) throws(NetlinkError) {
        let result = fl_netlink_join(descriptor, group)
        guard result == 0 else { throw .system(operation: "join a netlink group", errno: -result) }
    }

    /// Has the kernel leave out notifications of what the socket with that address did.
    func ignore(sender port: UInt32) throws(NetlinkError) {
        let result = fl_netlink_ignore_sender(descriptor, port)
        guard result == 0 else { throw .system(operation: "filter a netlink socket", errno: -result) }
    }

    /// Waits without end for a datagram, or for the descriptor `wake`. False if `wake` became readable.
    func wait(orFor wake: Int32) -> Bool {
        while true {
            let ready = fl_wait(descriptor, wake, -1)
            if ready < 0 || ready & 2 != 0 { return false }
            if ready & 1 != 0 { return true }
        }
    }

    /// Sends one datagram.
    func send(_ bytes: UnsafeRawBufferPointer) throws(NetlinkError) {
        let result = fl_netlink_send(descriptor, bytes.baseAddress, bytes.count)
        guard result == 0 else { throw .system(operation: "send to netlink", errno: -result) }
    }

    /// Receives one datagram into the buffer. Nil if none came in time.
    ///
    /// - Parameter milliseconds: how long to wait; nil: without end.
    func receive(into buffer: UnsafeMutableRawBufferPointer, milliseconds: Int32?) throws(NetlinkError) -> Int? {
        let result = fl_netlink_receive(descriptor, buffer.baseAddress, buffer.count, milliseconds ?? -1)
        if result == -Int(ErrorNumber.tryAgain) { return nil }
        guard result >= 0 else { throw .system(operation: "receive from netlink", errno: Int32(-result)) }
        return result
    }

    /// Receives the datagrams that are there, at most `manyLimit`, each into its own `slot` bytes of the buffer. Nil if
    /// there is none.
    func receiveMany(
        into buffer: UnsafeMutableRawBufferPointer, slot: Int, lengths: inout [UInt32]
    ) throws(NetlinkError) -> Int? {
        let result = lengths.withUnsafeMutableBufferPointer {
            fl_netlink_receive_many(descriptor, buffer.baseAddress, slot, $0.baseAddress)
        }
        if result == -ErrorNumber.tryAgain { return nil }
        guard result >= 0 else { throw .system(operation: "receive from netlink", errno: -result) }
        return Int(result)
    }

    /// The most datagrams that `receiveMany` takes; as many lengths it needs room for.
    static let manyLimit = Int(FL_NETLINK_DATAGRAMS)
}
