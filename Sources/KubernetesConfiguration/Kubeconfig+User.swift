import KubernetesModel

import ManifestSource

/// `users[].user`.
extension KubeconfigReader {
    func readUser(_ user: ManifestNode, into settings: inout ConnectionSettings) throws(FieldError) {
        if user["auth-provider"] != nil {
            throw user.error(
                at: "auth-provider", "is not supported; Kubernetes has replaced it by plugins that exec names")
        }
        try readClientCertificate(user, into: &settings)
        try readCredential(user, into: &settings)
        try readImpersonation(user, into: &settings)
    }

    private func readClientCertificate(
        _ user: ManifestNode, into settings: inout ConnectionSettings
    ) throws(FieldError) {
        settings.clientCertificate = try material(
            user, data: "client-certificate-data", file: "client-certificate")
        guard settings.clientCertificate != nil else { return }
        settings.clientKey = try material(user, data: "client-key-data", file: "client-key")
        if settings.clientKey == nil {
            throw user.error(at: "client-key", "is missing, and so is client-key-data; one is needed")
        }
    }

    /// A file beats a token; both beat a plugin, which stays unused then.
    private func readCredential(_ user: ManifestNode, into settings: inout ConnectionSettings) throws(FieldError) {
        let plugin = try user.map("exec")
        if let plugin { settings.credential = .exec(try execPlugin(plugin)) }
        let token = try text(user, "token")
        let tokenFile = try file(user, "tokenFile")
        let (name, password) = (try text(user, "username"), try text(user, "password"))
        if name != nil || password != nil {
            if token != nil || tokenFile != nil {
                throw user.error(at: "username", "and a token are both given; remove one of the two")
            }
            settings.credential = .basic(username: name ?? "", password: password ?? "")
        }
        if let token {
            guard token.utf8.allSatisfy({ (33...126).contains($0) }) else {
                throw user.error(at: "token", "must be one word of plain ASCII")
            }
            settings.credential = .token(token)
        }
        if let tokenFile { settings.credential = .tokenFile(tokenFile) }
        if plugin != nil, !settings.usesExec {
            settings.remarks.append("the user's exec plugin is not used: there is a token or a password beside it")
        }
    }

    private func readImpersonation(
        _ user: ManifestNode, into settings: inout ConnectionSettings
    ) throws(FieldError) {
        settings.impersonatedUser = try text(user, "as")
        settings.impersonatedUID = try text(user, "as-uid")
        for group in try user.list("as-groups") { settings.impersonatedGroups.append(try group.asString()) }
        if let extra = try user.map("as-user-extra") {
            for key in extra.keys {
                var values: [String] = []
                for value in try extra.entries(of: key) { values.append(try value.asString()) }
                settings.impersonatedExtra[key.text] = values
            }
        }
        let hasOthers =
            settings.impersonatedUID != nil || !settings.impersonatedGroups.isEmpty
            || !settings.impersonatedExtra.isEmpty
        if hasOthers, settings.impersonatedUser == nil {
            throw user.error(at: "as", "is missing; as-uid, as-groups and as-user-extra need it")
        }
    }

    // MARK: Plugins

    private enum InteractiveMode: String, CaseIterable {
        case never = "Never"
        case ifAvailable = "IfAvailable"
        case always = "Always"
    }

    private enum PluginVersion: String, CaseIterable {
        case v1 = "client.authentication.k8s.io/v1"
        case v1beta1 = "client.authentication.k8s.io/v1beta1"
    }

    private func execPlugin(_ exec: ManifestNode) throws(FieldError) -> ConnectionSettings.ExecPlugin {
        guard let command = try text(exec, "command") else {
            throw exec.error(at: "command", "is missing")
        }
        guard let version = try exec.choice("apiVersion", PluginVersion.self) else {
            throw exec.error(at: "apiVersion", "is missing")
        }
        // A command without a slash is looked up in PATH.
        var plugin = ConnectionSettings.ExecPlugin(
            command: command.contains("/") ? resolve(command) : command, apiVersion: version.rawValue)
        for argument in try exec.list("args") { plugin.arguments.append(try argument.asString()) }
        for variable in try exec.list("env") {
            guard let name = try text(try variable.asMap(), "name") else {
                throw variable.error(at: "name", "is missing")
            }
            plugin.environment[name] = try variable.string("value") ?? ""
        }
        plugin.providesClusterInfo = try exec.boolean("provideClusterInfo") ?? false
        plugin.installHint = try text(exec, "installHint")
        switch try exec.choice("interactiveMode", InteractiveMode.self) {
        case .never, .ifAvailable: break
        case .always:
            throw exec.error(
                at: "interactiveMode", "is Always: the plugin wants to ask somebody, and a daemon has nobody to ask")
        case nil where version == .v1:
            throw exec.error(at: "interactiveMode", "is missing; \(version.rawValue) needs it")
        case nil: break
        }
        return plugin
    }
}

extension ConnectionSettings {
    fileprivate var usesExec: Bool {
        if case .exec = credential { true } else { false }
    }
}

extension ManifestNode {
    /// What is wrong with a field of this map, whether it is there or not.
    func error(at key: StaticString, _ message: String) -> FieldError {
        self[key]?.error(message) ?? FieldError(node: self, missing: "\(key)", message: message)
    }

    /// The entries of the list that is the value of a key of this map.
    func entries(of key: ManifestNode) throws(FieldError) -> Elements {
        let value = key.following
        guard value.kind == .sequence else { throw value.wrongType("a list") }
        return value.elements
    }
}
