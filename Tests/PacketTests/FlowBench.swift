import FairleadTestKit
import NetworkTypes

/// A flow of a client that keeps its source port and goes on sending.
struct Flow: Sendable, Hashable, CustomStringConvertible {
    let source: String
    let target: Target
    let probe: Probe

    var description: String {
        "\(probe.transport) from \(source):\(probe.sourcePort ?? 0) to \(target) (\(probe.destination))"
    }

    /// Flows from each source to each target over UDP and SCTP, in both families.
    static func all(
        from sources: [String], to targets: [Target], count: Int = 1, transports: [TransportProtocol] = [.udp, .sctp],
        firstPort: UInt16 = 20000
    ) -> [Flow] {
        var port = firstPort
        var flows: [Flow] = []
        for source in sources {
            for target in targets {
                for transport in transports {
                    for family in IPFamily.allCases {
                        for _ in 0..<count {
                            let probe = Probe(
                                transport, to: target.destination(Numbers(index: 1), family), sourcePort: port,
                                timeLimit: .milliseconds(900))
                            flows.append(Flow(source: source, target: target, probe: probe))
                            port += 1
                        }
                    }
                }
            }
        }
        return flows
    }
}

/// A cluster whose node is kept in line by `fairlead apply` or by `fairlead run`, and flows through it.
struct FlowBench: Sendable {
    /// How the rules come into the kernel.
    enum Mode: String, Sendable, CaseIterable {
        case apply
        case daemon
    }

    let mode: Mode
    let cluster: ClusterTopology
    let directory: TemporaryDirectory
    private let beyond: Servers
    private(set) var daemon: Daemon?

    /// Raises the cluster, without rules yet. What node1 leaves alone is answered by `beyond`.
    init(_ mode: Mode) async throws(TestKitError) {
        self.mode = mode
        cluster = try await ClusterTopology.make()
        directory = try TemporaryDirectory()
        beyond = try Servers()
        // An association that never gets beyond its first two chunks would be forgotten after seconds.
        try cluster.node1.namespace.setParameters(
            ["closed", "cookie_wait", "cookie_echoed"].map { ("netfilter/nf_conntrack_sctp_timeout_\($0)", "120") })
        try directory.write(Manifest.cluster, to: "cluster.yaml")
        let numbers = Numbers(index: 1)
        let virtual = numbers.clusterIPs + numbers.externalIPs + numbers.loadBalancerIPs
        try beyond.open(
            "beyond", in: cluster.node2.namespace, at: virtual.map { IPAddress(stringLiteral: $0) }, ports: [80])
        try beyond.open(
            "beyond", in: cluster.node2.namespace, at: ClusterTopology.node2BehindNode1, ports: [numbers.nodePort],
            abortsOtherPorts: false)
    }

    /// Has the Services as these scenarios say; the first one has index 1. Under the daemon this returns at once.
    mutating func change(to scenarios: [Scenario]) async throws(TestKitError) {
        let documents = scenarios.enumerated().flatMap { offset, scenario in
            let objects = scenario.objects(Numbers(index: offset + 1))
            return objects.services.map(\.yaml) + objects.slices.map(\.yaml)
        }
        // An empty file would be taken for one that was cut.
        try directory.write(documents.isEmpty ? "# none\n" : Manifest.documents(documents), to: "service.yaml")
        let arguments = FairleadCommand.clusterArguments(manifests: directory.path)
        switch mode {
        case .apply:
            try await FairleadCommand().run(["apply"] + arguments, in: cluster.node1.namespace).requireSuccess()
        case .daemon where daemon == nil:
            daemon = try await FairleadCommand().start(
                ["run", "--log-level", "debug"] + arguments, in: cluster.node1.namespace)
            try await daemon?.waitForOutput("serving")
        case .daemon: return
        }
    }

    mutating func change(to endpoints: [EndpointShape], internalPolicy: String = "Cluster") async throws(TestKitError) {
        try await change(to: [Self.service(endpoints, internalPolicy: internalPolicy)])
    }

    static func service(
        _ endpoints: [EndpointShape], internalPolicy: String = "Cluster",
        adjust: @escaping @Sendable (inout Scenario.Objects, Numbers) -> Void = { _, _ in }
    ) -> Scenario {
        Scenario(
            name: "flows", internalPolicy: internalPolicy, endpoints: endpoints, adjust: adjust, expectations: [])
    }

    /// Sends a packet of each flow, all at once, and tells what became of it.
    func send(_ flows: [Flow]) async throws -> [Flow: Outcome] {
        var result: [Flow: Outcome] = [:]
        for (source, group) in Dictionary(grouping: flows, by: \.source) {
            let outcomes = try await cluster.host(source).namespace.probe(group.map(\.probe))
            for (flow, outcome) in zip(group, outcomes) { result[flow] = outcome }
        }
        return result
    }

    /// Goes on sending until each flow meets the condition; returns the flows that do not in time.
    func laggards(
        _ flows: [Flow], within timeLimit: Duration = .seconds(10), _ condition: @Sendable (Outcome) -> Bool
    ) async throws -> [String] {
        let deadline = ContinuousClock.now + timeLimit
        while true {
            let late = try await send(flows).filter { !condition($0.value) }
            if late.isEmpty { return [] }
            if ContinuousClock.now > deadline { return late.map { "\($0.key): \($0.value)" }.sorted() }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Those of the flows that are not answered by one of these servers, although they go on sending.
    func laggards(_ flows: [Flow], answeredBy servers: Set<String>) async throws -> [String] {
        try await laggards(flows) { outcome in outcome.answer.map { servers.contains($0.server) } ?? false }
    }

    /// The entries of node1's conntrack table that have the text.
    func entries(_ text: String = "") async throws(TestKitError) -> Set<String> {
        try await cluster.node1.namespace.conntrackEntries().filter { $0.contains(text) }
    }

    /// What the daemon has logged, for messages of failures.
    var log: String { daemon?.output ?? "" }
}
