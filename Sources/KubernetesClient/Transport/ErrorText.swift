import AsyncHTTPClient
import KubernetesModel
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import SystemSupport

/// What the libraries below throw, as the client's own error.
extension APIError {
    init(underlying error: any Error) {
        switch error {
        case let error as APIError: self = error
        case is CancellationError: self.init(.cancelled, "cancelled")
        case let error as HTTPClientError: self.init(client: error)
        case let error as IOError: self.init(.connection, SystemError.text(error.errnoCode))
        case let error as NIOConnectionError: self.init(attempts: error)
        case let error as NIOSSLError: self.init(tls: error)
        case let error as BoringSSLError: self.init(library: error)
        case is NIOSSLExtraError: self.init(.trust, "TLS: the server's certificate is not for this name")
        case let error as ChannelError: self.init(.connection, Self.text(error))
        case let error as HTTPParserError: self.init(.nonsense, "the answer is not HTTP (\(error))")
        default: self.init(.connection, Self.oneLine("\(error)"))
        }
    }

    private init(client error: HTTPClientError) {
        switch error {
        case .cancelled, .alreadyShutdown: self.init(.cancelled, "cancelled")
        case .connectTimeout: self.init(.connection, "no connection within the time limit")
        case .tlsHandshakeTimeout: self.init(.connection, "no TLS handshake within the time limit")
        case .remoteConnectionClosed: self.init(.connection, "the connection was closed")
        case .proxyAuthenticationRequired: self.init(.settings, "the proxy wants a user and a password")
        case .invalidProxyResponse: self.init(.connection, "the proxy refused to connect")
        case .invalidURL, .emptyHost, .emptyScheme: self.init(.settings, "not a URL")
        default: self.init(.connection, Self.oneLine(error.shortDescription))
        }
    }

    private init(attempts error: NIOConnectionError) {
        if let resolution = error.dnsAError ?? error.dnsAAAAError, error.connectionErrors.isEmpty {
            self.init(.connection, "cannot look up \(error.host): \(Self.oneLine("\(resolution)"))")
            return
        }
        let causes = error.connectionErrors.map { failure in
            "\(failure.target.ipAddress ?? "?"): \(APIError(underlying: failure.error).detail)"
        }
        self.init(.connection, causes.joined(separator: "; "))
    }

    private init(tls error: NIOSSLError) {
        switch error {
        case .handshakeFailed(let reason): self.init(.trust, "TLS: \(Self.text(reason))")
        case .shutdownFailed: self.init(.connection, "the connection was closed")
        case .uncleanShutdown: self.init(.connection, "the connection was closed")
        case .unableToValidateCertificate: self.init(.trust, "TLS: the server's certificate cannot be verified")
        default: self.init(.connection, "TLS: \(error)")
        }
    }

    /// With TLS 1.3 the server's verdict on the client's certificate comes after the handshake.
    private init(library error: BoringSSLError) {
        let text = Self.text(error)
        self.init(text == "\(error)" ? .connection : .trust, "TLS: \(text)")
    }

    /// The reasons in BoringSSL's words: `CERTIFICATE_VERIFY_FAILED`.
    private static func text(_ error: BoringSSLError) -> String {
        guard case .sslError(let stack) = error else { return oneLine("\(error)") }
        let reasons = stack.map { entry -> String in
            let text = "\(entry)"
            guard let start = text.firstRange(of: "OPENSSL_internal:")?.upperBound else { return oneLine(text) }
            let code = String(text[start...].prefix { !$0.isWhitespace })
            return explanations[code] ?? code
        }
        return reasons.joined(separator: ", ")
    }

    private static let explanations = [
        "CERTIFICATE_VERIFY_FAILED": "the server's certificate is not of a trusted authority, or has expired",
        "TLSV1_ALERT_CERTIFICATE_REQUIRED": "the server wants a client certificate",
        "TLSV1_ALERT_UNKNOWN_CA": "the server does not know the authority of the client certificate",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the client certificate has expired",
        "SSLV3_ALERT_BAD_CERTIFICATE": "the server does not accept the client certificate",
        "WRONG_VERSION_NUMBER": "the server does not speak TLS on this port",
    ]

    private static func text(_ error: ChannelError) -> String {
        switch error {
        case .connectTimeout: "no connection within the time limit"
        case .eof, .inputClosed, .ioOnClosedChannel, .alreadyClosed: "the connection was closed"
        default: oneLine("\(error)")
        }
    }

    /// Line breaks would break the log's lines, and other control characters a terminal.
    static func oneLine(_ text: String) -> String {
        let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        return line.count > 300 ? "\(line.prefix(300))…".printable : line.printable
    }
}
