import Glibc
import NetworkTypes
import Synchronization

/// Servers of any number of namespaces, all in one thread. They end with the last reference to this.
///
/// Every server answers with one line (see ``Answer``). TCP connections then stay open and echo; each datagram is
/// answered; an SCTP INIT is answered with an INIT-ACK that carries the line, or with ABORT on another port.
public final class Servers: Sendable {
    private let mailbox: ServerMailbox

    /// Starts the thread.
    public init() throws(TestKitError) {
        mailbox = try ServerMailbox()
        let context = Unmanaged.passRetained(mailbox).toOpaque()
        var thread = pthread_t()
        let status = pthread_create(&thread, nil, ServerLoop.main, context)
        if status != 0 {
            Unmanaged<ServerMailbox>.fromOpaque(context).release()
            throw .system(operation: "start the servers", errno: status)
        }
        pthread_detach(thread)
    }

    deinit { mailbox.post(.stop) }

    /// Opens servers on every one of the addresses and ports.
    ///
    /// - Parameters:
    ///   - name: What the servers call themselves in their answers; no spaces.
    ///   - namespace: Where they listen.
    ///   - addresses: Addresses of the namespace. Each gets sockets of its own, so answers leave from it.
    ///   - abortsOtherPorts: Whether SCTP to any other port of the addresses is answered with ABORT. Not where several
    ///     servers share an address: each sees all packets, and would abort what is meant for another one.
    public func open(
        _ name: String, in namespace: NetworkNamespace, at addresses: [IPAddress], ports: [UInt16],
        transports: [TransportProtocol] = TransportProtocol.allCases, abortsOtherPorts: Bool = true
    ) throws(TestKitError) {
        let listeners = try namespace.run { () throws(TestKitError) in
            var listeners: [ServerLoop.Listener] = []
            for address in addresses {
                for transport in transports {
                    // One raw socket sees all SCTP packets of the address.
                    let groups = transport == .sctp ? [ports] : ports.map { [$0] }
                    for group in groups {
                        let socket = try Self.socket(address, group.first ?? 0, transport)
                        listeners.append(
                            ServerLoop.Listener(
                                socket: socket, name: name, address: address, ports: group,
                                abortsOtherPorts: abortsOtherPorts))
                    }
                }
            }
            return listeners
        }
        mailbox.post(.add(listeners))
    }

    /// Closes the servers of that name, and the connections that they have.
    public func close(_ name: String) async {
        await withCheckedContinuation { mailbox.post(.close(name, $0)) }
    }

    private static func socket(
        _ address: IPAddress, _ port: UInt16, _ transport: TransportProtocol
    ) throws(TestKitError) -> Socket {
        let socket = try Socket(transport, address.family)
        if transport == .tcp { try socket.setOption(SOL_SOCKET, SO_REUSEADDR, 1) }
        // Linux lets IPv6 sockets have an address that is local by route only after this.
        if address.family == .ipv6 { try socket.setOption(Int32(IPPROTO_IPV6), ipv6FreeBind, 1) }
        try socket.bind(address, port: port)
        if transport == .tcp { _ = try TestKitError.checkErrno(listen(socket.descriptor, 512), "listen") }
        return socket
    }
}

/// `IPV6_FREEBIND` of `linux/in6.h`; glibc does not have it.
private let ipv6FreeBind: Int32 = 78

/// How the owner talks to the thread.
final class ServerMailbox: Sendable {
    enum Message: Sendable {
        case add([ServerLoop.Listener])
        case close(String, CheckedContinuation<Void, Never>)
        case stop
    }

    private let messages = Mutex<[Message]>([])
    private let bell: [Int32]

    init() throws(TestKitError) {
        var ends: [Int32] = [-1, -1]
        _ = try TestKitError.checkErrno(pipe(&ends), "pipe")
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        bell = ends
    }

    deinit { for end in bell { close(end) } }

    /// Becomes readable when a message arrives.
    var bellDescriptor: Int32 { bell[0] }

    func post(_ message: Message) {
        messages.withLock { $0.append(message) }
        _ = write(bell[1], [0], 1)
    }

    func take() -> [Message] {
        var buffer = [UInt8](repeating: 0, count: 64)
        while read(bell[0], &buffer, buffer.count) > 0 {}
        return messages.withLock { messages in
            defer { messages = [] }
            return messages
        }
    }
}
