import Glibc
import NetworkTypes

/// The thread behind ``Servers``.
struct ServerLoop {
    /// A socket that clients address.
    struct Listener: Sendable {
        let socket: Socket
        let name: String
        let address: IPAddress
        /// One port, except that a raw SCTP socket serves several.
        let ports: [UInt16]
        /// Whether SCTP to any other port is answered with ABORT.
        let abortsOtherPorts: Bool
    }

    private let mailbox: ServerMailbox
    private var listeners: [Listener] = []
    /// With the name of the server that has it.
    private var connections: [(socket: Socket, owner: String)] = []

    /// What `pthread_create` starts.
    static let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { context in
        guard let context else { return nil }
        var loop = ServerLoop(mailbox: Unmanaged<ServerMailbox>.fromOpaque(context).takeRetainedValue())
        while loop.turn() {}
        return nil
    }

    private init(mailbox: ServerMailbox) { self.mailbox = mailbox }

    /// Waits for anything to do and does it; false when it is time to stop.
    private mutating func turn() -> Bool {
        let descriptors =
            [mailbox.bellDescriptor] + listeners.map(\.socket.descriptor) + connections.map(\.socket.descriptor)
        var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        poll(&entries, nfds_t(entries.count), -1)
        var ended: Set<Int32> = []
        for (index, connection) in connections.enumerated() where entries[1 + listeners.count + index].revents != 0 {
            if !echo(connection.socket) { ended.insert(connection.socket.descriptor) }
        }
        if !ended.isEmpty { connections.removeAll { ended.contains($0.socket.descriptor) } }
        for (index, listener) in listeners.enumerated() where entries[1 + index].revents != 0 { serve(listener) }
        guard entries[0].revents != 0 else { return true }
        for message in mailbox.take() {
            switch message {
            case .add(let added): listeners += added
            case .close(let name, let isDone):
                listeners.removeAll { $0.name == name }
                connections.removeAll { $0.owner == name }
                isDone.resume()
            case .stop: return false
            }
        }
        return true
    }

    private mutating func serve(_ listener: Listener) {
        switch listener.socket.transport {
        case .tcp: serveTCP(listener)
        case .udp: serveUDP(listener)
        case .sctp: serveSCTP(listener)
        }
    }

    private mutating func serveTCP(_ listener: Listener) {
        var peer = SocketAddress()
        while let connection = Socket(acceptingFrom: listener.socket, peer: &peer) {
            guard let source = peer.value, let local = connection.localName else { continue }
            if connection.send(Answer(server: listener.name, source: source, local: local).line) == 0 {
                connections.append((connection, listener.name))
            }
        }
    }

    private func echo(_ connection: Socket) -> Bool {
        while true {
            switch connection.receive() {
            case .bytes(let bytes, _): if connection.send(bytes) != 0 { return false }
            case .nothing: return true
            case .end, .failed: return false
            }
        }
    }

    private func serveUDP(_ listener: Listener) {
        let local = HostPort(listener.address, listener.ports.first ?? 0)
        while true {
            switch listener.socket.receive() {
            case .bytes(_, let source?):
                listener.socket.send(Answer(server: listener.name, source: source, local: local).line, to: source)
            // An ICMP error that a former answer met.
            case .failed: _ = listener.socket.takeError()
            case .bytes, .end: continue
            case .nothing: return
            }
        }
    }

    private func serveSCTP(_ listener: Listener) {
        while true {
            switch listener.socket.receive() {
            case .bytes(let bytes, let source?): answerSCTP(bytes, from: source.address, listener)
            case .failed: _ = listener.socket.takeError()
            case .bytes, .end: continue
            case .nothing: return
            }
        }
    }

    private func answerSCTP(_ bytes: [UInt8], from source: IPAddress, _ listener: Listener) {
        guard let packet = SCTPPacket(raw: bytes, listener.address.family), case .initiate(let tag) = packet.chunk
        else { return }
        let answer = Answer(
            server: listener.name, source: HostPort(source, packet.sourcePort),
            local: HostPort(listener.address, packet.destinationPort))
        let open = listener.ports.contains(packet.destinationPort)
        if !open && !listener.abortsOtherPorts { return }
        let reply = SCTPPacket(
            sourcePort: packet.destinationPort, destinationPort: packet.sourcePort, verificationTag: tag,
            chunk: open ? .initiateAcknowledgement(tag: ~tag, cookie: answer.line) : .abort)
        listener.socket.send(reply.bytes, to: HostPort(source, 0))
    }
}
