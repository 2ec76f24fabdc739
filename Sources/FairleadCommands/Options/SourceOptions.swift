import ArgumentParser
import Glibc
import KubernetesConfiguration
import NodeAgent

/// Where the objects come from, as the command line has it.
struct SourceOptions: ParsableArguments, KubeProxyOptions {
    @Option(
        help: ArgumentHelp(
            "File or directory of manifests (YAML or JSON); may be given several times.",
            discussion: "Of a directory, the files that end in .yaml, .yml or .json are read, subdirectories are not."))
    var manifests: [String] = []

    @Option(
        help: ArgumentHelp(
            "File that says how to reach the API server and who to be.",
            discussion: "Without it, and without --manifests, a pod's service account is used."))
    var kubeconfig: String?

    @Option(help: "Context of the kubeconfig. Default: its current-context.")
    var context: String?

    @Option(help: "Address of the API server, in place of the kubeconfig's.")
    var master: String?

    @Flag(help: "Use a pod's service account, whatever the configuration file says.")
    var inCluster = false

    var given: [(name: String, value: String)] {
        var given: [(name: String, value: String)] = []
        given.add("kubeconfig", kubeconfig)
        return given
    }

    func validate() throws {
        let api = [
            ("--kubeconfig", kubeconfig != nil), ("--master", master != nil), ("--context", context != nil),
            ("--in-cluster", inCluster),
        ].filter(\.1).map(\.0)
        if !manifests.isEmpty, let other = api.first {
            throw ValidationError("--manifests and \(other) name two sources of objects; one is possible")
        }
        if inCluster, let other = api.first(where: { ["--kubeconfig", "--context"].contains($0) }) {
            throw ValidationError("--in-cluster and \(other) contradict each other")
        }
    }

    /// What the options come to.
    ///
    /// - Parameters:
    ///   - connection: what the configuration says, the option `--kubeconfig` included.
    ///   - environment: of the process.
    ///   - serviceAccount: the folder with a pod's credentials.
    func choose(
        _ connection: KubeProxyConfiguration.ClientConnection, environment: [String: String] = Self.environment,
        serviceAccount: String = ConnectionSettings.serviceAccountDirectory
    ) throws -> SourceChoice {
        if !manifests.isEmpty { return .manifests(manifests) }
        let kubeconfig = inCluster ? "" : connection.kubeconfig
        if !kubeconfig.isEmpty {
            return .api(try Kubeconfig.settings(path: kubeconfig, context: context, server: master))
        }
        if context != nil { throw ValidationError("--context needs --kubeconfig") }
        if let master, !inCluster { return .api(try ConnectionSettings.server(master)) }
        guard inCluster || environment[Self.host] != nil else {
            throw ValidationError("there is no source of objects: give --manifests or --kubeconfig, or run in a pod")
        }
        let settings = try ConnectionSettings.inCluster(
            environment: environment, directory: serviceAccount, server: master)
        return .api(settings)
    }

    private static let host = "KUBERNETES_SERVICE_HOST"

    private static var environment: [String: String] {
        var environment: [String: String] = [:]
        for name in [host, "KUBERNETES_SERVICE_PORT"] {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        return environment
    }
}
