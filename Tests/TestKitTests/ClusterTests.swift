import FairleadTestKit
import NetworkTypes
import Testing

@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct ClusterTests {
    @Test("a cluster that is no longer used leaves no namespace behind")
    func leaks() async throws {
        let names = try await Self.namespacesOfUsedCluster()
        #expect(names.count == 11)
        let gone = await eventually(within: .seconds(3)) {
            names.isDisjoint(with: OpenDescriptors.all.values)
        }
        #expect(gone, "\(names.intersection(OpenDescriptors.all.values))")
    }

    /// What the descriptors of all namespaces of a cluster refer to.
    private static func namespacesOfUsedCluster() async throws -> Set<String> {
        let before = Set(OpenDescriptors.all.values)
        let cluster = try await ClusterTopology.make()
        let destination = HostPort(cluster.localPods[0].ipv4, 8080)
        for caller in cluster.callers {
            let outcomes = try await caller.namespace.probe([Probe(.tcp, to: destination)])
            #expect(outcomes.first?.answer?.server == "local-1")
        }
        let paths = (cluster.callers.map(\.namespace) + [cluster.router]).map(\.path)
        let open = OpenDescriptors.all
        let names = Set(paths.compactMap { path in open[String(path.split(separator: "/").last ?? "")] })
        #expect(names.isDisjoint(with: before))
        return names
    }

    @Test("two clusters at once do not know each other")
    func twoClusters() async throws {
        async let first = ClusterTopology.make()
        async let second = ClusterTopology.make()
        let clusters = [try await first, try await second]
        try clusters[0].servers.open(
            "only-here", in: clusters[0].client.namespace, at: [clusters[0].client.ipv4], ports: [7])
        let probe = Probe(.tcp, to: HostPort(clusters[0].client.ipv4, 7))
        #expect(try await clusters[0].node1.namespace.tally(probe, count: 1).servers == ["only-here": 1])
        #expect(try await clusters[1].node1.namespace.probe([probe]) == [.refused(.reset)])
    }

    @Test("a conversation goes on over the connection that it began with", arguments: IPFamily.allCases)
    func conversation(_ family: IPFamily) async throws {
        let cluster = try await ClusterTopology.make()
        let destination = HostPort(cluster.remotePods[0].address(family), 8080)
        let stream = try await Conversation.begin(Probe(.tcp, to: destination), in: cluster.client.namespace)
        #expect(stream.greeting.server == "remote-1")
        #expect(stream.echoes() && stream.echoes())
        let probe = Probe(.udp, to: destination, sourcePort: 5555)
        let datagrams = try await Conversation.begin(probe, in: cluster.client.namespace)
        #expect(datagrams.greeting.source == HostPort(cluster.client.address(family), 5555))
        #expect(datagrams.ask() == datagrams.greeting)
    }

    @Test("a daemon is followed, signalled and waited for")
    func daemon() async throws {
        let script = "trap 'echo stopping; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
        let daemon = try await Daemon(Program("sh", ["-c", script]), in: NetworkNamespace())
        try await daemon.waitForOutput("ready")
        #expect(daemon.isRunning)
        daemon.signal(15)
        let end = try await daemon.waitForEnd()
        #expect(end.status == 7 && end.standardOutput == "ready\nstopping\n")
        await #expect(throws: TestKitError.self) { try await daemon.waitForOutput("never") }
    }
}
