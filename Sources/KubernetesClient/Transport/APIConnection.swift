import AsyncHTTPClient
import FoundationEssentials
import KubernetesConfiguration
import KubernetesWire
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NetworkTypes

/// How to use a connection to the API server, beside what a kubeconfig says.
public struct ConnectionOptions: Sendable {
    /// The version in the header `User-Agent`: `fairlead/VERSION (linux/amd64)`.
    public var version = "unknown"
    /// The environment, for proxies and exec plugins.
    public var environment: [String: String] = ProcessEnvironment.variables
    /// Where sockets are handled. Sockets belong to the network namespace of the group's threads.
    public var group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    /// How long a list, or any answer but a watch, may say nothing.
    public var silenceLimit: Duration = .seconds(60)
    /// How long the content of a token file is good for.
    public var tokenLifetime: Duration = .seconds(60)
    /// How long an exec plugin may take.
    public var pluginTimeLimit: Duration = .seconds(60)

    /// Makes the options of the daemon.
    public init() {}
}

/// A way to the API server: TLS, proxy, credentials, and what has to be done when files or tokens change.
///
/// Credentials and certificates are looked at when a request begins. A request that is under way when a file changes goes on
/// as it began; a watch ends within ten minutes by itself.
public final class APIConnection: Sendable {
    let server: ServerAddress
    let options: ConnectionOptions
    private let pool: ClientPool
    private let authenticator: Authenticator
    private let base: String
    private let headers: HTTPHeaders

    /// Checks the settings, as far as that is possible without the server.
    ///
    /// - Throws: ``APIError`` of the cause `settings`: the server's URL or the proxy's are invalid. Certificates and tokens
    ///   are read with the first request.
    public init(
        _ settings: ConnectionSettings, options: ConnectionOptions = ConnectionOptions(), logger: Logger
    ) throws(APIError) {
        let server = try ServerAddress(settings.server)
        let proxy = try ProxyChoice.forServer(
            server, proxyURL: settings.proxyURL, environment: options.environment)
        self.server = server
        self.options = options
        pool = ClientPool(settings, server: server, proxy: proxy, group: options.group, logger: logger)
        authenticator = Authenticator(
            settings, environment: options.environment, logger: logger, fileLifetime: options.tokenLifetime,
            pluginTimeLimit: options.pluginTimeLimit)
        var named = server
        if let name = URLHost(settings, server).override { named.host = name }
        base = named.text
        headers = Self.commonHeaders(settings, options, server)
    }

    /// Ends all connections. Requests under way fail.
    public func shutdown() async { await pool.shutdown() }

    private static func commonHeaders(
        _ settings: ConnectionSettings, _ options: ConnectionOptions, _ server: ServerAddress
    ) -> HTTPHeaders {
        var headers: HTTPHeaders = ["Host": server.authority, "User-Agent": userAgent(options.version)]
        if let user = settings.impersonatedUser { headers.add(name: "Impersonate-User", value: user) }
        if let uid = settings.impersonatedUID { headers.add(name: "Impersonate-Uid", value: uid) }
        for group in settings.impersonatedGroups { headers.add(name: "Impersonate-Group", value: group) }
        for (key, values) in settings.impersonatedExtra.sorted(by: { $0.key < $1.key }) {
            for value in values { headers.add(name: "Impersonate-Extra-\(key.percentEncoded())", value: value) }
        }
        return headers
    }

    private static func userAgent(_ version: String) -> String {
        #if arch(x86_64)
            let machine = "amd64"
        #elseif arch(arm64)
            let machine = "arm64"
        #else
            let machine = "unknown"
        #endif
        return "fairlead/\(version) (linux/\(machine))"
    }
}

/// Requests.
extension APIConnection {
    /// Sends a request and hands the body of the answer to `consume`, if the answer is a success.
    ///
    /// - Parameter silence: How long to wait for the answer, and for each next piece of it.
    func perform<Value: Sendable>(
        _ request: APIRequest, silence: Duration,
        _ consume: @escaping @Sendable (inout APIBody) async throws(APIError) -> Value
    ) async throws(APIError) -> Value {
        do throws(APIError) {
            let ticket = try await authenticator.ticket()
            do throws(APIError) {
                return try await attempt(request, ticket, silence, consume)
            } catch {
                guard error.statusCode == 401 else { throw error }
                await authenticator.rejected(ticket)
                let fresh = try await authenticator.ticket()
                guard fresh != ticket else { throw error }
                return try await attempt(request, fresh, silence, consume)
            }
        } catch {
            throw error.during(request, to: server)
        }
    }

