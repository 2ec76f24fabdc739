import FairleadTestKit
import KubernetesConfiguration
import Testing

@Suite struct InClusterTests {
    private static let environment = ["KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"]

    private static func mount() throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        try directory.write("token", to: "token")
        try directory.write(KubeconfigTests.certificate, to: "ca.crt")
        return directory
    }

    @Test func aPodFindsItsServer() throws {
        let directory = try Self.mount()
        let settings = try ConnectionSettings.inCluster(environment: Self.environment, directory: directory.path)
        var expected = ConnectionSettings(server: "https://10.96.0.1:443")
        expected.credential = .tokenFile(directory.path + "/token")
        expected.certificateAuthority = .file(directory.path + "/ca.crt")
        #expect(settings == expected)
        let six = ["KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"]
        #expect(
            try ConnectionSettings.inCluster(environment: six, directory: directory.path).server
                == "https://[fd00::1]:6443")
        let master = try ConnectionSettings.inCluster(
            environment: [:], directory: directory.path, server: "https://other/")
        #expect(master.server == "https://other")
    }

    @Test func filesAreReadFromTheirPath() throws {
        let directory = try TemporaryDirectory()
        let kubeconfig = try directory.write(KubeconfigTests.text(), to: "kubeconfig")
        #expect(try Kubeconfig.settings(path: kubeconfig).credential == .token("abc"))
        let text = header + KubeProxyConfigurationTests.kubeadm
        let draft = try ConfigurationDraft(file: try directory.write(text, to: "config.conf"))
        #expect(draft.configuration.clusterCIDR == "10.244.0.0/16")
    }

    @Test(
        arguments: [
            ([:], "KUBERNETES_SERVICE_HOST: is not set in the environment: this is no pod of a cluster"),
            (
                ["KUBERNETES_SERVICE_HOST": "10.96.0.1"],
                "KUBERNETES_SERVICE_PORT: is not set in the environment: this is no pod of a cluster"
            ),
            (
                ["KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "x"],
                "KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT: has a port outside 1 to 65535"
            ),
        ] as [([String: String], String)])
    func anEnvironmentOfNoPodIsNamed(_ environment: [String: String], _ message: String) throws {
        let directory = try Self.mount()
        do throws(ConfigurationError) {
            _ = try ConnectionSettings.inCluster(environment: environment, directory: directory.path)
            Issue.record("accepted")
        } catch {
            #expect(error.description == message)
        }
    }

    @Test func aMountWithoutItsFilesIsNamed() throws {
        let directory = try Self.mount()
        let (token, authority) = (directory.path + "/token", directory.path + "/ca.crt")
        directory.remove("ca.crt")
        #expect(throws: ConfigurationError(authority, "cannot be read: No such file or directory")) {
            try ConnectionSettings.inCluster(environment: Self.environment, directory: directory.path)
        }
        try directory.write("", to: "token")
        #expect(throws: ConfigurationError(token, "is empty")) {
            try ConnectionSettings.inCluster(environment: Self.environment, directory: directory.path)
        }
    }
}
