import FairleadTestKit
import KubernetesModel
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// A Kubernetes API server for tests, over HTTP/1.1 and TLS: Services, EndpointSlices, Nodes and ServiceCIDRs in memory,
/// listed in pages and watched, in protobuf; and Events, which it takes and forgets. It can be told to misbehave.
///
/// It listens in a network namespace, so that any number of them, and whoever asks them, keep apart.
public final class FakeAPIServer: Sendable {
    private struct Sockets {
        var listener: (any Channel)?
        var connections: [ObjectIdentifier: (any Channel, NIOLoopBound<RequestHandler>)] = [:]
        var context: NIOSSLContext?
    }

    /// Where it listens.
    public let namespace: NetworkNamespace
    /// An address in the namespace.
    public let address: String
    /// The port.
    public let port: Int
    private let group: MultiThreadedEventLoopGroup
    private let state = ServerState()
    private let sockets = Mutex(Sockets())

    /// Starts a server.
    ///
    /// - Parameters:
    ///   - certificate: What it shows; nil for no TLS.
    ///   - clientAuthority: Whose client certificates it wants to see; nil for none.
    public init(
        in namespace: NetworkNamespace, address: String = "127.0.0.1", port: Int = 6443,
        certificate: Certificate? = nil, clientAuthority: Certificate? = nil
    ) async throws {
        self.namespace = namespace
        self.address = address
        self.port = port
        // Threads belong to the namespace of whoever starts them, sockets to that of their thread.
        group = try await namespace.perform { () throws(TestKitError) in MultiThreadedEventLoopGroup(numberOfThreads: 1)
        }
        if let certificate { try use(certificate, clientAuthority: clientAuthority) }
        try await comeBack()
    }

    /// The objects.
    public var cluster: FakeCluster { state.cluster }

    /// The URL.
    public var url: String {
        let host = address.contains(":") ? "[\(address)]" : address
        return "\(sockets.withLock { $0.context != nil } ? "https" : "http")://\(host):\(port)"
    }

    /// Changes what the server can do.
    public func behave(_ change: (inout ServerBehaviour) -> Void) { state.update { change(&$0.behaviour) } }

    /// Adds a trouble.
    public func add(_ trouble: Trouble) { state.update { $0.troubles.append(trouble) } }

    /// Whether requests still are to meet a trouble.
    public var hasTrouble: Bool { state.update { $0.troubles.contains { $0.left > 0 } } }

    /// All requests so far.
    public var requests: [ReceivedRequest] { state.update { $0.requests } }

    /// How many connections were accepted so far.
    public var connectionCount: Int { state.update { $0.connections } }

    /// From now on, connections see this certificate.
    ///
    /// - Parameter clientAuthority: Whose client certificates it wants to see; nil for none.
    public func use(_ certificate: Certificate, clientAuthority: Certificate? = nil) throws {
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(certificate.certificate.utf8))
                .map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(certificate.key.utf8), format: .pem)))
        tls.applicationProtocols = ["http/1.1"]
        if let clientAuthority {
            tls.certificateVerification = .noHostnameVerification
            tls.trustRoots = .certificates(
                try NIOSSLCertificate.fromPEMBytes(Array(clientAuthority.certificate.utf8)))
        }
        let context = try NIOSSLContext(configuration: tls)
        sockets.withLock { $0.context = context }
    }

    // MARK: Life

    /// Listens again, on the same address and port.
    public func comeBack() async throws {
        let loop = group.next()
        let place = try SocketAddress(ipAddress: address, port: port)
        let prepare: @Sendable (any Channel) throws -> Void = { [weak self] in try self?.prepare($0) }
        let listener = try await loop.flatSubmit {
            ServerBootstrap(group: loop)
                .serverChannelOption(.backlog, value: 128)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try prepare(channel) }
                }
                .bind(to: place)
        }.get()
        sockets.withLock { $0.listener = listener }
    }

    private func prepare(_ channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        if let context = sockets.withLock({ $0.context }) {
            try pipeline.addHandler(NIOSSLServerHandler(context: context))
        }
        try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
        let handler = RequestHandler(state)
        try pipeline.addHandler(handler)
        state.update { $0.connections += 1 }
        let key = ObjectIdentifier(channel)
        let bound = NIOLoopBound(handler, eventLoop: channel.eventLoop)
        sockets.withLock { $0.connections[key] = (channel, bound) }
        channel.closeFuture.whenComplete { [weak self] _ in
            self?.sockets.withLock { $0.connections[key] = nil }
        }
    }

    /// Stops to listen and closes all connections, as a server that is killed.
    public func goAway() async {
        let listener = sockets.withLock { $0.listener.take() }
        try? await listener?.close()
        await closeConnections()
    }

    /// Closes all connections.
    public func closeConnections() async {
        let channels = sockets.withLock { $0.connections.values.map(\.0) }
        for channel in channels { try? await channel.close() }
    }

    /// Ends the server and its thread.
    public func stop() async {
        await goAway()
        try? await group.shutdownGracefully()
    }

    /// Does something to all watches that are under way, or to those of a kind.
    public func disturb(_ disturbance: Disturbance, _ kind: ObjectID.Kind? = nil) async {
        let connections = sockets.withLock { Array($0.connections.values) }
        for (channel, handler) in connections {
            try? await channel.eventLoop.submit { handler.value.disturb(disturbance, kind) }.get()
        }
    }
}
