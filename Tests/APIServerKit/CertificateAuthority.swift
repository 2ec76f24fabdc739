import FairleadTestKit

/// A certificate with its key, PEM, and the files that have them.
public struct Certificate: Sendable {
    /// The certificate.
    public let certificate: String
    /// Its private key.
    public let key: String
    /// A file with the certificate.
    public let certificatePath: String
    /// A file with the key.
    public let keyPath: String
}

/// A certificate authority for one test, made with `openssl`. Its files go with it.
public final class CertificateAuthority: Sendable {
    /// The authority's own certificate.
    public let authority: Certificate
    private let directory: TemporaryDirectory
    private let namespace: NetworkNamespace

    /// Makes an authority.
    public init(_ name: String = "test authority") async throws(TestKitError) {
        let directory = try TemporaryDirectory()
        let namespace = try NetworkNamespace("openssl")
        try await Self.openssl(
            namespace, directory, name: "ca", subject: "/CN=\(name)",
            ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,digitalSignature"], signer: nil)
        self.directory = directory
        self.namespace = namespace
        authority = try Self.read(directory, "ca")
    }

    /// Issues a certificate for a server.
    ///
    /// - Parameters:
    ///   - file: Names the files in the authority's directory.
    ///   - names: `DNS:name` and `IP:address`.
    public func server(
        _ file: String = "server", names: [String] = ["IP:127.0.0.1", "IP:::1", "DNS:localhost"]
    ) async throws(TestKitError) -> Certificate {
        try await Self.openssl(
            namespace, directory, name: file, subject: "/CN=kube-apiserver",
            ["subjectAltName=\(names.joined(separator: ","))", "extendedKeyUsage=serverAuth"], signer: "ca")
        return try Self.read(directory, file)
    }

    /// Issues a certificate for a client.
    public func client(_ name: String = "fairlead") async throws(TestKitError) -> Certificate {
        try await Self.openssl(
            namespace, directory, name: name, subject: "/O=system:nodes/CN=\(name)", ["extendedKeyUsage=clientAuth"],
            signer: "ca")
        return try Self.read(directory, name)
    }

    private static func openssl(
        _ namespace: NetworkNamespace, _ directory: TemporaryDirectory, name: String, subject: String,
        _ extensions: [String], signer: String?
    ) async throws(TestKitError) {
        let path = directory.path
        var arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", subject, "-keyout", "\(path)/\(name).key", "-out", "\(path)/\(name).crt",
        ]
        if let signer { arguments += ["-CA", "\(path)/\(signer).crt", "-CAkey", "\(path)/\(signer).key"] }
        for text in extensions { arguments += ["-addext", text] }
        try await namespace.execute(Program("openssl", arguments, timeLimit: .seconds(60))).requireSuccess()
    }

    private static func read(_ directory: TemporaryDirectory, _ name: String) throws(TestKitError) -> Certificate {
        let (certificate, key) = ("\(directory.path)/\(name).crt", "\(directory.path)/\(name).key")
        return Certificate(
            certificate: try TextFile.read(certificate), key: try TextFile.read(key), certificatePath: certificate,
            keyPath: key)
    }
}
