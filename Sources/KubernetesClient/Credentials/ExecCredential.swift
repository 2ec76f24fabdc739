import FoundationEssentials
import KubernetesConfiguration

/// What a credential plugin is told and what it answers: `ExecCredential` of `client.authentication.k8s.io`, v1 and
/// v1beta1 alike.
struct ExecCredential: Codable {
    struct Spec: Codable {
        struct Cluster: Codable {
            enum CodingKeys: String, CodingKey {
                case server
                case tlsServerName = "tls-server-name"
                case skipsVerification = "insecure-skip-tls-verify"
                case authority = "certificate-authority-data"
                case proxyURL = "proxy-url"
                case disablesCompression = "disable-compression"
            }

            var server: String
            var tlsServerName: String?
            var skipsVerification: Bool?
            var authority: Data?
            var proxyURL: String?
            var disablesCompression: Bool?
        }

        var interactive: Bool?
        var cluster: Cluster?
    }

    struct Status: Codable {
        var expirationTimestamp: String?
        var token: String?
        var clientCertificateData: String?
        var clientKeyData: String?
    }

    var apiVersion: String
    var kind = "ExecCredential"
    var spec: Spec?
    var status: Status?

    private static let versions = ["v1", "v1beta1"].map { "client.authentication.k8s.io/\($0)" }

    /// What the environment variable `KUBERNETES_EXEC_INFO` says.
    static func request(
        _ plugin: ConnectionSettings.ExecPlugin, _ settings: ConnectionSettings
    ) throws(APIError) -> String {
        guard versions.contains(plugin.apiVersion) else {
            throw APIError(
                .credential,
                "exec plugin \(plugin.command): apiVersion \(plugin.apiVersion) is not one of "
                    + versions.joined(separator: ", "))
        }
        var credential = ExecCredential(apiVersion: plugin.apiVersion)
        credential.spec = Spec(interactive: false)
        if plugin.providesClusterInfo {
            credential.spec?.cluster = Spec.Cluster(
                server: settings.server, tlsServerName: settings.tlsServerName,
                skipsVerification: settings.skipsVerification ? true : nil,
                authority: try settings.certificateAuthority.map { (material) throws(APIError) in
                    Data(try material.load())
                }, proxyURL: settings.proxyURL, disablesCompression: settings.disablesCompression ? true : nil)
        }
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(credential), as: UTF8.self)
        } catch {
            throw APIError(.credential, "exec plugin \(plugin.command): \(error)")
        }
    }

    /// Reads what the plugin has printed.
    ///
    /// - Parameter wallClock: Now, to turn `expirationTimestamp` into the time that is left; a clock that is set later does
    ///   not matter then.
    static func parse(
        _ output: [UInt8], _ plugin: ConnectionSettings.ExecPlugin, wallClock: Date
    ) throws(APIError) -> PluginAnswer {
        func failure(_ detail: String) -> APIError {
            APIError(.credential, "exec plugin \(plugin.command): \(APIError.oneLine(detail))")
        }
        let credential: ExecCredential
        do {
            credential = try JSONDecoder().decode(ExecCredential.self, from: Data(output))
        } catch {
            throw failure("it did not print an ExecCredential")
        }
        guard credential.kind == "ExecCredential", credential.apiVersion == plugin.apiVersion else {
            throw failure(
                "it printed \(credential.apiVersion) \(credential.kind), not \(plugin.apiVersion) ExecCredential")
        }
        guard let status = credential.status else { throw failure("its ExecCredential has no status") }
        var answer = PluginAnswer()
        if let token = status.token, !token.isEmpty { answer.token = token }
        switch (status.clientCertificateData, status.clientKeyData) {
        case (let certificate?, let key?):
            answer.identity = ClientIdentity(certificate: Array(certificate.utf8), key: Array(key.utf8))
        case (nil, nil):
            if answer.token == nil { throw failure("its ExecCredential has neither a token nor a certificate") }
        default:
            throw failure("its ExecCredential has one of clientCertificateData and clientKeyData without the other")
        }
        if let text = status.expirationTimestamp {
            guard let date = Self.date(text) else { throw failure("expirationTimestamp \(text) is not a time") }
            answer.lifetime = .seconds(date.timeIntervalSince(wallClock))
        }
        return answer
    }

    private static func date(_ text: String) -> Date? {
        let plain = Date.ISO8601FormatStyle()
        return (try? plain.parse(text)) ?? (try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(text))
    }
}

/// What a plugin has given.
struct PluginAnswer: Sendable, Equatable {
    var token: String?
    var identity: ClientIdentity?
    /// How long it is good for; nil for as long as the server accepts it.
    var lifetime: Duration?
}
