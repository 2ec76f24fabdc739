import FairleadTestKit
import NetworkTypes

/// Three nodes behind a router, each with rules of its own for the Service `default/web`.
struct DirectReturnBench: Sendable {
    let lab: LabTopology
    private let directory: TemporaryDirectory

    static func address(_ family: IPFamily) -> IPAddress {
        family == .ipv4 ? LabTopology.virtualIPv4 : LabTopology.virtualIPv6
    }

    static func service(policy: String = "Cluster", _ pods: [String]) -> LabService {
        var service = LabService(policy: policy, ready: pods)
        service.virtualAddresses = IPFamily.allCases.map(address)
        service.annotations = ["fairlead.dev/external-traffic": "direct-return"]
        service.transports = [.tcp, .udp, .sctp]
        return service
    }

    /// Raises the cluster; all nodes have the Service, and the router sends to node1.
    init(_ service: LabService) async throws {
        lab = try await LabTopology.make()
        directory = try TemporaryDirectory()
        // Where packets come by the way that answers would take, a strict filter is no hindrance.
        for node in lab.nodes {
            try node.namespace.setParameters([("ipv4/conf/all/rp_filter", "1"), ("ipv4/conf/eth0/rp_filter", "1")])
        }
        try await show(service)
        try await route(to: ["node1"])
    }

    /// Brings nodes in line with the Service, each in a process of its own.
    ///
    /// - Parameter nodes: nil for all of them.
    func show(_ service: LabService, on nodes: [String]? = nil) async throws {
        for node in lab.nodes where nodes?.contains(node.name) ?? true {
            try await fairlead("apply", service, on: node.name).requireSuccess()
        }
    }

    /// Runs a command over the manifests on a node.
    func fairlead(_ command: String, _ service: LabService, on node: String, _ more: [String] = []) async throws
        -> ProgramResult
    {
        let text = Manifest.documents([LabService.nodes(lab), try service.manifest(in: lab)])
        let file = try directory.write(text, to: "\(node).yaml")
        let arguments = ["--manifests", file, "--cluster-cidr", ClusterTopology.clusterCIDRs]
        return try await FairleadCommand().run(
            [command] + arguments + ["--node-name", node] + more, in: try lab.host(node).namespace)
    }

    /// Has the router send what goes to the Service's addresses to these nodes.
    func route(to nodes: [String]) async throws {
        for family in IPFamily.allCases { try await lab.route(Self.address(family), to: nodes) }
    }

    /// Probes from the client, each from a port of its own.
    func probe(
        _ transport: TransportProtocol, _ family: IPFamily, ports: [UInt16], timeLimit: Duration = Probe.patient
    ) async throws -> [Outcome] {
        let probes = ports.map { port in
            Probe(
                transport, to: HostPort(Self.address(family), 80), source: lab.client.address(family),
                sourcePort: port, timeLimit: timeLimit)
        }
        return try await lab.client.namespace.probe(probes)
    }

    /// Begins so many connections or flows.
    func converse(
        _ count: Int, _ family: IPFamily, _ transport: TransportProtocol = .tcp
    ) async throws -> [Conversation] {
        var result: [Conversation] = []
        for _ in 0..<count {
            let probe = Probe(transport, to: HostPort(Self.address(family), 80))
            result.append(try await Conversation.begin(probe, in: lab.client.namespace))
        }
        return result
    }

    /// The servers of those that do not live.
    func dead(_ conversations: [Conversation], timeLimit: Duration = .seconds(4)) async -> [String] {
        await withTaskGroup(of: String?.self) { group in
            for conversation in conversations {
                group.addTask { conversation.echoes(timeLimit: timeLimit) ? nil : conversation.greeting.server }
            }
            return await group.reduce(into: []) { if let name = $1 { $0.append(name) } }
        }
    }

    /// The entries that conntrack on a node has of flows to the Service's address.
    func entries(_ node: String, _ family: IPFamily) async throws -> [String] {
        let all = try await lab.host(node).namespace.conntrackEntries()
        return all.filter { entry in
            entry.split(separator: " ").contains { word in
                word.hasPrefix("dst=") && IPAddress(word.dropFirst(4)) == Self.address(family)
            }
        }
    }

    /// Counts what each node gets for the Service's address from now on.
    func countPackets() async throws {
        for node in lab.nodes {
            try await NFT(node.namespace).load(
                """
                table inet seen
                delete table inet seen
                table inet seen {
                 counter v4 { }
                 counter v6 { }
                 chain count {
                  type filter hook prerouting priority -300;
                  ip daddr \(LabTopology.virtualIPv4) counter name v4
                  ip6 daddr \(LabTopology.virtualIPv6) counter name v6
                 }
                }
                """)
        }
    }

    /// How many packets for the Service's address a node has got since.
    func packets(_ node: String, _ family: IPFamily) async throws -> Int {
        try await count(family == .ipv4 ? "v4" : "v6", in: try lab.host(node).namespace)
    }

    /// What a counter of the table `inet seen` has counted.
    func count(_ name: String, in namespace: NetworkNamespace) async throws -> Int {
        let text = try await NFT(namespace).list(["counter", "inet", "seen", name])
        let words = text.split(whereSeparator: \.isWhitespace)
        guard let index = words.firstIndex(of: "packets"), let count = Int(words[index + 1]) else {
            throw TestKitError.conversation("no count in \(text)")
        }
        return count
    }

    /// How many packets all nodes have got.
    func packets(_ family: IPFamily) async throws -> Int {
        var sum = 0
        for node in lab.nodes { sum += try await packets(node.name, family) }
        return sum
    }
}
