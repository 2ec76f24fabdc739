import FairleadTestKit
import Glibc
import NetworkTypes

/// How node1 follows its manifests.
enum Mode: String, CaseIterable, Sendable {
    /// `fairlead apply` after each change.
    case apply
    /// `fairlead run` all the time.
    case run
}

/// A cluster whose node1 follows a directory of manifests, by either command: each test of a rule that has to hold over
/// time runs with both.
actor Bench {
    nonisolated let cluster: ClusterTopology
    nonisolated let mode: Mode
    private let directory: TemporaryDirectory
    nonisolated let arguments: [String]
    private var shown = 0
    private var daemon: Daemon?

    /// Raises the cluster; the scenarios are in force afterwards.
    init(
        _ mode: Mode, _ scenarios: [Scenario], options: [String] = [],
        topology: ClusterTopology.Options = ClusterTopology.Options(), cluster text: String = Manifest.cluster
    ) async throws(TestKitError) {
        self.mode = mode
        cluster = try await ClusterTopology.make(topology)
        directory = try TemporaryDirectory()
        arguments = FairleadCommand.clusterArguments(manifests: directory.path) + options
        try directory.write(text, to: "cluster.yaml")
        try write(scenarios)
        try await start()
    }

    // MARK: Objects

    /// Replaces all Services; the new ones are in force afterwards.
    func show(_ scenarios: [Scenario]) async throws(TestKitError) {
        try write(scenarios)
        try await settle()
    }

    /// Replaces the Nodes and ServiceCIDRs.
    func show(cluster text: String) async throws(TestKitError) {
        try directory.write(text, to: "cluster.yaml")
        try await settle()
    }

    /// Replaces all Services, whether anybody looks or not.
    func write(_ scenarios: [Scenario]) throws(TestKitError) {
        for (offset, scenario) in scenarios.enumerated() {
            let objects = scenario.objects(Numbers(index: offset + 1))
            let documents = objects.services.map(\.yaml) + objects.slices.map(\.yaml)
            try directory.write(Manifest.documents(documents), to: "case-\(offset + 1).yaml")
        }
        for index in scenarios.count..<max(shown, scenarios.count) { directory.remove("case-\(index + 1).yaml") }
        shown = scenarios.count
    }

    // MARK: Commands

    /// Ends the daemon, if there is one.
    func stop(_ signal: Int32 = SIGTERM) async throws(TestKitError) {
        guard let daemon else { return }
        daemon.signal(signal)
        _ = try await daemon.waitForEnd()
        self.daemon = nil
    }

    /// Starts the daemon again, or applies.
    func start() async throws(TestKitError) {
        if mode == .run {
            daemon = try await FairleadCommand().start(["run"] + arguments, in: cluster.node1.namespace)
        }
        try await settle()
    }

    /// Applies, or waits until the daemon has done so: `diff` compares the manifests with the kernel.
    func settle() async throws(TestKitError) {
        let (fairlead, namespace) = (try FairleadCommand(), cluster.node1.namespace)
        if mode == .apply {
            try await fairlead.run(["apply"] + arguments, in: namespace).requireSuccess()
            return
        }
        for _ in 0..<200 {
            if try await fairlead.run(["diff"] + arguments, in: namespace).status == 0 { return }
            try? await Task.sleep(for: .milliseconds(25))
        }
        throw .timeLimit("the state of the manifests in the kernel:\n\(daemon?.output ?? "")")
    }

    /// What the last command or the daemon has to say of the manifests.
    func complaints() async throws(TestKitError) -> String {
        if let daemon { return daemon.output }
        let result = try await FairleadCommand().run(["apply"] + arguments, in: cluster.node1.namespace)
        return result.standardError
    }

    // MARK: Packets

    /// What becomes of `count` connections of someone, first one and then the others at once.
    nonisolated func tally(
        _ caller: String, to target: Target, _ transport: TransportProtocol = .tcp, _ family: IPFamily,
        service: Int = 1, count: Int = 6, timeLimit: Duration = Probe.patient
    ) async throws(TestKitError) -> Tally {
        let host = try cluster.host(caller)
        let source = caller == "second-client" ? host.address(family) : nil
        let probe = Probe(
            transport, to: target.destination(Numbers(index: service), family), source: source, timeLimit: timeLimit)
        var tally = try await host.namespace.tally(probe, count: 1)
        if count > 1 { tally.add(try await host.namespace.tally(probe, count: count - 1).outcomes) }
        return tally
    }

    /// Checks an expectation as the tables of scenarios do.
    nonisolated func check(_ name: String, _ expectation: Expectation, service: Int = 1) async throws {
        let numbers = Numbers(index: service)
        let scene = Scene(around: cluster, explanation: mode == .run ? arguments + ["--live"] : arguments)
        try await PacketCase(scenario: name, numbers: numbers, expectation: expectation).check(in: scene)
    }

    /// What `nft` lists of a set or map of the family's table.
    nonisolated func list(_ kind: String, _ family: IPFamily, _ name: String) async throws(TestKitError) -> String {
        try await NFT(cluster.node1.namespace).list([kind, family == .ipv4 ? "ip" : "ip6", "fairlead", name])
    }
}

/// Clients outside the cluster, by many addresses of one host.
struct Crowd: Sendable {
    private let bench: Bench
    private let size: Int

    /// Gives the client its further addresses.
    static func join(_ bench: Bench, size: Int = 20) async throws(TestKitError) -> Crowd {
        let crowd = Crowd(bench: bench, size: size)
        let lines =
            crowd.addresses(.ipv4).map { "address add \($0)/24 dev eth0" }
            // Deprecated: not to be chosen as the source of other connections.
            + crowd.addresses(.ipv6).map { "address add \($0)/64 dev eth0 nodad preferred_lft 0" }
        let program = Program("ip", ["-batch", "-"], input: lines.joined(separator: "\n") + "\n")
        try await bench.cluster.client.namespace.execute(program).requireSuccess()
        return crowd
    }

    private func addresses(_ family: IPFamily) -> [IPAddress] {
        let prefix = family == .ipv4 ? "198.51.100." : "2001:db8:100::"
        return (0..<size).map { IPAddress(stringLiteral: "\(prefix)\(20 + $0)") }
    }

    /// Which server answers each of them; "nobody" if none does.
    func ask(
        _ target: Target, _ transport: TransportProtocol = .tcp, _ family: IPFamily, service: Int = 1
    ) async throws(TestKitError) -> [IPAddress: String] {
        let destination = target.destination(Numbers(index: service), family)
        let sources = addresses(family)
        let probes = sources.map { Probe(transport, to: destination, source: $0) }
        let outcomes = try await bench.cluster.client.namespace.probe(probes)
        return Dictionary(
            uniqueKeysWithValues: zip(sources, outcomes).map { ($0, $1.answer?.server ?? "nobody") })
    }
}
