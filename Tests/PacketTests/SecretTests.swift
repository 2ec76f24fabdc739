import APIServerKit
import FairleadTestKit
import FoundationEssentials
import Glibc
import NetworkTypes
import Testing

/// What lets somebody in is said to nobody: not in the log, whatever its level, and not in an error.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct SecretTests {
    private static let secret = "Hush0123456789abcdefHush"
    private static var encoded: String { Data("PRIVATE\(secret)".utf8).base64EncodedString() }
    private static var key: String {
        let lines = "-----BEGIN PRIVATE KEY-----\n\(encoded)\n-----END PRIVATE KEY-----\n"
        return Data(lines.utf8).base64EncodedString()
    }

    /// What a kubeconfig says of its user, and of the cluster; `DIR` stands for the test's folder.
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var user: [String] = []
        var cluster: [String] = []
        /// Whether the server lets the credential in.
        var isGood = false
    }

    static let cases: [Case] = [
        Case(testDescription: "a token that is refused", user: ["token: \(secret)"]),
        Case(testDescription: "a token that is accepted", user: ["token: \(secret)"], isGood: true),
        Case(testDescription: "a token in a file", user: ["tokenFile: DIR/token"]),
        Case(testDescription: "a file of two tokens", user: ["tokenFile: DIR/tokens"]),
        Case(testDescription: "a password", user: ["username: me", "password: \(secret)"]),
        Case(testDescription: "a token that is none", user: ["token: \"\(secret) \\n\""]),
        Case(testDescription: "a token that is a map", user: ["token: {\(secret): a}"]),
        Case(
            testDescription: "a token and a password", user: ["token: \(secret)", "username: a", "password: \(secret)"]),
        Case(testDescription: "a quote without an end", user: ["token: \"\(secret)"]),
        Case(testDescription: "a bracket without an end", user: ["token: [\(secret)"]),
        Case(
            testDescription: "a key that is none",
            user: ["client-certificate: DIR/ca.crt", "client-key-data: \(key)"]),
        Case(
            testDescription: "a key that is not base64",
            user: ["client-certificate: DIR/ca.crt", "client-key-data: \"\(secret)!\""]),
        Case(
            testDescription: "a key without its block",
            user: ["client-certificate: DIR/ca.crt", "client-key-data: \(encoded)"]),
        Case(testDescription: "a key in a file", user: ["client-certificate: DIR/ca.crt", "client-key: DIR/token"]),
        Case(testDescription: "a plugin's token", user: plugin("token")),
        Case(testDescription: "a plugin that prints something else", user: plugin("nonsense")),
        Case(testDescription: "a plugin that fails", user: plugin("failure")),
        Case(
            testDescription: "a proxy's password", user: ["token: \(secret)"],
            cluster: ["proxy-url: http://me:\(secret)@127.0.0.1:1"]),
        Case(
            testDescription: "a proxy that is invalid", user: ["token: \(secret)"],
            cluster: ["proxy-url: \"me:\(secret)@:x\""]),
        Case(
            testDescription: "a proxy with a password that none can be given", user: ["token: \(secret)"],
            cluster: ["proxy-url: https://me:\(secret)@127.0.0.1:1"]),
    ]

    private static func plugin(_ what: String) -> [String] {
        [
            "exec: {apiVersion: client.authentication.k8s.io/v1, command: DIR/plugin, args: [\(what)],"
                + " env: [{name: SECRET, value: \(secret)}], interactiveMode: Never}"
        ]
    }

    private static let script = #"""
        #!/bin/sh
        case $1 in
        token) echo "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"$SECRET\"}}" ;;
        nonsense) echo "token $SECRET" ;;
        failure) echo "token $SECRET"; exit 3 ;;
        esac

        """#

    @Test("a credential is never said", arguments: cases, ["text", "json"])
    func silence(_ test: Case, _ format: String) async throws {
        let namespace = try NetworkNamespace("secrets")
        let directory = try TemporaryDirectory()
        let authority = try await Self.authority.value()
        let server = try await FakeAPIServer(in: namespace, certificate: authority.server)
        server.behave { $0.tokens = test.isGood ? [Self.secret] : ["another"] }
        try directory.write(Self.secret, to: "token")
        try directory.write("\(Self.secret) \(Self.secret)\n", to: "tokens")
        try directory.write(authority.authority.certificate, to: "ca.crt")
        chmod(try directory.write(Self.script, to: "plugin"), 0o755)
        let text = server.kubeconfig(authority: authority.authority, user: test.user, cluster: test.cluster)
        let path = try directory.write(text.replacing("DIR", with: directory.path), to: "kubeconfig")
        let daemon = try await FairleadCommand().start(
            [
                "run", "--kubeconfig", path, "--node-name", "node1", "--cluster-cidr", "10.128.0.0/16", "--log-level",
                "trace", "--log-format", format,
            ], in: namespace)
        // The server has answered, or it was said what is wrong.
        let signs = test.isGood ? ["serving"] : ["401", "error", "warning"]
        let isThere = await eventually(within: .seconds(60)) {
            signs.contains { daemon.output.contains($0) } || !daemon.isRunning
        }
        #expect(isThere, "\(daemon.output)")
        daemon.signal(SIGTERM)
        _ = try await daemon.waitForEnd(timeLimit: .seconds(30))
        await server.stop()
        let basic = Data("me:\(Self.secret)".utf8).base64EncodedString()
        for secret in [Self.secret, Self.encoded, Self.key, basic] {
            #expect(!daemon.output.contains(secret), "\(daemon.output)")
        }
    }

    private static let authority = Shared { () async throws(TestKitError) in
        let authority = try await CertificateAuthority()
        // The authority's files last as long as it does.
        return (owner: authority, authority: authority.authority, server: try await authority.server())
    }
}
