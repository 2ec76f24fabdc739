import KubernetesModel
import ManifestSource

extension ConnectionSettings {
    /// Where a pod finds the credentials of its service account.
    public static let serviceAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// What a pod knows of its API server: the environment has the address, a mounted folder token and certificate.
    ///
    /// - Parameters:
    ///   - environment: the process's environment, of which `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` count.
    ///   - directory: the folder with the files `token` and `ca.crt`. They are named, not kept: the token is replaced
    ///     about every hour.
    ///   - server: takes the place of the address in the environment (`--master`).
    /// - Throws: if this is no pod, or one without a service account's token.
    public static func inCluster(
        environment: [String: String], directory: String = serviceAccountDirectory, server: String? = nil
    ) throws(ConfigurationError) -> ConnectionSettings {
        var settings: ConnectionSettings
        if let server {
            switch ServerAddressText.server(server, hasCertificates: true) {
            case .success(let address): settings = ConnectionSettings(server: address)
            case .failure(let problem): throw ConfigurationError("--master", problem.message)
            }
        } else {
            settings = ConnectionSettings(server: try address(in: environment))
        }
        let (token, authority) = ("\(directory)/token", "\(directory)/ca.crt")
        for path in [token, authority] where try ConfigurationFile.read(path).isEmpty {
            throw ConfigurationError(path, "is empty")
        }
        settings.credential = .tokenFile(token)
        settings.certificateAuthority = .file(authority)
        return settings
    }

    private static func address(in environment: [String: String]) throws(ConfigurationError) -> String {
        func value(_ name: String) throws(ConfigurationError) -> String {
            guard let value = environment[name], !value.isEmpty else {
                throw ConfigurationError(name, "is not set in the environment: this is no pod of a cluster")
            }
            return value
        }
        let host = try value("KUBERNETES_SERVICE_HOST")
        let port = try value("KUBERNETES_SERVICE_PORT")
        let address = "https://" + (host.contains(":") ? "[\(host)]" : host) + ":\(port)"
        if case .failure(let problem) = ServerAddressText.server(address, hasCertificates: true) {
            throw ConfigurationError("KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT", problem.message)
        }
        return address
    }
}
