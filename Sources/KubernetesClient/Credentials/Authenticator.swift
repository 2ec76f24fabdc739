import FoundationEssentials
import KubernetesConfiguration
import Logging

/// What a request shows the server.
struct Ticket: Sendable, Equatable {
    /// The header `Authorization`.
    var authorization: String?
    /// A client certificate that stands in for the one of the settings.
    var identity: ClientIdentity?
}

/// Has the credential that the settings name, and gets a new one when it is time.
actor Authenticator {
    private struct Cached {
        var ticket: Ticket
        /// When a new one is fetched.
        var renewal: ContinuousClock.Instant?
    }

    private let settings: ConnectionSettings
    private let environment: [String: String]
    private let logger: Logger
    private var cached: Cached?
    private var fetching: Task<Result<Cached, APIError>, Never>?

    /// A token file is read again before its content is older than this, as client-go does it.
    private static let fileLifetime: Duration = .seconds(60)
    /// A plugin's credential is renewed this long before it expires.
    private static let margin: Duration = .seconds(10)
    private let fileLifetime: Duration
    private let pluginTimeLimit: Duration

    init(
        _ settings: ConnectionSettings, environment: [String: String], logger: Logger,
        fileLifetime: Duration = Authenticator.fileLifetime, pluginTimeLimit: Duration = .seconds(60)
    ) {
        self.settings = settings
        self.environment = environment
        self.logger = logger
        self.fileLifetime = fileLifetime
        self.pluginTimeLimit = pluginTimeLimit
    }

    /// The credential for a request that begins now.
    func ticket() async throws(APIError) -> Ticket {
        if let cached, cached.renewal.map({ $0 > .now }) ?? true { return cached.ticket }
        // Requests that begin meanwhile wait for the same result.
        let task = fetching ?? Task { await fetch() }
        fetching = task
        let result = await task.value
        if fetching == task { fetching = nil }
        switch result {
        case .success(let fresh):
            cached = fresh
            return fresh.ticket
        case .failure(let error):
            // A token that was good a minute ago mostly still is; the server decides.
            guard let cached, case .tokenFile = settings.credential else { throw error }
            logger.debug("using the token read before", metadata: ["error": "\(error)"])
            return cached.ticket
        }
    }

    /// The server answered 401 to a request with this ticket: the next one is fetched again.
    func rejected(_ ticket: Ticket) {
        if cached?.ticket == ticket { cached?.renewal = .now }
    }

    private func fetch() async -> Result<Cached, APIError> {
        do throws(APIError) {
            switch settings.credential {
            case .none: return .success(Cached(ticket: Ticket()))
            case .token(let token): return .success(Cached(ticket: Ticket(authorization: try Self.bearer(token))))
            case .basic(let username, let password):
                let text = Data("\(username):\(password)".utf8).base64EncodedString()
                return .success(Cached(ticket: Ticket(authorization: "Basic \(text)")))
            case .tokenFile(let path):
                let text = try Self.readToken(path)
                return .success(
                    Cached(ticket: Ticket(authorization: try Self.bearer(text)), renewal: .now + fileLifetime))
            case .exec(let plugin): return .success(try await run(plugin))
            }
        } catch { return .failure(error) }
    }

    private func run(_ plugin: ConnectionSettings.ExecPlugin) async throws(APIError) -> Cached {
        var variables = environment.merging(plugin.environment) { $1 }
        variables["KUBERNETES_EXEC_INFO"] = try ExecCredential.request(plugin, settings)
        let program = PluginProgram(
            command: plugin.command, arguments: plugin.arguments, environment: variables, timeLimit: pluginTimeLimit)
        let output = try await program.run(hint: plugin.installHint)
        let answer = try ExecCredential.parse(output, plugin, wallClock: Date())
        let ticket = Ticket(authorization: try answer.token.map(Self.bearer), identity: answer.identity)
        return Cached(ticket: ticket, renewal: answer.lifetime.map { .now + max(.zero, $0 - Self.margin) })
    }

    private static func readToken(_ path: String) throws(APIError) -> String {
        do throws(APIError) {
            let text = String(decoding: try SmallFile.read(path), as: UTF8.self)
            let token = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            if token.isEmpty { throw APIError(.credential, "token file \(path): it is empty") }
            return token
        } catch {
            throw APIError(.credential, "token file \(error.detail)")
        }
    }

    /// A header must not take line breaks and the like from a token.
    private static func bearer(_ token: String) throws(APIError) -> String {
        guard token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw APIError(.credential, "the token has characters that no token has")
        }
        return "Bearer \(token)"
    }
}
