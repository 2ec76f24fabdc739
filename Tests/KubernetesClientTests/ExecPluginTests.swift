import FairleadTestKit
import FoundationEssentials
import Glibc
import KubernetesConfiguration
import Logging
import Testing

@testable import KubernetesClient

@Suite("Exec plugins and token files")
struct ExecPluginTests {
    /// A directory with a plugin that is a shell script.
    struct Bench {
        let directory: TemporaryDirectory
        var plugin: ConnectionSettings.ExecPlugin
        var settings = ConnectionSettings(server: "https://api.example.com:6443")
        var timeLimit: Duration = .seconds(30)

        init(_ script: String, version: String = "v1") throws {
            directory = try TemporaryDirectory()
            let path = try directory.write("#!/bin/sh\n" + script, to: "plugin")
            chmod(path, 0o755)
            plugin = .init(command: path, apiVersion: "client.authentication.k8s.io/\(version)")
        }

        func authenticator() -> Authenticator {
            var settings = settings
            settings.credential = .exec(plugin)
            return Authenticator(
                settings, environment: ["PATH": "/usr/bin:/bin", "INHERITED": "yes"], logger: Logger(label: "test"),
                pluginTimeLimit: timeLimit)
        }

        /// How often the plugin has run, if its script says so.
        var runs: Int {
            get throws {
                String(decoding: try SmallFile.read("\(directory.path)/runs"), as: UTF8.self).split(separator: "\n")
                    .count
            }
        }
    }

    static func credential(_ status: String, version: String = "v1") -> String {
        "{\"apiVersion\":\"client.authentication.k8s.io/\(version)\",\"kind\":\"ExecCredential\",\"status\":{\(status)}}"
    }

