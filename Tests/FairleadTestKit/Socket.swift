import Glibc
import NetworkTypes

/// A non-blocking socket of the network namespace that it was opened in. Closed with its last reference.
final class Socket: Sendable {
    let descriptor: Int32
    let transport: TransportProtocol
    let family: IPFamily

    /// Opens a socket in the network namespace of the calling thread. SCTP gets a raw socket: few kernels have the
    /// protocol itself, yet all that matter translate it.
    init(_ transport: TransportProtocol, _ family: IPFamily) throws(TestKitError) {
        let domain = family == .ipv4 ? AF_INET : AF_INET6
        let kind =
            switch transport {
            case .tcp: SOCK_STREAM
            case .udp: SOCK_DGRAM
            case .sctp: SOCK_RAW
            }
        let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        descriptor = try TestKitError.checkErrno(
            socket(domain, Int32(kind.rawValue) | flags, Int32(transport.rawValue)), "\(transport) socket")
        self.transport = transport
        self.family = family
    }

    /// Takes a connection that is waiting at the listener; nil if there is none.
    init?(acceptingFrom listener: Socket, peer: inout SocketAddress) {
        let connection = peer.fill { accept(listener.descriptor, $0, $1) }
        if connection < 0 { return nil }
        _ = fcntl(connection, F_SETFL, O_NONBLOCK)
        _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
        descriptor = connection
        transport = listener.transport
        family = listener.family
    }

    deinit { close(descriptor) }

    func setOption(_ level: Int32, _ name: Int32, _ value: Int32) throws(TestKitError) {
        var value = value
        let size = socklen_t(MemoryLayout<Int32>.size)
        _ = try TestKitError.checkErrno(setsockopt(descriptor, level, name, &value, size), "socket option \(name)")
    }

    func bind(_ address: IPAddress, port: UInt16) throws(TestKitError) {
        let name = HostPort(address, port)
        // A raw socket has no port; IPv6 refuses one.
        let status = SocketAddress(address, port: transport == .sctp ? 0 : port).withPointer {
            Glibc.bind(descriptor, $0, $1)
        }
        _ = try TestKitError.checkErrno(status, "bind \(transport) \(name)")
    }

    /// Starts a connection. Returns 0 or the error that is known at once (`EINPROGRESS` counts as 0).
    func connect(_ address: IPAddress, port: UInt16) -> Int32 {
        let status = SocketAddress(address, port: transport == .sctp ? 0 : port).withPointer {
            Glibc.connect(descriptor, $0, $1)
        }
        return status == 0 || errno == EINPROGRESS ? 0 : errno
    }

    /// The address and port of this end.
    var localName: HostPort? {
        var name = SocketAddress()
        return name.fill { getsockname(descriptor, $0, $1) } == 0 ? name.value : nil
    }

    /// The error that an asynchronous operation ended with; reading it clears it.
    func takeError() -> Int32 {
        var error: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size)
        return error
    }

    /// Sends bytes to the connected peer; 0 or the error.
    func send(_ bytes: [UInt8]) -> Int32 {
        Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) < 0 ? errno : 0
    }

    /// Sends bytes to an address.
    func send(_ bytes: [UInt8], to name: HostPort) {
        _ = SocketAddress(name.address, port: transport == .sctp ? 0 : name.port).withPointer {
            sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, $1)
        }
    }

    /// What `recv` can have to say.
    enum Received {
        case bytes([UInt8], from: HostPort?)
        case end
        case nothing
        case failed(Int32)
    }

    func receive() -> Received {
        var buffer = [UInt8](repeating: 0, count: 4096)
        var peer = SocketAddress()
        let count = peer.fill { recvfrom(descriptor, &buffer, buffer.count, 0, $0, $1) }
        if count < 0 { return errno == EAGAIN || errno == EINTR ? .nothing : .failed(errno) }
        if count == 0 && transport == .tcp { return .end }
        return .bytes(Array(buffer[..<count]), from: peer.value)
    }
}
