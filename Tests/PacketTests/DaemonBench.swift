import FairleadTestKit
import NetworkTypes

/// A cluster whose node runs the daemon over a directory of manifests, with one Service.
struct DaemonBench: Sendable {
    let cluster: ClusterTopology
    let directory: TemporaryDirectory
    let daemon: Daemon
    private let options: [String]

    /// The addresses and ports of the Service.
    static let numbers = Numbers(index: 1)

    /// Raises the cluster and starts the daemon, without waiting for its rules.
    ///
    /// - Parameters:
    ///   - service: the Service, in a file of its own.
    ///   - nodes: the manifests of everything else.
    ///   - options: more options of the daemon.
    ///   - prepare: what to do to the cluster before the daemon starts.
    init(
        _ service: Scenario, nodes: String = Manifest.cluster, options: [String] = [],
        topology: ClusterTopology.Options = .init(), prepare: (ClusterTopology) throws(TestKitError) -> Void = { _ in }
    ) async throws(TestKitError) {
        self.options = options
        cluster = try await ClusterTopology.make(topology)
        try prepare(cluster)
        directory = try TemporaryDirectory()
        try directory.write(nodes, to: "cluster.yaml")
        try Self.write(service, to: directory)
        let arguments = ["run"] + FairleadCommand.clusterArguments(manifests: directory.path) + options
        daemon = try await FairleadCommand().start(arguments, in: cluster.node1.namespace)
    }

    /// Replaces the Service.
    func change(to service: Scenario) throws(TestKitError) { try Self.write(service, to: directory) }

    /// Waits until a second `fairlead` would have nothing to change.
    func waitUntilInLine() async throws {
        let arguments = ["diff"] + FairleadCommand.clusterArguments(manifests: directory.path) + options
        let isInLine = try await eventually {
            try await FairleadCommand().run(arguments, in: cluster.node1.namespace).status == 0
        }
        if !isInLine { throw TestKitError.timeLimit("the rules are as the manifests ask:\n\(daemon.output)") }
    }

    private static func write(_ service: Scenario, to directory: TemporaryDirectory) throws(TestKitError) {
        let objects = service.objects(numbers)
        let documents = objects.services.map(\.yaml) + objects.slices.map(\.yaml)
        try directory.write(Manifest.documents(documents), to: "service.yaml")
    }

    /// Connections from a pod of the node to the ClusterIP.
    func tally(_ transport: TransportProtocol = .tcp, _ family: IPFamily = .ipv4, count: Int) async throws -> Tally {
        let destination = Target.clusterIP.destination(Self.numbers, family)
        let probe = Probe(transport, to: destination, timeLimit: .seconds(2))
        return try await cluster.localCaller.namespace.tally(probe, count: count)
    }

    /// Whether connections go to these servers, all of them and nobody else; waits until that is so.
    func serves(_ servers: Set<String>, _ family: IPFamily = .ipv4) async throws -> Bool {
        try await eventually {
            let tally = try await tally(.tcp, family, count: 24)
            return Set(tally.servers.keys) == servers && tally.answers.count == tally.outcomes.count
        }
    }

    /// A connection to the ClusterIP, that is given up soon.
    func probe(_ transport: TransportProtocol = .tcp, _ family: IPFamily = .ipv4) -> Probe {
        let destination = Target.clusterIP.destination(Self.numbers, family)
        return Probe(transport, to: destination, timeLimit: .milliseconds(500))
    }
}

/// What most tests need to say: the endpoints of the Service.
extension DaemonBench {
    init(_ endpoints: [EndpointShape], options: [String] = []) async throws(TestKitError) {
        try await self.init(Self.service(endpoints), options: options)
    }

    /// Replaces the endpoints of the Service.
    func change(to endpoints: [EndpointShape]) throws(TestKitError) { try change(to: Self.service(endpoints)) }

    private static func service(_ endpoints: [EndpointShape]) -> Scenario {
        Scenario(name: "daemon", endpoints: endpoints, expectations: [])
    }
}
