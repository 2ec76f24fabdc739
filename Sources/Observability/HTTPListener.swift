import NIOCore
import NIOHTTP1
import NIOPosix
import NetworkTypes
import SystemSupport
import Telemetry

/// Why a server does not listen.
public struct ListenFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// Where it should.
    public var address: ListenAddress
    /// The system's error number; 0 if it was something else.
    public var errno: Int32
    /// What the system says.
    public var detail: String

    /// One line: what failed, on what and why.
    public var description: String { "cannot listen on \(address): \(detail)" }
}

/// An HTTP server on one address and port.
final class HTTPListener: Sendable {
    private let channel: any Channel
    private let table: NIOLoopBound<ConnectionTable>

    private init(channel: any Channel, table: NIOLoopBound<ConnectionTable>) {
        self.channel = channel
        self.table = table
    }

    /// Opens a server.
    ///
    /// - Parameter acceptsProxyHeader: whether connections may begin with a header of the PROXY protocol.
    static func open(
        _ address: ListenAddress, on group: any EventLoopGroup, limits: HTTPLimits, acceptsProxyHeader: Bool,
        respond: @escaping HTTPResponder
    ) async throws(ListenFailure) -> HTTPListener {
        let loop = group.next()
        do {
            let table = try await loop.submit { NIOLoopBound(ConnectionTable(limits: limits), eventLoop: loop) }.get()
            let place = try SocketAddress(ipAddress: "\(address.host)", port: Int(address.port))
            // On the loop, so that the socket is of the network namespace of the loop's thread.
            let channel = try await loop.flatSubmit {
                bootstrap(address, loop, table, acceptsProxyHeader, respond).bind(to: place)
            }.get()
            return HTTPListener(channel: channel, table: table)
        } catch let error as IOError {
            throw ListenFailure(address: address, errno: error.errnoCode, detail: SystemError.text(error.errnoCode))
        } catch {
            throw ListenFailure(address: address, errno: 0, detail: "\(error)")
        }
    }

    private static func bootstrap(
        _ address: ListenAddress, _ loop: any EventLoop, _ table: NIOLoopBound<ConnectionTable>,
        _ acceptsProxyHeader: Bool, _ respond: @escaping HTTPResponder
    ) -> ServerBootstrap {
        var bootstrap = ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: 128)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let connection = HTTPConnection(table: table.value, respond: respond)
                    let pipeline = channel.pipeline.syncOperations
                    let watcher = RequestWatcher(connection)
                    let gate = RequestGate(connection, watcher, acceptsProxyHeader: acceptsProxyHeader)
                    try pipeline.addHandlers([
                        gate, HTTPResponseEncoder(), ByteToMessageHandler(HTTPRequestDecoder()), watcher,
                        HTTPServerPipelineHandler(), NIOHTTPResponseHeadersValidator(),
                    ])
                    try pipeline.addHandler(connection)
                }
            }
        if address.host.family == .ipv6 {
            // The other family has a server of its own.
            bootstrap = bootstrap.serverChannelOption(
                ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only), value: 1)
        }
        return bootstrap
    }

    /// Takes no more connections. The address is free afterwards.
    func stopAccepting() async { try? await channel.close() }

    /// Closes the connections once their requests in flight are answered, or their time is over. Waiting is not needed.
    func drain() -> EventLoopFuture<Void> {
        let loop = channel.eventLoop
        return loop.flatSubmit { [table] in table.value.finish(on: loop) }
    }
}
