import Glibc
import NetworkTypes
import Synchronization

/// A server that reads the header of the PROXY protocol, version 2, and answers nothing.
public final class ProxyReader: Sendable {
    /// What a connection began with.
    public struct Header: Sendable {
        /// Whom the packets came from.
        public var peer: IPAddress
        /// Whom the header calls the client (IPv4 only); nil if there was no header.
        public var client: IPAddress?
    }

    private let found = Mutex<[Header]>([])
    private let isStopped = Atomic<Bool>(false)

    /// Listens at a host's IPv4 address.
    public init(in host: ClusterTopology.Host, port: UInt16) async throws(TestKitError) {
        let listener = try await host.namespace.perform { () throws(TestKitError) in
            let listener = try Socket(.tcp, .ipv4)
            try listener.setOption(SOL_SOCKET, SO_REUSEADDR, 1)
            try listener.bind(host.ipv4, port: port)
            _ = try TestKitError.checkErrno(listen(listener.descriptor, 16), "listen")
            return listener
        }
        Task.detached { [weak self] in
            while self?.isStopped.load(ordering: .relaxed) == false {
                var peer = SocketAddress()
                if let connection = Socket(acceptingFrom: listener, peer: &peer), let peer = peer.value {
                    let header = await Self.read(connection, from: peer.address)
                    self?.found.withLock { $0.append(header) }
                }
                try? await Task.sleep(for: .milliseconds(5))
            }
        }
    }

    deinit { isStopped.store(true, ordering: .relaxed) }

    /// What connections began with so far.
    public var headers: [Header] { found.withLock { $0 } }

    private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10]

    private static func read(_ connection: Socket, from peer: IPAddress) async -> Header {
        var bytes: [UInt8] = []
        for _ in 0..<200 where bytes.count < 28 {
            switch connection.receive() {
            case .bytes(let more, _): bytes += more
            case .nothing: try? await Task.sleep(for: .milliseconds(5))
            case .end, .failed: return Header(peer: peer)
            }
        }
        // Version 2, command PROXY; TCP over IPv4; then twelve bytes, of which the first four are the client's address.
        guard bytes.count >= 28, bytes.starts(with: signature), bytes[12] == 0x21, bytes[13] == 0x11 else {
            return Header(peer: peer)
        }
        let value = bytes[16..<20].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return Header(peer: peer, client: .v4(IPv4Address(rawValue: value)))
    }
}
