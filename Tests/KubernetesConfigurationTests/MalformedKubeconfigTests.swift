import KubernetesConfiguration
import Testing

/// A file with something wrong, and what is said about it.
struct Malformed: CustomTestStringConvertible, Sendable {
    let text: String
    let message: String
    var testDescription: String { message }

    init(_ text: String, _ message: String) {
        self.text = text
        self.message = message
    }

    static func cluster(_ text: String, _ message: String) -> Malformed {
        Malformed(KubeconfigTests.text(cluster: text), message)
    }

    static func user(_ text: String, _ message: String) -> Malformed {
        Malformed(KubeconfigTests.text(user: text), message)
    }

    static func exec(_ fields: String, _ message: String) -> Malformed { user("exec: {\(fields)}", message) }
}

private let v1 = "apiVersion: client.authentication.k8s.io/v1"

private let files: [Malformed] = [
    .init("", "config: is empty"),
    .init("# nothing\n---\n", "config: is empty"),
    .init("a: [\n", "config:2: did not find expected node content"),
    .init("kind: Config\n---\nkind: Config\n", "config:3: has a second document; one is expected"),
    .init("[]", "config:1: expected a map, found a list"),
    .init("kind: Pod", "config:1: kind: must be Config, is \"Pod\""),
    .init("apiVersion: v2", "config:1: apiVersion: must be v1, is \"v2\""),
    .init("kind: Config", "config:1: current-context: is missing; choose one with --context"),
    .init("current-context: ''", "config:1: current-context: is missing; choose one with --context"),
    .init("current-context: a", "config:1: current-context: \"a\" is not among the contexts"),
    .init("current-context: a\ncontexts: {}", "config:2: contexts: expected a list, found a map"),
    .init("current-context: a\ncontexts: [a]", "config:2: contexts[0]: expected a map, found a string"),
    .init("current-context: a\ncontexts: [{name: a}]", "config:2: contexts[0].context: is missing"),
    .init("current-context: 7\n", "config:1: current-context: expected a string, found a number; put it in quotes"),
    .init(
        "current-context: a\ncontexts: [{name: a, context: {user: b}}]",
        "config:2: contexts[0].context.cluster: is missing"),
    .init(
        "current-context: a\ncontexts: [{name: a, context: {cluster: b}}]",
        "config:2: contexts[0].context.cluster: \"b\" is not among the clusters"),
    .init(
        "current-context: a\ncontexts: [{name: a, context: {}}, {name: a, context: {}}]",
        "config:2: contexts[1]: another one of the name \"a\" stands before it"),
    .init(
        "current-context: a\ncontexts: [{name: a, context: {cluster: b, user: c}}]\n"
            + "clusters: [{name: b, cluster: {server: https://h}}]",
        "config:2: contexts[0].context.user: \"c\" is not among the users"),
]

private let clusters: [Malformed] = [
    .cluster("{}", "config:10: clusters[0].cluster.server: is missing"),
    .cluster(
        "server: ftp://h",
        "config:10: clusters[0].cluster.server: must begin with one of https://, http://"),
    .cluster("server: https://h h", "config:10: clusters[0].cluster.server: must be one word of plain ASCII"),
    .cluster("server: https://:6443", "config:10: clusters[0].cluster.server: has no host name or address after ://"),
    .cluster("server: https://h:0", "config:10: clusters[0].cluster.server: has a port outside 1 to 65535"),
    .cluster("server: https://h:99999", "config:10: clusters[0].cluster.server: has a port outside 1 to 65535"),
    .cluster(
        "server: https://fd00::1:6443",
        "config:10: clusters[0].cluster.server: has no host name or address after ://"),
    .cluster(
        "server: https://h\nproxy-url: user:secret@proxy",
        "config:11: clusters[0].cluster.proxy-url: must begin with one of http://, https://, socks5://"),
    .cluster(
        "server: https://h\ncertificate-authority-data: '%%%'",
        "config:11: clusters[0].cluster.certificate-authority-data: is not base64"),
    .cluster(
        "server: https://h\ncertificate-authority-data: aGVsbG8=",
        "config:11: clusters[0].cluster.certificate-authority-data: has no PEM block after decoding its base64"),
    .cluster(
        "server: https://h\ninsecure-skip-tls-verify: true\ncertificate-authority: a",
        "config:11: clusters[0].cluster.insecure-skip-tls-verify: contradicts the certificate authority; "
            + "remove one of the two"),
    .cluster(
        "server: https://h\ninsecure-skip-tls-verify: 'true'",
        "config:11: clusters[0].cluster.insecure-skip-tls-verify: expected a boolean, found a string"),
]

