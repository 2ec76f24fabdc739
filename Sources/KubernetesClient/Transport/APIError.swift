import KubernetesWire

/// Why a request to the API server came to nothing: one line, with the request and the cause.
public struct APIError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of trouble it is; decides what is tried next.
    public enum Cause: Sendable, Equatable {
        /// The settings cannot work: a URL, a certificate, a proxy.
        case settings
        /// No credential could be had: a token file, an exec plugin.
        case credential
        /// There is no connection to the server, or it broke.
        case connection
        /// TLS: one side does not trust the other.
        case trust
        /// Nothing came for too long.
        case silence
        /// The server's answer is an error.
        case answer(APIStatus)
        /// The bytes are invalid.
        case nonsense
        /// The task was cancelled, or the connection shut down.
        case cancelled
    }

    /// The kind of trouble.
    public var cause: Cause
    /// Method and URL, such as `GET https://10.0.0.1:6443/api/v1/services`; empty before there is a request.
    public var request: String
    /// What happened, without a trailing period.
    public var detail: String
    /// How long the server wants to be left alone (`Retry-After`).
    public var retryAfter: Duration?

    /// Makes an error.
    public init(_ cause: Cause, request: String = "", _ detail: String, retryAfter: Duration? = nil) {
        self.cause = cause
        self.request = request
        self.detail = detail
        self.retryAfter = retryAfter
    }

    /// One line.
    public var description: String { request.isEmpty ? detail : "\(request): \(detail)" }

    /// The HTTP status code of the answer; nil if there was none.
    public var statusCode: Int? {
        if case .answer(let status) = cause { status.code } else { nil }
    }

    /// The same trouble, with the request that met it.
    func during(_ request: APIRequest, to server: ServerAddress) -> APIError {
        var error = self
        if error.request.isEmpty { error.request = "\(request.method.rawValue) \(server.text)\(request.path)" }
        return error
    }
}
