import FairleadTestKit
import NetworkTypes

/// A second cluster, of three nodes that all have rules: the same connections from outside under Local policy, and by direct return.
struct DirectReturnTour {
    let command: FairleadCommand
    let family: IPFamily
    let tries: Int
    let paper: Paper

    private var address: IPAddress { family == .ipv4 ? LabTopology.virtualIPv4 : LabTopology.virtualIPv6 }

    func show() async throws {
        let lab = try await LabTopology.make()
        let directory = try TemporaryDirectory()
        paper.line("")
        paper.title("direct return: a router, three nodes that all run Fairlead, pods on node2 and node3 only")
        paper.header(["policy", "to, by", "who answered", "the pod saw"])
        for isDirect in [false, true] {
            var service = LabService(policy: "Local", ready: ["node2-a", "node3-a"])
            service.virtualAddresses = [LabTopology.virtualIPv4, LabTopology.virtualIPv6]
            if isDirect { service.annotations = ["fairlead.dev/external-traffic": "direct-return"] }
            try await apply(service, lab, directory)
            try await lab.route(address, to: ["node1"])
            try await connect(lab, isDirect ? "direct return" : "Local")
            paper.note(
                isDirect
                    ? "node1 hands on as they are what pods elsewhere are to have; these answer the client themselves."
                    : "node1 has no pod: dropped, unless the load balancer asks the health check port.")
        }
        try await wander(lab)
    }

    private func apply(_ service: LabService, _ lab: LabTopology, _ directory: TemporaryDirectory) async throws {
        let documents = Manifest.documents([LabService.nodes(lab), try service.manifest(in: lab)])
        let file = try directory.write(documents, to: "direct.yaml")
        for node in lab.nodes {
            let arguments = [
                "apply", "--manifests", file, "--node-name", node.name, "--cluster-cidr", ClusterTopology.clusterCIDRs,
            ]
            try await command.run(arguments, in: node.namespace).requireSuccess()
        }
    }

    private func connect(_ lab: LabTopology, _ policy: String) async throws {
        var probe = Probe(.tcp, to: HostPort(address, 80), timeLimit: .milliseconds(600))
        var tally = try await lab.client.namespace.tally(probe, count: 1)
        if !tally.answers.isEmpty {
            probe.timeLimit = .seconds(2)
            tally = try await lab.client.namespace.tally(probe, count: tries)
        }
        let isAnswered = tally.answers.count == tally.outcomes.count
        let servers = tally.servers.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        let isOwn = tally.sources == [lab.client.address(family)]
        let seen = tally.answers.isEmpty ? "-" : isOwn ? "the caller's address" : "\(tally.sources)"
        paper.row(
            [
                policy, "LB IP \(probe.destination) by node1",
                isAnswered ? servers.joined(separator: ", ") : tally.answers.isEmpty ? "dropped (silence)" : "\(tally)",
                seen,
            ], isAnswered ? .good : .bad)
    }

    /// Connections stay where they are while the router sends them to other nodes.
    private func wander(_ lab: LabTopology) async throws {
        var connections: [Conversation] = []
        for _ in 0..<8 {
            connections.append(
                try await Conversation.begin(Probe(.tcp, to: HostPort(address, 80)), in: lab.client.namespace))
        }
        var living = connections.count
        for node in ["node2", "node3", "node1"] {
            try await lab.route(address, to: [node])
            living = min(living, connections.filter { $0.echoes(timeLimit: .seconds(2)) }.count)
        }
        paper.row(
            [
                "direct return", "the same, by node2, 3, 1 in turn",
                "\(living) of \(connections.count) connections live", "-",
            ],
            living == connections.count ? .good : .bad)
        paper.note(
            "Any node finds the pod of a connection that it has never seen; under Local only those of that node live.")
    }
}
