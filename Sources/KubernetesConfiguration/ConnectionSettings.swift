/// How to reach a Kubernetes API server and who to be there: what a kubeconfig's context, or a pod's service account,
/// comes to.
///
/// Files are named, not read: they may be replaced while the daemon runs (rotation of tokens and certificates).
public struct ConnectionSettings: Hashable, Sendable {
    /// Text (PEM or a token) that stands in the configuration or in a file of its own.
    public enum Material: Hashable, Sendable {
        /// The text itself.
        case inline([UInt8])
        /// The path of a file that has it; read again when it changes.
        case file(String)
    }

    /// Who to be.
    public enum Credential: Hashable, Sendable {
        /// Nobody.
        case none
        /// `token`.
        case token(String)
        /// `tokenFile`: read again before it is older than a minute, as client-go does. Blanks around the token are no
        /// part of it.
        case tokenFile(String)
        /// `username` and `password`.
        case basic(username: String, password: String)
        /// `exec`: a program that prints an ExecCredential.
        case exec(ExecPlugin)
    }

    /// `user.exec` of a kubeconfig: a program that prints an `ExecCredential` (`client.authentication.k8s.io`).
    public struct ExecPlugin: Hashable, Sendable {
        /// `command`; with a slash relative to the kubeconfig's folder, otherwise looked up in `PATH`.
        public var command: String
        /// `args`.
        public var arguments: [String] = []
        /// `env`, added to the daemon's own.
        public var environment: [String: String] = [:]
        /// `apiVersion` of the ExecCredential.
        public var apiVersion: String
        /// `provideClusterInfo`: whether the program learns of the cluster by `KUBERNETES_EXEC_INFO`.
        public var providesClusterInfo = false
        /// `installHint`, for the error if the program is not there.
        public var installHint: String?

        /// Makes a plugin.
        public init(command: String, apiVersion: String) {
            self.command = command
            self.apiVersion = apiVersion
        }
    }

    /// `cluster.server`: `https://host:port/path`, without a slash at the end.
    public var server: String
    /// `certificate-authority(-data)`; nil for the system's.
    public var certificateAuthority: Material?
    /// `insecure-skip-tls-verify`.
    public var skipsVerification = false
    /// `tls-server-name`: the name that the server's certificate has to be for; nil for the host of `server`.
    public var tlsServerName: String?
    /// `proxy-url`: `http://` or `https://` or `socks5://`; nil for the environment's `HTTPS_PROXY`, if it is set.
    public var proxyURL: String?
    /// `disable-compression`.
    public var disablesCompression = false
    /// `client-certificate(-data)`.
    public var clientCertificate: Material?
    /// `client-key(-data)`.
    public var clientKey: Material?
    /// Who to be, beside the client certificate.
    public var credential = Credential.none
    /// `as`: the user to act as.
    public var impersonatedUser: String?
    /// `as-uid`.
    public var impersonatedUID: String?
    /// `as-groups`.
    public var impersonatedGroups: [String] = []
    /// `as-user-extra`.
    public var impersonatedExtra: [String: [String]] = [:]
    /// What the cluster's extension `client.authentication.k8s.io/exec` holds, as JSON: goes to a plugin that is given
    /// information on the cluster, as `spec.cluster.config`.
    public var execConfiguration: String?
    /// What the log should say about how the configuration was read, one line each.
    public var remarks: [String] = []

    /// Makes the settings of an anonymous connection.
    public init(server: String) { self.server = server }
}
