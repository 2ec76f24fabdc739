import KubernetesConfiguration
import Testing

@Suite struct KubeconfigTests {
    static let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    static let certificateData = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUIKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="

    /// A kubeconfig with one cluster and one user, whose fields these are.
    static func text(cluster: String = "server: https://10.0.0.1:6443", user: String = "token: abc") -> String {
        """
        apiVersion: v1
        kind: Config
        current-context: main
        contexts:
        - name: main
          context: {cluster: east, user: node, namespace: default}
        clusters:
        - name: east
          cluster:
            \(cluster.replacing("\n", with: "\n    "))
        users:
        - name: node
          user:
            \(user.replacing("\n", with: "\n    "))

        """
    }

    static func read(
        _ text: String, path: String = "/etc/kube/config", context: String? = nil, server: String? = nil
    ) throws(ConfigurationError) -> ConnectionSettings {
        try Kubeconfig.settings(Array(text.utf8), path: path, context: context, server: server)
    }

    @Test func everyFieldOfAClusterIsRead() throws {
        let settings = try Self.read(
            Self.text(
                cluster: """
                    server: https://api.example:6443/east/
                    certificate-authority-data: \(Self.certificateData)
                    certificate-authority: unused.crt
                    tls-server-name: kubernetes
                    proxy-url: socks5://user:pass@10.0.0.9:1080
                    disable-compression: true
                    extensions:
                    - name: other
                      extension: 1
                    - name: client.authentication.k8s.io/exec
                      extension: {audience: "a\\"b", depth: 3, on: true, list: [x, null, 1.5]}
                    """))
        #expect(settings.server == "https://api.example:6443/east")
        #expect(settings.certificateAuthority == .inline(Array(Self.certificate.utf8)))
        #expect(settings.tlsServerName == "kubernetes")
        #expect(settings.proxyURL == "socks5://user:pass@10.0.0.9:1080")
        #expect(settings.disablesCompression)
        #expect(!settings.skipsVerification)
        #expect(
            settings.execConfiguration
                == #"{"audience":"a\"b","depth":3,"on":true,"list":["x",null,1.5]}"#)
        #expect(settings.credential == .token("abc"))
        #expect(settings.remarks == [])
    }

    @Test func dataBeatsAFileAndPathsAreRelativeToTheFolder() throws {
        let user = """
            client-certificate: pki/node.crt
            client-key: /abs/node.key
            client-key-data: ""
            tokenFile: ../token
            token: abc
            """
        let cluster = "server: https://h\ncertificate-authority: ca.crt\ninsecure-skip-tls-verify: false"
        let settings = try Self.read(Self.text(cluster: cluster, user: user))
        #expect(settings.certificateAuthority == .file("/etc/kube/ca.crt"))
        #expect(settings.clientCertificate == .file("/etc/kube/pki/node.crt"))
        #expect(settings.clientKey == .file("/abs/node.key"))
        #expect(settings.credential == .tokenFile("/etc/kube/../token"))
        let here = try Self.read(Self.text(cluster: cluster), path: "config")
        #expect(here.certificateAuthority == .file("ca.crt"))
        let data = try Self.read(
            Self.text(
                user: """
                    client-certificate: a.crt
                    client-certificate-data: \(Self.certificateData)
                    client-key: a.key
                    client-key-data: \(Self.certificateData)
                    """))
        #expect(data.clientCertificate == .inline(Array(Self.certificate.utf8)))
        #expect(data.clientKey == .inline(Array(Self.certificate.utf8)))
        #expect(data.credential == .none)
    }

