import FairleadTestKit
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// An HTTP proxy that knows `CONNECT`.
public final class ForwardProxy: Sendable {
    private struct Record {
        var targets: [String] = []
        var credentials: [String] = []
    }

    private let group: MultiThreadedEventLoopGroup
    private let record = Mutex(Record())
    private let listener: any Channel

    /// Starts a proxy.
    ///
    /// - Parameter target: Where it connects to, whatever it is asked for; nil for what it is asked for.
    public init(
        in namespace: NetworkNamespace, address: String, port: Int, target: (address: String, port: Int)? = nil
    ) async throws {
        group = try await namespace.perform { () throws(TestKitError) in MultiThreadedEventLoopGroup(numberOfThreads: 1)
        }
        let loop = group.next()
        let place = try SocketAddress(ipAddress: address, port: port)
        let note = Note()
        listener = try await loop.flatSubmit {
            ServerBootstrap(group: loop)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.autoRead, value: true)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(Tunnel(target: target, note: note))
                    }
                }
                .bind(to: place)
        }.get()
        note.take = { [weak self] target, credentials in
            self?.record.withLock {
                $0.targets.append(target)
                $0.credentials.append(credentials)
            }
        }
    }

    /// What was asked for: `host:port` each.
    public var targets: [String] { record.withLock { $0.targets } }

    /// The header `Proxy-Authorization` of each request.
    public var credentials: [String] { record.withLock { $0.credentials } }

    /// Ends the proxy and its thread.
    public func stop() async {
        try? await listener.close()
        try? await group.shutdownGracefully()
    }

    /// Where tunnels tell what they were asked for.
    fileprivate final class Note: Sendable {
        private let closure = Mutex<(@Sendable (String, String) -> Void)?>(nil)
        var take: (@Sendable (String, String) -> Void)? {
            get { closure.withLock { $0 } }
            set { closure.withLock { $0 = newValue } }
        }
    }
}

/// A connection: the head of a request, then bytes both ways.
private final class Tunnel: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let target: (address: String, port: Int)?
    private let note: ForwardProxy.Note
    private var head = ByteBuffer()
    private var peer: (any Channel)?

    init(target: (address: String, port: Int)?, note: ForwardProxy.Note) {
        self.target = target
        self.note = note
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        if let peer {
            peer.writeAndFlush(buffer, promise: nil)
            return
        }
        head.writeBuffer(&buffer)
        let text = String(buffer: head)
        guard text.hasSuffix("\r\n\r\n") else { return }
        let lines = text.split(separator: "\r\n")
        let words = lines[0].split(separator: " ")
        let credentials = lines.first { $0.lowercased().hasPrefix("proxy-authorization:") }
        guard words.count == 3, words[0] == "CONNECT" else { return context.close(promise: nil) }
        note.take?(String(words[1]), credentials.map { String($0.split(separator: " ").last ?? "") } ?? "")
        connect(String(words[1]), context)
    }

    private func connect(_ text: String, _ context: ChannelHandlerContext) {
        let parts = text.split(separator: ":")
        let place = target ?? (String(parts.dropLast().joined(separator: ":")), parts.last.flatMap { Int($0) } ?? 0)
        let channel = context.channel
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        let host = place.address.hasPrefix("[") ? String(place.address.dropFirst().dropLast()) : place.address
        ClientBootstrap(group: channel.eventLoop)
            .channelInitializer { peer in
                peer.eventLoop.makeCompletedFuture {
                    try peer.pipeline.syncOperations.addHandler(BackFlow(channel))
                }
            }
            .connect(host: host, port: place.port).whenComplete { result in
                switch result {
                case .success(let peer):
                    bound.value.peer = peer
                    channel.writeAndFlush(ByteBuffer(string: "HTTP/1.1 200 OK\r\n\r\n"), promise: nil)
                case .failure:
                    channel.writeAndFlush(ByteBuffer(string: "HTTP/1.1 502 Bad Gateway\r\n\r\n"), promise: nil)
                    channel.close(promise: nil)
                }
            }
    }

    func channelInactive(context: ChannelHandlerContext) {
        peer?.close(promise: nil)
        context.fireChannelInactive()
    }
}

/// What comes from the server goes to the client.
private final class BackFlow: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let client: any Channel

    init(_ client: any Channel) { self.client = client }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        client.writeAndFlush(unwrapInboundIn(data), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        client.close(promise: nil)
        context.fireChannelInactive()
    }
}
