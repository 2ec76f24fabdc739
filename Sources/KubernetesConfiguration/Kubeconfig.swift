import KubernetesModel
import ManifestSource

/// A kubeconfig file, as kubectl writes it.
///
/// Like client-go, the reader passes over keys that it does not know. Only what the chosen context refers to has to be
/// sound.
public enum Kubeconfig {
    /// Reads what a context of a kubeconfig comes to. The files that it names are not looked at.
    ///
    /// - Parameters:
    ///   - bytes: the text of the file, YAML or JSON.
    ///   - path: the file's name, for errors; paths in the file are relative to its folder.
    ///   - context: the context to take; nil for `current-context`.
    ///   - server: takes the place of the cluster's `server` (`--master`).
    public static func settings(
        _ bytes: [UInt8], path: String, context: String? = nil, server: String? = nil
    ) throws(ConfigurationError) -> ConnectionSettings {
        if let server, case .failure(let problem) = ServerAddressText.server(server, hasCertificates: true) {
            throw ConfigurationError("--master", problem.message)
        }
        let folder = FileSystem.split(path).directory
        return try ConfigurationFile.parse(bytes, path: path) { root throws(FieldError) in
            try KubeconfigReader(root: root, folder: folder).settings(context: context, server: server)
        }
    }

    /// Reads the file.
    public static func settings(
        path: String, context: String? = nil, server: String? = nil
    ) throws(ConfigurationError) -> ConnectionSettings {
        try settings(try ConfigurationFile.read(path), path: path, context: context, server: server)
    }
}

extension ConnectionSettings {
    /// The settings of an API server of which only the address is known (`--master` alone): an anonymous connection.
    public static func server(_ address: String) throws(ConfigurationError) -> ConnectionSettings {
        switch ServerAddressText.server(address, hasCertificates: false) {
        case .success(let server): return ConnectionSettings(server: server)
        case .failure(let problem): throw ConfigurationError("--master", problem.message)
        }
    }
}

/// Reads one kubeconfig.
struct KubeconfigReader {
    let root: ManifestNode
    /// The folder that paths are relative to.
    let folder: String

    func settings(context name: String?, server: String?) throws(FieldError) -> ConnectionSettings {
        try checkType()
        let context = try chosenContext(name)
        let cluster = try entry(of: "clusters", "cluster", name: try context.required("cluster"))
        var settings = ConnectionSettings(server: "")
        try readCluster(cluster, server: server, into: &settings)
        if let user = context["user"], try !user.asString().isEmpty {
            try readUser(try entry(of: "users", "user", name: user), into: &settings)
        }
        if settings.server.hasPrefix("http://") { settings.dropCredentials() }
        return settings
    }

    private func checkType() throws(FieldError) {
        let map = try root.asMap()
        for (key, expected) in [("kind" as StaticString, "Config"), ("apiVersion", "v1")] {
            guard let node = map[key] else { continue }
            let text = try node.asString()
            if !text.isEmpty, text != expected {
                throw map.error(at: key, "must be \(expected), is \(text.quoted)")
            }
        }
    }

    private func chosenContext(_ name: String?) throws(FieldError) -> ManifestNode {
        if let name {
            guard let context = try find(name, in: "contexts", "context") else {
                throw root.error(at: "contexts", "has no context \(name.quoted)")
            }
            return context
        }
        guard let node = root["current-context"], try !node.asString().isEmpty else {
            throw root.error(at: "current-context", "is missing; choose one with --context")
        }
        return try entry(of: "contexts", "context", name: node)
    }

    /// The entry that a node names, which has to be there.
    private func entry(
        of list: StaticString, _ key: StaticString, name: ManifestNode
    ) throws(FieldError) -> ManifestNode {
        let text = try name.asString()
        guard let found = try find(text, in: list, key) else {
            throw name.error("\(text.quoted) is not among the \(list)")
        }
        return found
    }

    private func find(
        _ name: String, in list: StaticString, _ key: StaticString
    ) throws(FieldError) -> ManifestNode? {
        var found: ManifestNode?
        for element in try root.list(list) where try element.asMap().string("name") == name {
            if found != nil { throw element.error("another one of the name \(name.quoted) stands before it") }
            found = try element.required(key).asMap()
        }
        return found
    }

    // MARK: Cluster

    private func readCluster(
        _ cluster: ManifestNode, server: String?, into settings: inout ConnectionSettings
    ) throws(FieldError) {
        settings.certificateAuthority = try material(
            cluster, data: "certificate-authority-data", file: "certificate-authority")
        settings.skipsVerification = try cluster.boolean("insecure-skip-tls-verify") ?? false
        if settings.skipsVerification, settings.certificateAuthority != nil {
            throw cluster.error(
                at: "insecure-skip-tls-verify", "contradicts the certificate authority; remove one of the two")
        }
        settings.tlsServerName = try text(cluster, "tls-server-name")
        settings.disablesCompression = try cluster.boolean("disable-compression") ?? false
        if let proxy = try text(cluster, "proxy-url") {
            if let problem = ServerAddressText.proxyProblem(proxy) {
                throw cluster.error(at: "proxy-url", problem.message)
            }
            settings.proxyURL = proxy
        }
        let own = try text(cluster, "server")
        guard let address = server ?? own else {
            throw cluster.error(at: "server", "is missing")
        }
        let hasCertificates = settings.certificateAuthority != nil || settings.skipsVerification
        switch ServerAddressText.server(address, hasCertificates: hasCertificates) {
        case .success(let address): settings.server = address
        case .failure(let problem): throw cluster.error(at: "server", problem.message)
        }
        settings.execConfiguration = try execConfiguration(cluster)
    }

    /// The extension of a cluster that exec plugins get to see.
    private func execConfiguration(_ cluster: ManifestNode) throws(FieldError) -> String? {
        for element in try cluster.list("extensions") {
            guard try element.asMap().string("name") == "client.authentication.k8s.io/exec" else { continue }
            return element["extension"].map(JSONWriter.text)
        }
        return nil
    }

    // MARK: Pieces

    /// A text; nil if it is absent or empty.
    func text(_ map: ManifestNode, _ key: StaticString) throws(FieldError) -> String? {
        guard let text = try map.string(key), !text.isEmpty else { return nil }
        return text
    }

    /// Certificates or a key: data beats a file.
    func material(
        _ map: ManifestNode, data: StaticString, file: StaticString
    ) throws(FieldError) -> ConnectionSettings.Material? {
        if let text = try text(map, data) {
            guard let bytes = Base64.decode(text.utf8) else {
                throw map.error(at: data, "is not base64")
            }
            guard bytes.firstRange(of: Array("-----BEGIN ".utf8)) != nil else {
                throw map.error(at: data, "has no PEM block after decoding its base64")
            }
            return .inline(bytes)
        }
        return try self.file(map, file).map { .file($0) }
    }

    /// The path of a file.
    func file(_ map: ManifestNode, _ key: StaticString) throws(FieldError) -> String? {
        try text(map, key).map(resolve)
    }

    /// A path, from the kubeconfig's folder on.
    func resolve(_ path: String) -> String {
        path.hasPrefix("/") || folder == "." ? path : FileSystem.join(folder, path)
    }
}

extension ConnectionSettings {
    /// Like client-go: nothing that identifies the user goes over a connection that anybody can read.
    fileprivate mutating func dropCredentials() {
        guard credential != .none || clientCertificate != nil else { return }
        credential = .none
        clientCertificate = nil
        clientKey = nil
        remarks.append("credentials are not sent to \(server): the connection is not encrypted")
    }
}