    private func attempt<Value: Sendable>(
        _ request: APIRequest, _ ticket: Ticket, _ silence: Duration,
        _ consume: @escaping @Sendable (inout APIBody) async throws(APIError) -> Value
    ) async throws(APIError) -> Value {
        let client = try await pool.client(identity: ticket.identity)
        let message = message(request, ticket)
        do throws(APIError) {
            return try await SilenceWatch.guarding(silence) { (watch) async throws(APIError) in
                var body = try await Self.send(message, client.http, watch)
                return try await consume(&body)
            }
        } catch {
            switch error.cause {
            case .connection, .trust: await pool.suspectFiles()
            case .silence: await pool.abandon(client)
            default: break
            }
            throw error
        }
    }

    private func message(_ request: APIRequest, _ ticket: Ticket) -> HTTPClientRequest {
        var message = HTTPClientRequest(url: base + request.target)
        message.method = HTTPMethod(rawValue: request.method.rawValue)
        message.headers = headers
        message.headers.add(name: "Accept", value: request.format.rawValue)
        if let authorization = ticket.authorization {
            message.headers.add(name: "Authorization", value: authorization)
        }
        if let body = request.body {
            message.headers.add(name: "Content-Type", value: body.type)
            message.body = .bytes(ByteBuffer(bytes: body.bytes))
        }
        return message
    }

    private static func send(
        _ message: HTTPClientRequest, _ client: HTTPClient, _ watch: SilenceWatch
    ) async throws(APIError) -> APIBody {
        let response: HTTPClientResponse
        watch.beginWaiting()
        do {
            response = try await client.execute(message, deadline: .distantFuture)
        } catch { throw APIError(underlying: error) }
        watch.endWaiting()
        let type = response.headers.first(name: "Content-Type") ?? ""
        var body = APIBody(type: type, watch: watch, iterator: response.body.makeAsyncIterator())
        guard (200..<300).contains(response.status.code) else {
            throw await APIError(answer: response, type, &body)
        }
        return body
    }

    /// Sends a request of whose answer nothing matters but whether it is a success.
    ///
    /// - Parameter bodyLimit: so many bytes of the answer are read, so that the connection can be used again. Of a longer one the rest is
    ///   left, and the connection goes with it.
    func perform(_ request: APIRequest, bodyLimit: Int) async throws(APIError) {
        try await perform(request, silence: options.silenceLimit) { (body) async throws(APIError) in
            var count = 0
            while count <= bodyLimit, let piece = try await body.next() { count += piece.readableBytes }
        }
    }
}

/// The body of an answer, piece by piece.
struct APIBody {
    /// The header `Content-Type`.
    let type: String
    let watch: SilenceWatch
    private var iterator: HTTPClientResponse.Body.AsyncIterator

    init(type: String, watch: SilenceWatch, iterator: HTTPClientResponse.Body.AsyncIterator) {
        self.type = type
        self.watch = watch
        self.iterator = iterator
    }

    /// Fails if the server, or whoever answers in its place, has sent something else than it was asked for.
    func requireProtobuf() throws(APIError) {
        guard type.hasPrefix("application/vnd.kubernetes.protobuf") else {
            throw APIError(.nonsense, "the answer is of type \(APIError.oneLine(type)), not Kubernetes' protobuf")
        }
    }

    /// The next piece; nil at the end.
    mutating func next() async throws(APIError) -> ByteBuffer? {
        watch.beginWaiting()
        defer { watch.endWaiting() }
        do { return try await iterator.next() } catch { throw APIError(underlying: error) }
    }

    /// All that is left.
    mutating func collect(limit: Int) async throws(APIError) -> ByteBuffer {
        var result = ByteBuffer()
        while var piece = try await next() {
            result.writeBuffer(&piece)
            if result.readableBytes > limit { throw APIError(.nonsense, "the answer has more than \(limit) bytes") }
        }
        return result
    }
}