private let users: [Malformed] = [
    .user(
        "auth-provider: {name: gcp}",
        "config:14: users[0].user.auth-provider: is not supported; Kubernetes has replaced it by plugins that exec "
            + "names"),
    .user("token: 12345", "config:14: users[0].user.token: expected a string, found a number; put it in quotes"),
    .user("token: \"secret\\n\"", "config:14: users[0].user.token: must be one word of plain ASCII"),
    .user(
        "username: a\ntoken: b",
        "config:14: users[0].user.username: and a token are both given; remove one of the two"),
    .user(
        "client-certificate: a",
        "config:14: users[0].user.client-key: is missing, and so is client-key-data; one is needed"),
    .user("client-certificate: a\nclient-key-data: A", "config:15: users[0].user.client-key-data: is not base64"),
    .user(
        "as-groups: [a]",
        "config:14: users[0].user.as: is missing; as-uid, as-groups and as-user-extra need it"),
    .user(
        "as: a\nas-user-extra: {b: c}",
        "config:15: users[0].user.as-user-extra.b: expected a list, found a string"),
    .exec(v1, "config:14: users[0].user.exec.command: is missing"),
    .exec("command: a", "config:14: users[0].user.exec.apiVersion: is missing"),
    .exec(
        "command: a, apiVersion: client.authentication.k8s.io/v1alpha1",
        "config:14: users[0].user.exec.apiVersion: must be client.authentication.k8s.io/v1 or "
            + "client.authentication.k8s.io/v1beta1, is \"client.authentication.k8s.io/v1alpha1\""),
    .exec(
        v1 + ", command: a",
        "config:14: users[0].user.exec.interactiveMode: is missing; client.authentication.k8s.io/v1 needs it"),
    .exec(
        v1 + ", command: a, interactiveMode: Always",
        "config:14: users[0].user.exec.interactiveMode: is Always: the plugin wants to ask somebody, and a daemon has "
            + "nobody to ask"),
    .exec(
        v1 + ", command: a, interactiveMode: Sometimes",
        "config:14: users[0].user.exec.interactiveMode: must be Never, IfAvailable or Always, is \"Sometimes\""),
    .exec(
        v1 + ", command: a, interactiveMode: Never, env: [{value: a}]",
        "config:14: users[0].user.exec.env[0].name: is missing"),
    .exec(
        v1 + ", command: a, interactiveMode: Never, args: [1]",
        "config:14: users[0].user.exec.args[0]: expected a string, found a number; put it in quotes"),
]

@Suite struct MalformedKubeconfigTests {
    @Test(arguments: files + clusters + users)
    func theMessageNamesLineAndField(_ file: Malformed) {
        do throws(ConfigurationError) {
            let settings = try Kubeconfig.settings(Array(file.text.utf8), path: "config")
            Issue.record("read as \(settings)")
        } catch {
            #expect(error.description == file.message)
        }
    }

    @Test func aFileThatIsNotThereIsNamed() {
        #expect(throws: ConfigurationError("/nowhere/config", "cannot be read: No such file or directory")) {
            try Kubeconfig.settings(path: "/nowhere/config")
        }
    }

    @Test(
        arguments: [
            ("", []), ("QQ==", [65]), ("QUI=", [65, 66]), ("QUJD", [65, 66, 67]), ("QU\\r\\nJD\\n", [65, 66, 67]),
            ("+/+/", [0xFB, 0xFF, 0xBF]),
        ] as [(String, [UInt8])])
    func base64IsRead(_ text: String, _ bytes: [UInt8]) throws {
        // Behind a PEM mark of 12 bytes, which base64 has in 16 characters.
        let data = "LS0tLS1CRUdJTiAt" + text
        let settings = try KubeconfigTests.read(
            KubeconfigTests.text(cluster: "server: https://h\ncertificate-authority-data: \"\(data)\""))
        #expect(settings.certificateAuthority == .inline(Array("-----BEGIN -".utf8) + bytes))
    }

    @Test(arguments: ["Q", "QQ", "QQ=", "Q===", "====", "QQ==QUJD", "QQ= =", "QU_D", "=QUJ", "QQ=Q", "QUJD="])
    func whatIsNoBase64IsRefused(_ text: String) {
        let data = "LS0tLS1CRUdJTiAt" + text
        #expect(throws: ConfigurationError.self) {
            try KubeconfigTests.read(
                KubeconfigTests.text(cluster: "server: https://h\ncertificate-authority-data: \"\(data)\""))
        }
    }
}
