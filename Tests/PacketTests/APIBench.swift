import APIServerKit
import FairleadTestKit
import Glibc
import KubernetesModel
import ManifestSource
import NetworkTypes
import Testing

/// A cluster whose node1 runs the daemon over a Kubernetes API server, which listens on the node itself.
struct APIBench: Sendable {
    static let numbers = Numbers(index: 1)
    static let token = "a-token-of-the-test"
    let cluster: ClusterTopology
    let server: FakeAPIServer
    private let directory: TemporaryDirectory
    /// Its files last as long as it does.
    private let authority: CertificateAuthority
    private let kubeconfig: String

    /// Raises cluster and server. Objects: the node, the ServiceCIDRs, and a Service with these endpoints.
    init(_ endpoints: [EndpointShape]) async throws {
        cluster = try await ClusterTopology.make()
        directory = try TemporaryDirectory()
        authority = try await CertificateAuthority()
        server = try await FakeAPIServer(
            in: cluster.node1.namespace, certificate: authority.server())
        try directory.write(Self.token, to: "token")
        server.behave { $0.tokens = [Self.token] }
        kubeconfig = try directory.write(
            """
            apiVersion: v1
            kind: Config
            current-context: test
            clusters: [{name: c, cluster: {server: "\(server.url)", certificate-authority: \(authority.authority.certificatePath)}}]
            users: [{name: u, user: {tokenFile: token}}]
            contexts: [{name: test, context: {cluster: c, user: u}}]
            """, to: "kubeconfig")
        try apply(Manifest.cluster)
        try change(to: endpoints)
    }

    /// Makes or replaces the objects of manifests.
    func apply(_ manifests: String) throws {
        server.cluster.apply(try Self.objects(manifests))
    }

    static func objects(_ manifests: String) throws -> [ClusterObject] {
        let directory = try TemporaryDirectory()
        var set = ManifestSet(paths: [try directory.write(manifests, to: "objects.yaml")])
        let update = set.load()
        try #require(update.failures.isEmpty && update.findings.allSatisfy { $0.severity != .error })
        return update.changes.compactMap { change in
            if case .applied(let object) = change { object } else { nil }
        }
    }

    /// Gives the Service these endpoints.
    func change(to endpoints: [EndpointShape]) throws {
        try apply(Self.manifests(endpoints, Self.numbers))
    }

    static func manifests(_ endpoints: [EndpointShape], _ numbers: Numbers) -> String {
        let objects = Scenario(name: "api", endpoints: endpoints, expectations: []).objects(numbers)
        return Manifest.documents(objects.services.map(\.yaml) + objects.slices.map(\.yaml))
    }

    /// From now on the server takes this token and no other, and the file has it.
    func rotate(to token: String) throws {
        server.behave { $0.tokens = [token] }
        try directory.write(token, to: "token")
    }

    /// The daemon's command line.
    var arguments: [String] {
        [
            "run", "--kubeconfig", kubeconfig, "--node-name", "node1", "--cluster-cidr", ClusterTopology.clusterCIDRs,
            "--log-level", "info",
        ]
    }

    /// Starts the daemon.
    func start(_ options: [String] = []) async throws -> Daemon {
        try await FairleadCommand().start(arguments + options, in: cluster.node1.namespace)
    }

    /// Runs a command that reads the objects once.
    func once(_ command: String, _ options: [String] = []) async throws -> ProgramResult {
        let arguments = [
            command, "--kubeconfig", kubeconfig, "--node-name", "node1", "--cluster-cidr", ClusterTopology.clusterCIDRs,
        ]
        return try await FairleadCommand().run(arguments + options, in: cluster.node1.namespace)
    }

    /// Whether connections from outside and from a pod go to these servers and to nobody else; waits until that is so.
    func serves(_ servers: Set<String>, _ numbers: Numbers = Self.numbers, within: Duration = .seconds(20)) async throws
        -> Bool
    {
        try await eventually(within: within) {
            for family in IPFamily.allCases {
                for caller in [cluster.client, cluster.localCaller] {
                    let probe = Probe(
                        .tcp, to: Target.clusterIP.destination(numbers, family), timeLimit: .seconds(2))
                    let tally = try await caller.namespace.tally(probe, count: 12)
                    if Set(tally.servers.keys) != servers { return false }
                    if !servers.isEmpty && tally.answers.count != 12 { return false }
                }
            }
            return true
        }
    }

    /// The names of the tables of the node.
    func tables() async throws -> [String] { try await NFT(cluster.node1.namespace).listTables() }

    /// The ends of the connections that a server of the cluster may be told by.
    static let service = ObjectID(kind: .service, key: ObjectKey(namespace: "default", name: numbers.name))
}
