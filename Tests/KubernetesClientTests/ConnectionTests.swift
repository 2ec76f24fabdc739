import APIServerKit
import FairleadTestKit
import KubernetesConfiguration
import KubernetesModel
import Testing

@testable import KubernetesClient

/// Connections to a server in a namespace, over TLS.
@Suite(
    "APIConnection", .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"),
    .timeLimit(.minutes(3)))
struct ConnectionTests {
    /// Expects an error of a cause, with words in it, on one line.
    private func expect(
        _ cause: APIError.Cause, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation,
        _ body: () async throws -> Void
    ) async {
        do {
            try await body()
            Issue.record("no error", sourceLocation: sourceLocation)
        } catch let error as APIError {
            #expect(error.cause == cause, "\(error)", sourceLocation: sourceLocation)
            for word in words { #expect(error.description.contains(word), sourceLocation: sourceLocation) }
            #expect(!error.description.contains("\n"), sourceLocation: sourceLocation)
        } catch { Issue.record(error, sourceLocation: sourceLocation) }
    }

    @Test("The server's authority may stand in a file or in the settings, or need not be known")
    func authorities() async throws {
        try await Bench.run { (bench) async throws in
            var settings = bench.settings
            #expect(try await bench.isAnswered(settings))
            settings.certificateAuthority = .inline(Array(bench.authority.authority.certificate.utf8))
            #expect(try await bench.isAnswered(settings))
            settings.certificateAuthority = nil
            settings.skipsVerification = true
            #expect(try await bench.isAnswered(settings))
            settings.skipsVerification = false
            await expect(.trust, "GET \(bench.server.url)/api/v1/nodes: TLS: ", "not of a trusted authority") {
                _ = try await bench.isAnswered(settings)
            }
        }
    }

    @Test("A certificate for another host is refused, unless tls-server-name says that it is the right one")
    func serverName() async throws {
        try await Bench.run { (bench) async throws in
            var settings = bench.settings
            let cases: [(names: [String], serverName: String?, isRight: Bool)] = [
                (["DNS:api.example.com", "IP:10.0.0.1"], nil, false),
                (["DNS:api.example.com", "IP:10.0.0.1"], "api.example.com", true),
                (["DNS:*.example.com"], "api.example.com", true),
                (["DNS:api.example.com", "IP:10.0.0.1"], "other.example.com", false),
                (["DNS:api.example.com", "IP:10.0.0.1"], "10.0.0.1", true),
                (["DNS:api.example.com", "IP:127.0.0.1"], "10.0.0.1", false),
                (["IP:fd00::1"], "fd00::1", true), (["IP:fd00::1"], "fd00::2", false),
            ]
            for (index, (names, serverName, isRight)) in cases.enumerated() {
                try bench.server.use(try await bench.authority.server("case-\(index)-\(#line)", names: names))
                settings.tlsServerName = serverName
                if isRight {
                    #expect(try await bench.isAnswered(settings))
                    #expect(bench.server.requests.last?.headers["host"] == "127.0.0.1:6443")
                } else {
                    let count = bench.server.requests.count
                    await expect(.trust, "TLS: the server's certificate is not for ") {
                        _ = try await bench.isAnswered(settings)
                    }
                    #expect(bench.server.requests.count == count)
                }
            }
        }
    }

    @Test("A client certificate is shown where the server wants one, from files or from the settings")
    func clientCertificate() async throws {
        try await Bench.run { (bench) async throws in
            let client = try await bench.authority.client("client-\(#line)")
            let certificate = try await bench.authority.server("server-\(#line)")
            try bench.server.use(certificate, clientAuthority: bench.authority.authority)
            var settings = bench.settings
            await expect(.trust, "the server wants a client certificate") {
                _ = try await bench.isAnswered(settings)
            }
            settings.clientCertificate = .file(client.certificatePath)
            settings.clientKey = .file(client.keyPath)
            #expect(try await bench.isAnswered(settings))
            settings.clientCertificate = .inline(Array(client.certificate.utf8))
            settings.clientKey = .inline(Array(client.key.utf8))
            #expect(try await bench.isAnswered(settings))
            // As kubelet keeps them: both in one file.
            settings.clientCertificate = .inline(Array((client.certificate + client.key).utf8))
            settings.clientKey = settings.clientCertificate
            #expect(try await bench.isAnswered(settings))
            let other = try await CertificateAuthority("another authority")
            let stranger = try await other.client()
            settings.clientCertificate = .inline(Array(stranger.certificate.utf8))
            settings.clientKey = .inline(Array(stranger.key.utf8))
            await expect(.trust, "TLS: ") {
                _ = try await bench.isAnswered(settings)
            }
        }
    }

    @Test("Certificates that are invalid are named before anything is sent")
    func badMaterial() async throws {
        try await Bench.run { (bench) async throws in
            let first = try await bench.authority.client("client-\(#line)")
            let second = try await bench.authority.client("client-\(#line)")
            var settings = bench.settings
            settings.certificateAuthority = .file("/nowhere/ca.crt")
            await expect(.settings, "/nowhere/ca.crt: No such file or directory") {
                _ = try await bench.isAnswered(settings)
            }
            settings.certificateAuthority = .inline(Array("PEM".utf8))
            await expect(.settings, "certificate-authority: no certificate in PEM") {
                _ = try await bench.isAnswered(settings)
            }
            settings = bench.settings
            settings.clientCertificate = .file(first.certificatePath)
            await expect(.settings, "belong together") {
                _ = try await bench.isAnswered(settings)
            }
            settings.clientKey = .file(second.keyPath)
            await expect(.settings, "do not fit together") {
                _ = try await bench.isAnswered(settings)
            }
            settings.clientKey = .inline(Array("no key".utf8))
            await expect(.settings, "client-key: no private key") {
                _ = try await bench.isAnswered(settings)
            }
            #expect(bench.server.connectionCount == 0)
        }
    }

    @Test("A server that is not there, and one that does not speak TLS")
    func unreachable() async throws {
        try await Bench.run(isSecure: false) { (bench) async throws in
            var settings = bench.settings
            // A name: the sockets of addresses without TLS belong to the thread of the caller.
            settings.server = "http://localhost:6443"
            #expect(try await bench.isAnswered(settings))
            settings.server = "https://127.0.0.1:6443"
            await expect(.trust, "does not speak TLS") {
                _ = try await bench.isAnswered(settings)
            }
            settings.server = "https://127.0.0.1:6444"
            await expect(.connection, "GET https://127.0.0.1:6444/api/v1/nodes: ", "Connection refused") {
                _ = try await bench.isAnswered(settings)
            }
            settings.server = "https://host.invalid"
            await expect(.connection, "cannot look up host.invalid") {
                _ = try await bench.isAnswered(settings)
            }
        }
    }

    @Test("What every request has: who asks, in whose place, and for what")
    func headers() async throws {
        try await Bench.run { (bench) async throws in
            var settings = bench.settings
            settings.credential = .token("secret")
            settings.impersonatedUser = "someone"
            settings.impersonatedUID = "42"
            settings.impersonatedGroups = ["one", "two"]
            settings.impersonatedExtra = ["example.com/scopes": ["a", "b"]]
            _ = try await bench.isAnswered(settings)
            let headers = try #require(bench.server.requests.last).headers
            #expect(headers["user-agent"]?.hasPrefix("fairlead/1.2.3 (linux/") == true)
            #expect(headers["authorization"] == "Bearer secret")
            #expect(headers["impersonate-user"] == "someone")
            #expect(headers["impersonate-uid"] == "42")
            #expect(headers["impersonate-group"] == "one,two")
            #expect(headers["impersonate-extra-example.com%2fscopes"] == "a,b")
            #expect(headers["accept"] == "application/vnd.kubernetes.protobuf,application/json")
        }
    }

    @Test("A path in the server's URL stands before the API's")
    func prefix() async throws {
        try await Bench.run { (bench) async throws in
            var settings = bench.settings
            settings.server += "/k8s/clusters/c-1/"
            let error = await #expect(throws: APIError.self) {
                _ = try await bench.isAnswered(settings)
            }
            #expect(error?.statusCode == 404)
            #expect(bench.server.requests.last?.path == "/k8s/clusters/c-1/api/v1/nodes")
        }
    }