    @Test func aPluginIsReadWhole() throws {
        let settings = try Self.read(
            Self.text(
                user: """
                    exec:
                      apiVersion: client.authentication.k8s.io/v1
                      command: ./bin/login
                      args: [--region, east]
                      env: [{name: A, value: b}, {name: C}]
                      interactiveMode: IfAvailable
                      provideClusterInfo: true
                      installHint: ask the admin
                    """))
        var plugin = ConnectionSettings.ExecPlugin(
            command: "/etc/kube/./bin/login", apiVersion: "client.authentication.k8s.io/v1")
        plugin.arguments = ["--region", "east"]
        plugin.environment = ["A": "b", "C": ""]
        plugin.providesClusterInfo = true
        plugin.installHint = "ask the admin"
        #expect(settings.credential == .exec(plugin))
        let short = "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: login}"
        let other = try Self.read(Self.text(user: short))
        #expect(
            other.credential
                == .exec(.init(command: "login", apiVersion: "client.authentication.k8s.io/v1beta1")))
        let both = try Self.read(Self.text(user: short + "\ntoken: abc"))
        #expect(both.credential == .token("abc"))
        #expect(both.remarks == ["the user's exec plugin is not used: there is a token or a password beside it"])
    }

    @Test func impersonationIsRead() throws {
        let settings = try Self.read(
            Self.text(user: "as: jane\nas-uid: u1\nas-groups: [a, b]\nas-user-extra: {scopes: [x, w], reason: [z]}"))
        #expect(settings.impersonatedUser == "jane")
        #expect(settings.impersonatedUID == "u1")
        #expect(settings.impersonatedGroups == ["a", "b"])
        #expect(settings.impersonatedExtra == ["scopes": ["x", "w"], "reason": ["z"]])
    }

    @Test func theContextIsChosen() throws {
        let text =
            Self.text() + """
                ---
                """
        #expect(try Self.read(text).credential == .token("abc"))
        let two = Self.text().replacing(
            "contexts:\n", with: "contexts:\n- {name: other, context: {cluster: east}}\n")
        #expect(try Self.read(two).credential == .token("abc"))
        #expect(try Self.read(two, context: "other").credential == .none)
        #expect(throws: ConfigurationError("/etc/kube/config", line: 5, field: "contexts", "has no context \"x\"")) {
            try Self.read(two, context: "x")
        }
    }

    @Test(arguments: [
        ("https://10.0.0.1:6443/", "https://10.0.0.1:6443"), ("https://[fd00::1]:6443", "https://[fd00::1]:6443"),
        ("https://[fe80::1%25eth0]", "https://[fe80::1%25eth0]"), ("HTTPS://h?x=y", "HTTPS://h"),
        ("10.0.0.1:6443", "https://10.0.0.1:6443"), ("https://h/a/b//", "https://h/a/b"),
    ])
    func serversAreNormalized(_ written: String, _ expected: String) throws {
        let settings = try Self.read(
            Self.text(cluster: "server: \"\(written)\"\ninsecure-skip-tls-verify: true"))
        #expect(settings.server == expected)
        #expect(settings.skipsVerification)
    }

    @Test func credentialsAreNotSentInTheClear() throws {
        let user = "token: abc\nclient-certificate: a\nclient-key: b"
        for server in ["http://10.0.0.1:8080", "10.0.0.1:8080"] {
            let settings = try Self.read(Self.text(cluster: "server: \(server)", user: user))
            #expect(settings.server == "http://10.0.0.1:8080")
            #expect(settings.credential == .none)
            #expect(settings.clientCertificate == nil)
            #expect(settings.clientKey == nil)
            #expect(
                settings.remarks
                    == ["credentials are not sent to http://10.0.0.1:8080: the connection is not encrypted"])
        }
    }

    @Test func masterTakesThePlaceOfTheServer() throws {
        let settings = try Self.read(Self.text(), server: "https://other:1/")
        #expect(settings.server == "https://other:1")
        #expect(settings.credential == .token("abc"))
        #expect(try Self.read(Self.text(cluster: "tls-server-name: a"), server: "https://b").server == "https://b")
        #expect(try ConnectionSettings.server("http://localhost:8080").server == "http://localhost:8080")
        #expect(throws: ConfigurationError("--master", "has no host name or address after ://")) {
            try Self.read(Self.text(), server: "https://")
        }
    }
}
