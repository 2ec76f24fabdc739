import ArgumentParser
import FairleadTestKit
import KubernetesConfiguration
import NodeAgent
import Testing

@testable import FairleadCommands

@Suite struct SourceChoiceTests {
    private static let kubeconfig = """
        current-context: a
        contexts: [{name: a, context: {cluster: c}}, {name: b, context: {cluster: d}}]
        clusters: [{name: c, cluster: {server: https://c}}, {name: d, cluster: {server: https://d}}]

        """

    /// A folder with a kubeconfig and the credentials of a service account.
    private static func folder() throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        try directory.write(kubeconfig, to: "kubeconfig")
        try directory.write("token", to: "token")
        try directory.write("-----BEGIN CERTIFICATE-----", to: "ca.crt")
        return directory
    }

    /// What options come to; `FOLDER` stands for the folder. `file` is clientConnection.kubeconfig.
    private static func choose(_ arguments: [String], file: String = "", isPod: Bool = true) throws -> SourceChoice {
        let folder = try folder()
        func path(_ text: String) -> String { text.replacing("FOLDER", with: folder.path) }
        let run = try parse(arguments.map(path))
        var connection = KubeProxyConfiguration().clientConnection
        connection.kubeconfig = run.source.kubeconfig ?? path(file)
        return try run.source.choose(
            connection,
            environment: isPod ? ["KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"] : [:],
            serviceAccount: folder.path)
    }

    private static func server(_ choice: SourceChoice) -> String? {
        if case .api(let settings) = choice { settings.server } else { nil }
    }

    @Test(arguments: [
        (["--kubeconfig=FOLDER/kubeconfig"], "", "https://c"), ([], "FOLDER/kubeconfig", "https://c"),
        (["--context=b"], "FOLDER/kubeconfig", "https://d"), (["--master=m"], "FOLDER/kubeconfig", "http://m"),
        (["--master=https://m"], "", "https://m"), ([], "", "https://10.96.0.1:443"),
        (["--in-cluster"], "FOLDER/kubeconfig", "https://10.96.0.1:443"),
        (["--in-cluster", "--master=https://m"], "", "https://m"),
        (["--kubeconfig=FOLDER/kubeconfig"], "/not/read", "https://c"),
    ])
    func anAPIServerIsChosen(_ arguments: [String], _ file: String, _ server: String) throws {
        #expect(Self.server(try Self.choose(arguments, file: file)) == server)
    }

    @Test func manifestsWinOverTheFile() throws {
        guard case .manifests(let paths) = try Self.choose(["--manifests", "a", "--manifests", "b"], file: "/x") else {
            Issue.record("no manifests")
            return
        }
        #expect(paths == ["a", "b"])
    }

    @Test(arguments: [
        (
            ["--manifests=a", "--kubeconfig=b"],
            "--manifests and --kubeconfig name two sources of objects; one is possible"
        ),
        (
            ["--manifests=a", "--in-cluster"],
            "--manifests and --in-cluster name two sources of objects; one is possible"
        ),
        (["--in-cluster", "--context=b"], "--in-cluster and --context contradict each other"),
        (["--context=b"], "--context needs --kubeconfig"),
        ([], "there is no source of objects: give --manifests or --kubeconfig, or run in a pod"),
    ])
    func whatContradictsItselfIsWrongUsage(_ arguments: [String], _ message: String) {
        do {
            _ = try Self.choose(arguments, isPod: false)
            Issue.record("accepted")
        } catch {
            #expect(Run.message(for: error) == message)
            #expect(Run.exitCode(for: error) == .validationFailure)
        }
    }

    @Test(arguments: [
        (["--in-cluster"], "KUBERNETES_SERVICE_HOST: is not set in the environment: this is no pod of a cluster"),
        (["--kubeconfig=/nowhere"], "/nowhere: cannot be read: No such file or directory"),
    ])
    func whatIsNotThereIsNamed(_ arguments: [String], _ message: String) {
        do {
            _ = try Self.choose(arguments, isPod: false)
            Issue.record("accepted")
        } catch {
            #expect("\(error)" == message)
        }
    }
}