    @Test("A plugin's token is shown as a bearer token", arguments: ["v1", "v1beta1"])
    func token(version: String) async throws {
        let answer = Self.credential(#""token":"abc.def""#, version: version)
        let bench = try Bench("echo '\(answer)'", version: version)
        #expect(try await bench.authenticator().ticket() == Ticket(authorization: "Bearer abc.def"))
    }

    @Test("A plugin gets its arguments, its variables, the daemon's, and nothing to read")
    func environment() async throws {
        var bench = try Bench(
            #"""
            read -r line && exit 9
            printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}' \
                "$1-$OWN-$INHERITED-$#"
            """#)
        bench.plugin.arguments = ["first; echo no shell", "second"]
        bench.plugin.arguments[0] = "first"
        bench.plugin.environment = ["OWN": "own"]
        #expect(try await bench.authenticator().ticket().authorization == "Bearer first-own-yes-2")
    }

    @Test("A plugin learns of the cluster only if it is to")
    func clusterInfo() async throws {
        for provides in [false, true] {
            var bench = try Bench(
                "printf '%s' \"$KUBERNETES_EXEC_INFO\" > $(dirname $0)/info; echo '\(Self.credential(#""token":"t""#))'"
            )
            bench.plugin.providesClusterInfo = provides
            bench.settings.certificateAuthority = .inline(Array("PEM".utf8))
            bench.settings.tlsServerName = "name"
            _ = try await bench.authenticator().ticket()
            let info = String(decoding: try SmallFile.read("\(bench.directory.path)/info"), as: UTF8.self)
            let head = #"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"#
            let cluster =
                #""cluster":{"certificate-authority-data":"UEVN","server":"https://api.example.com:6443","tls-server-name":"name"},"#
            #expect(info == head + (provides ? cluster : "") + #""interactive":false}}"#)
        }
    }

    @Test("A credential is kept until it expires, and fetched again when the server does not want it any more")
    func caching() async throws {
        let bench = try Bench(
            #"echo run >> $(dirname $0)/runs; echo "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"$(wc -l < $(dirname $0)/runs)\",\"expirationTimestamp\":\"2999-01-01T00:00:00Z\"}}""#
        )
        let authenticator = bench.authenticator()
        async let other = authenticator.ticket()
        let first = try await authenticator.ticket()
        #expect(try await other == first)
        #expect(try await authenticator.ticket() == first)
        #expect(try bench.runs == 1)
        await authenticator.rejected(Ticket(authorization: "Bearer another"))
        #expect(try await authenticator.ticket() == first)
        await authenticator.rejected(first)
        #expect(try await authenticator.ticket().authorization == "Bearer 2")
        #expect(try bench.runs == 2)
    }

    @Test("What has expired is fetched again", arguments: ["2001-01-01T00:00:00Z", "2001-01-01T00:00:00.123456Z"])
    func expired(time: String) async throws {
        let answer = Self.credential(#""token":"t","expirationTimestamp":"\#(time)""#)
        let bench = try Bench("echo run >> $(dirname $0)/runs; echo '\(answer)'")
        let authenticator = bench.authenticator()
        _ = try await authenticator.ticket()
        _ = try await authenticator.ticket()
        #expect(try bench.runs == 2)
    }

    @Test("A plugin may give a client certificate")
    func identity() async throws {
        let bench = try Bench("echo '\(Self.credential(#""clientCertificateData":"CERT","clientKeyData":"KEY""#))'")
        let ticket = try await bench.authenticator().ticket()
        #expect(ticket == Ticket(identity: ClientIdentity(certificate: Array("CERT".utf8), key: Array("KEY".utf8))))
    }

    @Test(
        "A plugin that fails is named, with what it said",
        arguments: [
            ("echo 'please log in' >&2; exit 3", ["status 3", "please log in"]),
            ("echo nonsense", ["did not print an ExecCredential"]),
            ("kill -9 $$", ["status 137"]),
            (#"echo '{"apiVersion":"v1","kind":"Status"}'"#, ["v1 Status"]),
            (#"echo '{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential"}'"#, ["v1beta1"]),
            (#"echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential"}'"#, ["no status"]),
            ("echo '\(credential(""))'", ["neither a token nor a certificate"]),
            ("echo '\(credential(#""clientKeyData":"KEY""#))'", ["without the other"]),
            ("echo '\(credential(#""token":"t","expirationTimestamp":"soon""#))'", ["soon"]),
            ("echo '\(credential(#""token":"a\\nb""#))'", ["characters"]),
        ])
    func failures(script: String, words: [String]) async throws {
        let bench = try Bench(script)
        let authenticator = bench.authenticator()
        do {
            _ = try await authenticator.ticket()
            Issue.record("no error")
        } catch {
            #expect(error.cause == .credential)
            for word in words { #expect(error.description.contains(word)) }
            #expect(!error.description.contains("\n"))
        }
    }

    @Test("A plugin that is not there is named, with the advice of the kubeconfig")
    func missing() async throws {
        var bench = try Bench("")
        bench.plugin.command = "no-such-plugin"
        bench.plugin.installHint = "install it\nfrom somewhere"
        let authenticator = bench.authenticator()
        let error = await #expect(throws: APIError.self) { _ = try await authenticator.ticket() }
        #expect(
            error?.description
                == "exec plugin no-such-plugin: no such program. install it from somewhere")
    }

    @Test("A plugin that takes too long is killed, with whatever it has started", .timeLimit(.minutes(1)))
    func late() async throws {
        var bench = try Bench("sleep 1000 & echo $! > $(dirname $0)/pid; sleep 1000")
        bench.timeLimit = .milliseconds(300)
        let authenticator = bench.authenticator()
        let error = await #expect(throws: APIError.self) { _ = try await authenticator.ticket() }
        #expect(error?.description.contains("was not done after") == true)
        let text = String(decoding: try SmallFile.read("\(bench.directory.path)/pid"), as: UTF8.self)
        let process = try #require(pid_t(text.split(separator: "\n")[0]))
        // Whoever inherits it may not have buried it.
        try await eventually("the end of \(process)") {
            guard let state = try? SmallFile.read("/proc/\(process)/stat") else { return true }
            return String(decoding: state, as: UTF8.self).contains(") Z ")
        }
    }

    @Test("A plugin that closes its output before it ends is waited for")
    func closedOutput() async throws {
        let bench = try Bench("echo '\(Self.credential(#""token":"t""#))'; exec >&- 2>&-; sleep 0.2; exit 0")
        #expect(try await bench.authenticator().ticket().authorization == "Bearer t")
    }

    @Test("A token file is read again when its time is over, or the server does not want the token any more")
    func tokenFile() async throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("first\n", to: "token")
        for lifetime in [Duration.zero, .seconds(1000)] {
            try directory.write("first\n", to: "token")
            var settings = ConnectionSettings(server: "https://api.example.com")
            settings.credential = .tokenFile(path)
            let authenticator = Authenticator(
                settings, environment: [:], logger: Logger(label: "test"), fileLifetime: lifetime)
            let first = try await authenticator.ticket()
            #expect(first == Ticket(authorization: "Bearer first"))
            try directory.write("second", to: "token")
            #expect(
                try await authenticator.ticket().authorization == (lifetime == .zero ? "Bearer second" : "Bearer first")
            )
            await authenticator.rejected(first)
            #expect(try await authenticator.ticket().authorization == "Bearer second")
            // Somebody is writing: what was good a moment ago is shown.
            directory.remove("token")
            await authenticator.rejected(Ticket(authorization: "Bearer second"))
            #expect(try await authenticator.ticket().authorization == "Bearer second")
        }
    }

    @Test("A token file that is not there, or empty, is named")
    func badTokenFile() async throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(" \n", to: "token")
        for (path, words) in [(path, "it is empty"), ("/nowhere/token", "No such file")] {
            var settings = ConnectionSettings(server: "https://api.example.com")
            settings.credential = .tokenFile(path)
            let authenticator = Authenticator(settings, environment: [:], logger: Logger(label: "test"))
            let error = await #expect(throws: APIError.self) { _ = try await authenticator.ticket() }
            #expect(error?.cause == .credential)
            #expect(error?.description.contains("token file \(path): \(words)") == true)
        }
    }

    @Test("User and password, a token, and nobody")
    func simple() async throws {
        let cases: [(ConnectionSettings.Credential, String?)] = [
            (.none, nil), (.token("abc"), "Bearer abc"),
            (.basic(username: "user", password: "pass word"), "Basic dXNlcjpwYXNzIHdvcmQ="),
        ]
        for (credential, expected) in cases {
            var settings = ConnectionSettings(server: "https://api.example.com")
            settings.credential = credential
            let authenticator = Authenticator(settings, environment: [:], logger: Logger(label: "test"))
            #expect(try await authenticator.ticket().authorization == expected)
        }
    }
}
