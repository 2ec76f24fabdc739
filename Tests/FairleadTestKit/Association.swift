import Glibc
import NetworkTypes
import Synchronization

extension Capability {
    /// Whether the kernel speaks SCTP itself. Looking does not load the module: once it is there, it aborts what the raw sockets of the
    /// other tests begin.
    public static let speaksSCTP = access("/proc/net/sctp", R_OK) == 0
}

/// An association of the kernel's own SCTP, in the one-to-one style.
public final class Association: Sendable {
    private let descriptor: Int32

    /// Associates in the network namespace of the calling thread, and waits until it is done.
    ///
    /// - Parameters:
    ///   - peer: where to.
    ///   - source: the address to bind to; nil for all that the namespace has, which the peer is informed of.
    ///   - timeLimit: how long that, and each answer, may take.
    public init(
        to peer: HostPort, from source: IPAddress? = nil, timeLimit: Duration = .seconds(5)
    ) throws(TestKitError) {
        descriptor = try Self.socket(peer.address.family, timeLimit: timeLimit * TimeFactor.value)
        if let source {
            let bound = SocketAddress(source, port: 0).withPointer { Glibc.bind(descriptor, $0, $1) }
            _ = try TestKitError.checkErrno(bound, "bind to \(source)")
        }
        let status = SocketAddress(peer.address, port: peer.port).withPointer { connect(descriptor, $0, $1) }
        _ = try TestKitError.checkErrno(status, "associate with \(peer)")
    }

    deinit { close(descriptor) }

    /// Sends a message and waits for the answer.
    public func ask() throws(TestKitError) -> Answer {
        _ = try TestKitError.checkErrno(Int32(Glibc.send(descriptor, "?", 1, Int32(MSG_NOSIGNAL))), "send over SCTP")
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = try TestKitError.checkErrno(Int32(recv(descriptor, &buffer, buffer.count, 0)), "receive over SCTP")
        guard let answer = Answer(line: Array(buffer[..<Int(count)])) else {
            throw .conversation("no answer but \(count) bytes over SCTP")
        }
        return answer
    }

    static func socket(_ family: IPFamily, timeLimit: Duration) throws(TestKitError) -> Int32 {
        let domain = family == .ipv4 ? AF_INET : AF_INET6
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = try TestKitError.checkErrno(
            Glibc.socket(domain, kind, Int32(TransportProtocol.sctp.rawValue)), "SCTP socket")
        var limit = timeval(tv_sec: Int(timeLimit.components.seconds), tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        return descriptor
    }

    /// Binds to all of the addresses; the other ones with `SCTP_SOCKOPT_BINDX_ADD` of `linux/sctp.h`.
    static func bind(_ descriptor: Int32, _ addresses: [IPAddress], port: UInt16) throws(TestKitError) {
        guard let first = addresses.first else { return }
        _ = try TestKitError.checkErrno(
            SocketAddress(first, port: port).withPointer { Glibc.bind(descriptor, $0, $1) }, "bind SCTP to \(first)")
        for address in addresses.dropFirst() {
            let status = SocketAddress(address, port: port).withPointer {
                setsockopt(descriptor, Int32(TransportProtocol.sctp.rawValue), 100, $0, $1)
            }
            _ = try TestKitError.checkErrno(status, "bind SCTP to \(address) as well")
        }
    }
}

/// Serves associations on a thread of its own: each message is answered with the server's name and whom it sees.
public final class AssociationServer: Sendable {
    private let isStopping = Mutex(false)

    /// Listens in the namespace.
    public init(
        _ name: String, in namespace: NetworkNamespace, at addresses: [IPAddress], port: UInt16
    ) async throws(TestKitError) {
        guard let family = addresses.first?.family else { throw .conversation("a server without an address") }
        let listener = try namespace.run { () throws(TestKitError) in
            let descriptor = try Association.socket(family, timeLimit: .seconds(1))
            try Association.bind(descriptor, addresses, port: port)
            _ = try TestKitError.checkErrno(listen(descriptor, 64), "listen for SCTP")
            return descriptor
        }
        let loop = Loop(name: name, listener: listener) { [weak self] in
            self.map { $0.isStopping.withLock { $0 } } ?? true
        }
        let context = Unmanaged.passRetained(loop)
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Loop>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context.toOpaque())
        if status != 0 {
            context.release()
            throw .system(operation: "start an SCTP server", errno: status)
        }
        pthread_detach(thread)
    }

    deinit { isStopping.withLock { $0 = true } }

    private final class Loop {
        private let name: String
        private let listener: Int32
        private let isStopped: () -> Bool
        private var peers: [Int32: HostPort] = [:]

        init(name: String, listener: Int32, isStopped: @escaping () -> Bool) {
            (self.name, self.listener, self.isStopped) = (name, listener, isStopped)
        }

        func run() {
            while !isStopped() {
                var waiting = ([listener] + peers.keys).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
                guard poll(&waiting, nfds_t(waiting.count), 200) > 0 else { continue }
                for one in waiting where one.revents != 0 {
                    if one.fd == listener { take() } else { answer(one.fd) }
                }
            }
            for descriptor in [listener] + peers.keys { close(descriptor) }
        }

        private func take() {
            var peer = SocketAddress()
            let descriptor = peer.fill { accept(listener, $0, $1) }
            if descriptor >= 0 { peers[descriptor] = peer.value }
        }

        private func answer(_ descriptor: Int32) {
            var buffer = [UInt8](repeating: 0, count: 64)
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count < 0 && (errno == EAGAIN || errno == EINTR) { return }
            guard count > 0, let peer = peers[descriptor] else {
                peers[descriptor] = nil
                close(descriptor)
                return
            }
            var local = SocketAddress()
            _ = local.fill { getsockname(descriptor, $0, $1) }
            let line = Answer(server: name, source: peer, local: local.value ?? peer).line
            send(descriptor, line, line.count, Int32(MSG_NOSIGNAL))
        }
    }
}
