import AsyncHTTPClient
import KubernetesConfiguration
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import NetworkTypes

/// An HTTP client that is shut down when nobody uses it any more: a watch that began before a certificate was replaced
/// goes on to its end.
final class SharedClient: Sendable {
    let http: HTTPClient

    init(_ http: HTTPClient) { self.http = http }

    deinit { http.shutdown { _ in } }
}

/// Makes HTTP clients: TLS settings belong to a client for its whole life, so new certificates mean a new one.
actor ClientPool {
    private struct Current {
        var client: SharedClient
        var stamps: [String: FileStamp]
        var identity: ClientIdentity?
    }

    private let settings: ConnectionSettings
    private let server: ServerAddress
    private let proxy: ProxyChoice?
    private let group: any EventLoopGroup
    private let logger: Logger
    private var current: Current?
    private var lastLook: ContinuousClock.Instant?
    private var isSuspect = false
    private var lastComplaint: APIError?

    /// Files are looked at when a request begins, but not more often than this.
    private static let lookInterval: Duration = .seconds(5)

    init(
        _ settings: ConnectionSettings, server: ServerAddress, proxy: ProxyChoice?, group: any EventLoopGroup,
        logger: Logger
    ) {
        self.settings = settings
        self.server = server
        self.proxy = proxy
        self.group = group
        self.logger = logger
    }

    /// A client for a request that begins now.
    func client(identity: ClientIdentity?) throws(APIError) -> SharedClient {
        guard let current, current.identity == identity else { return try replace(identity) }
        let now = ContinuousClock.now
        let mustLook = isSuspect || (lastLook.map { now - $0 >= Self.lookInterval } ?? true)
        guard mustLook else { return current.client }
        isSuspect = false
        lastLook = now
        guard TLSMaterial.stamps(settings) != current.stamps else { return current.client }
        do throws(APIError) {
            let client = try replace(identity)
            logger.notice("the API connection's certificates have changed; using the new ones")
            lastComplaint = nil
            return client
        } catch {
            // Perhaps someone is still writing.
            if error != lastComplaint { logger.warning("new certificates cannot be used, the old ones stay: \(error)") }
            lastComplaint = error
            return current.client
        }
    }

    /// A connection could not be made: the files are looked at before the next request.
    func suspectFiles() { isSuspect = true }

    /// The server has gone silent: the next request does not wait on the same TCP connection.
    func abandon(_ client: SharedClient) {
        if current?.client === client { current = nil }
    }

    private func replace(_ identity: ClientIdentity?) throws(APIError) -> SharedClient {
        let expected = ExpectedAddress(settings, server: server, isProxied: proxy != nil)
        let material =
            try server.isSecure
            ? TLSMaterial(settings, identity: identity, checksName: expected == nil) : nil
        let http = HTTPClient(
            eventLoopGroupProvider: .shared(group), configuration: configuration(material, expected))
        let client = SharedClient(http)
        current = Current(client: client, stamps: material?.stamps ?? [:], identity: identity)
        lastLook = .now
        return client
    }

    private func configuration(_ material: TLSMaterial?, _ expected: ExpectedAddress?) -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: material?.configuration, redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(10)), proxy: proxy?.configuration,
            decompression: .disabled)
        // Failures go to the reflectors, which know how to wait.
        configuration.connectionPool.retryConnectionEstablishment = false
        if let name = URLHost(settings, server).override { configuration.dnsOverride = [name: server.host] }
        let prepare: @Sendable (any Channel) -> EventLoopFuture<Void> = { channel in
            let checked = expected?.check(channel) ?? channel.eventLoop.makeSucceededVoidFuture()
            return checked.flatMap { Keepalive.enable(on: channel) }
        }
        configuration.http1_1ConnectionDebugInitializer = prepare
        configuration.http2ConnectionDebugInitializer = prepare
        return configuration
    }

    /// Ends all connections of the current client.
    func shutdown() async {
        let last = current
        current = nil
        try? await last?.client.http.shutdown()
    }
}

/// The host as requests name it: `tls-server-name` stands in for it, and the HTTP client connects to the real one.
struct URLHost {
    /// The name that the server has to prove; nil if the URL has it anyway.
    var override: String?

    init(_ settings: ConnectionSettings, _ server: ServerAddress) {
        guard server.isSecure, let name = settings.tlsServerName, IPAddress(name) == nil,
            name.lowercased() != server.host.lowercased()
        else { return }
        override = name.lowercased()
    }
}
