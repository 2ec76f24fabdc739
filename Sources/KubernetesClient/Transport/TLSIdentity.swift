import KubernetesConfiguration
import NIOCore
import NIOSSL
import NetworkTypes

/// A client certificate with its key, PEM, as an exec plugin gives them.
struct ClientIdentity: Hashable, Sendable {
    var certificate: [UInt8]
    var key: [UInt8]
}

/// What the settings say of TLS, made from the files as they are now.
struct TLSMaterial: Sendable {
    var configuration: TLSConfiguration
    /// The files that it was made from, by path.
    var stamps: [String: FileStamp]

    /// Reads the files and tries whether a TLS library takes them: certificate and key may be of different age while
    /// someone replaces them.
    init(
        _ settings: ConnectionSettings, identity: ClientIdentity?, checksName: Bool
    ) throws(APIError) {
        // Stamps first: a file that is replaced in between is read again next time.
        stamps = Self.stamps(settings)
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        // A server that is in the middle of an answer may not say goodbye.
        tls.shutdownTimeout = .milliseconds(200)
        if settings.skipsVerification {
            tls.certificateVerification = .none
        } else {
            tls.certificateVerification = checksName ? .fullVerification : .noHostnameVerification
            if let authority = settings.certificateAuthority {
                tls.trustRoots = .certificates(try Self.certificates(authority, "certificate-authority"))
            }
        }
        if let identity {
            let name = "client certificate of the exec plugin"
            tls.certificateChain = try Self.certificates(.inline(identity.certificate), name)
                .map { .certificate($0) }
            tls.privateKey = .privateKey(try Self.key(.inline(identity.key), "client key of the exec plugin"))
        } else if let certificate = settings.clientCertificate, let key = settings.clientKey {
            tls.certificateChain = try Self.certificates(certificate, "client-certificate").map { .certificate($0) }
            tls.privateKey = .privateKey(try Self.key(key, "client-key"))
        } else if settings.clientCertificate != nil || settings.clientKey != nil {
            throw APIError(.settings, "client-certificate and client-key belong together; one is missing")
        }
        do {
            _ = try NIOSSLContext(configuration: tls)
        } catch {
            throw APIError(.settings, "client-certificate and client-key do not fit together")
        }
        configuration = tls
    }

    /// The files that the settings name, as they are now; those that are not there are left out.
    static func stamps(_ settings: ConnectionSettings) -> [String: FileStamp] {
        let materials = [settings.certificateAuthority, settings.clientCertificate, settings.clientKey]
        var stamps: [String: FileStamp] = [:]
        for path in materials.compactMap({ $0?.path }) { stamps[path] = FileStamp(path) }
        return stamps
    }

    private static func certificates(
        _ material: ConnectionSettings.Material, _ name: String
    ) throws(APIError) -> [NIOSSLCertificate] {
        let bytes = try material.load()
        do {
            let certificates = try NIOSSLCertificate.fromPEMBytes(bytes)
            if !certificates.isEmpty { return certificates }
        } catch {}
        throw APIError(.settings, "\(material.path ?? name): no certificate in PEM")
    }

    private static func key(
        _ material: ConnectionSettings.Material, _ name: String
    ) throws(APIError) -> NIOSSLPrivateKey {
        let bytes = try material.load()
        do {
            return try NIOSSLPrivateKey(bytes: bytes, format: .pem)
        } catch {
            throw APIError(.settings, "\(material.path ?? name): no private key in PEM")
        }
    }
}

/// Whom the server's certificate has to be for, if the TLS library cannot tell by itself: it compares addresses with the
/// one that the socket is connected to, which is another one behind a proxy, or if `tls-server-name` is an address.
struct ExpectedAddress: Sendable {
    var address: IPAddress

    /// Nil if the library checks the right name or address.
    init?(_ settings: ConnectionSettings, server: ServerAddress, isProxied: Bool) {
        if settings.skipsVerification || !server.isSecure { return nil }
        if let name = settings.tlsServerName {
            guard let address = IPAddress(name) else { return nil }
            self.address = address
        } else {
            guard isProxied, let address = server.address else { return nil }
            self.address = address
        }
    }

    /// Fails unless the certificate that the peer has shown is for the address. Nothing has been sent yet.
    func check(_ channel: any Channel) -> EventLoopFuture<Void> {
        channel.nioSSL_peerCertificate().flatMapThrowing { [address] certificate in
            let names = certificate?._subjectAlternativeNames() ?? nil
            let isRight = names?.contains { $0.nameType == .ipAddress && Array($0.contents) == address.networkBytes }
            if isRight != true {
                throw APIError(.trust, "TLS: the server's certificate is not for the address \(address)")
            }
        }
    }
}