    @Test("A token that the server does not want any more is replaced within the same request")
    func rotatedToken() async throws {
        try await Bench.run { (bench) async throws in
            let directory = try TemporaryDirectory()
            let path = try directory.write("old", to: "token")
            bench.server.behave { $0.tokens = ["old"] }
            var settings = bench.settings
            settings.credential = .tokenFile(path)
            try await bench.withConnection(settings) { (connection) async throws in
                #expect(try await bench.isAnswered(on: connection))
                bench.server.behave { $0.tokens = ["new"] }
                let error = await #expect(throws: APIError.self) { _ = try await bench.isAnswered(on: connection) }
                #expect(error?.description.hasSuffix("/api/v1/nodes: 401 Unauthorized") == true)
                try directory.write("new", to: "token")
                #expect(try await bench.isAnswered(on: connection))
            }
        }
    }

    @Test("An exec plugin gives the certificate that the server wants")
    func pluginCertificate() async throws {
        try await Bench.run { (bench) async throws in
            let client = try await bench.authority.client("client-\(#line)")
            let certificate = try await bench.authority.server("server-\(#line)")
            try bench.server.use(certificate, clientAuthority: bench.authority.authority)
            func text(_ pem: String) -> String { pem.split(separator: "\n").joined(separator: "\\n") + "\\n" }
            let directory = try TemporaryDirectory()
            let answer = ExecPluginTests.credential(
                #""clientCertificateData":"\#(text(client.certificate))","clientKeyData":"\#(text(client.key))""#)
            let path = try directory.write(answer, to: "answer")
            var settings = bench.settings
            var plugin = ConnectionSettings.ExecPlugin(command: "cat", apiVersion: "client.authentication.k8s.io/v1")
            plugin.arguments = [path]
            settings.credential = .exec(plugin)
            #expect(try await bench.isAnswered(settings))
        }
    }

    @Test("New certificates are used by the next request, and do not end a watch under way")
    func rotatedCertificates() async throws {
        try await Bench.run { (bench) async throws in
            let files = try TemporaryDirectory()
            let authorityPath = try files.write(bench.authority.authority.certificate, to: "ca.crt")
            var settings = bench.settings
            settings.certificateAuthority = .file(authorityPath)
            try await bench.withConnection(settings) { (connection) async throws in
                var watch = APIRequest(path: "/api/v1/nodes")
                watch.query = [("watch", "true")]
                let request = watch
                let watching = Task {
                    try await connection.perform(request, silence: .seconds(60)) { (body) async throws(APIError) in
                        var count = 0
                        while try await body.next() != nil { count += 1 }
                        return count
                    }
                }
                try await eventually("a watch") { bench.server.cluster.watchCount == 1 }
                let other = try await CertificateAuthority("new authority")
                try bench.server.use(try await other.server())
                // The one connection is taken by the watch: this needs another one.
                await expect(.trust, "not of a trusted authority") { _ = try await bench.isAnswered(on: connection) }
                try files.write("half a certif", to: "ca.crt")
                await expect(.trust, "not of a trusted authority") { _ = try await bench.isAnswered(on: connection) }
                #expect(bench.journal.lines.contains { $0.contains("ca.crt: no certificate in PEM") })
                try files.write(other.authority.certificate, to: "ca.crt")
                #expect(try await bench.isAnswered(on: connection))
                bench.server.cluster.apply([.node(Node(name: "a"))])
                await bench.server.disturb(.end)
                #expect(try await watching.value >= 1)
            }
        }
    }

    @Test("A silent server is not waited for longer than the limit, and not asked again on the same connection")
    func silence() async throws {
        try await Bench.run { (bench) async throws in
            bench.server.cluster.apply([.node(Node(name: "a"))])
            bench.server.add(Trouble(.stall(afterBytes: 10)))
            var options = bench.options
            options.silenceLimit = .milliseconds(300)
            try await bench.withConnection(options: options) { (connection) async throws in
                await expect(.silence, "nothing came for") { _ = try await bench.isAnswered(on: connection) }
                #expect(try await bench.isAnswered(on: connection))
                #expect(bench.server.connectionCount == 2)
                // Slow is not silent.
                bench.server.add(Trouble(.drip(bytes: 10, milliseconds: 50)))
                #expect(try await bench.isAnswered(on: connection))
            }
        }
    }

    @Test("Requests go through the proxy of the settings; the server's address is still the one that counts")
    func proxy() async throws {
        try await Bench.run { (bench) async throws in
            try bench.namespace.ip(["addr add 10.9.9.9/32 dev lo", "addr add 10.9.9.8/32 dev lo"])
            let proxy = try await ForwardProxy(
                in: bench.namespace, address: "10.9.9.9", port: 3128, target: ("127.0.0.1", 6443))
            var settings = bench.settings
            settings.proxyURL = "http://me:secret@10.9.9.9:3128"
            #expect(try await bench.isAnswered(settings))
            #expect(proxy.targets.last == "127.0.0.1:6443")
            #expect(proxy.credentials.last == "bWU6c2VjcmV0")
            // The certificate is for 127.0.0.1, where the proxy connects to, and not for 10.9.9.8.
            settings.server = "https://10.9.9.8:6443"
            await expect(.trust, "not for the address 10.9.9.8") {
                _ = try await bench.isAnswered(settings)
            }
            // A certificate for the proxy's own address is none for the server's.
            try bench.server.use(try await bench.authority.server("proxy-\(#line)", names: ["IP:10.9.9.9"]))
            await expect(.trust, "not for the address 10.9.9.8") {
                _ = try await bench.isAnswered(settings)
            }
            settings.server = "https://localhost:6443"
            settings.proxyURL = nil
            var options = bench.options
            options.environment["HTTPS_PROXY"] = "http://10.9.9.9:3128"
            try bench.server.use(try await bench.authority.server("name-\(#line)", names: ["DNS:api.example.com"]))
            settings.server = "https://api.example.com:6443"
            #expect(try await bench.isAnswered(settings, options: options))
            #expect(proxy.targets.last == "api.example.com:6443")
            await proxy.stop()
        }
    }

    @Test("Answers that are no success are told in the server's words")
    func answers() async throws {
        try await Bench.run { (bench) async throws in
            try await bench.withConnection { (connection) async throws in
                for (trouble, words, wait) in [
                    (
                        Trouble.Kind.status(403, reason: "Forbidden", message: "nodes is forbidden"),
                        "403 nodes is forbidden", nil
                    ),
                    (.status(429, message: "slow down", retryAfter: 3), "429 slow down", 3),
                    (.text(502, "bad\r\ngateway"), "502 bad gateway", nil),
                    (.status(500), "500", nil),
                ] as [(Trouble.Kind, String, Int?)] {
                    bench.server.add(Trouble(trouble))
                    let error = await #expect(throws: APIError.self) { _ = try await bench.isAnswered(on: connection) }
                    #expect(error?.description == "GET \(bench.server.url)/api/v1/nodes: \(words)")
                    #expect(error?.retryAfter == wait.map { .seconds($0) })
                }
                bench.server.add(Trouble(.hangUp))
                await expect(.connection, "the connection was closed") {
                    _ = try await bench.isAnswered(on: connection)
                }
            }
        }
    }

    @Test("A request that is cancelled ends at once")
    func cancellation() async throws {
        try await Bench.run { (bench) async throws in
            bench.server.add(Trouble(.stall(afterBytes: 0)))
            try await bench.withConnection { (connection) async throws in
                let request = Task { try await bench.isAnswered(on: connection) }
                try await eventually("the request") { !bench.server.requests.isEmpty }
                request.cancel()
                await expect(.cancelled) { _ = try await request.value }
            }
        }
    }
}
