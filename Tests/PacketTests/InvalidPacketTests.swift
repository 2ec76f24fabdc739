import FairleadTestKit
import NetworkTypes
import Testing

/// Segments that fit no connection: conntrack calls them INVALID and translates neither their source nor destination.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct InvalidPacketTests {
    /// A connection through the node, and what is needed to send segments that fit it for its ends but not for the node.
    private struct Flow {
        let name: String
        let connection: Conversation
        private let client: ClusterTopology.Host
        private let server: ClusterTopology.Host
        private let probe: Probe
        private let sockets: (client: SegmentSocket, server: SegmentSocket)

        init(
            _ name: String, from client: ClusterTopology.Host, to server: ClusterTopology.Host, _ destination: HostPort,
            sourcePort: UInt16
        ) async throws {
            self.name = name
            (self.client, self.server) = (client, server)
            let family = destination.address.family
            sockets = (try SegmentSocket(client.namespace, family), try SegmentSocket(server.namespace, family))
            probe = Probe(.tcp, to: destination, source: client.address(family), sourcePort: sourcePort)
            connection = try await Conversation.begin(probe, in: client.namespace)
            #expect(connection.echoes(), "\(name)")
        }

        private var source: HostPort {
            HostPort(client.address(probe.destination.address.family), probe.sourcePort ?? 0)
        }

        /// Far beyond any window, so that conntrack of all kernels calls it INVALID.
        private static let leap: UInt32 = 1 << 28

        /// The last of the segments that say what the receiver knows of its peer.
        private func last(_ socket: SegmentSocket, from port: UInt16, to own: UInt16) throws -> TCPSegment {
            let segments = socket.received().filter { $0.source.port == port && $0.destinationPort == own }
            return try #require(segments.max { Int32(bitPattern: $0.end &- $1.end) < 0 }, "\(name)")
        }

        /// The endpoint sends what does not fit. Whoever gets it untranslated answers with a reset that fits.
        func strayFromEndpoint() throws {
            let (local, peer) = (connection.greeting.local, connection.greeting.source)
            let last = try last(sockets.server, from: peer.port, to: local.port)
            try sockets.server.send(
                TCPSegment(
                    from: local, toPort: peer.port, sequence: last.acknowledgement &+ Self.leap,
                    acknowledgement: last.end, flags: .acknowledge), to: peer.address)
        }

        /// The client sends what does not fit. Whoever has the address it goes to answers with a reset that fits.
        func strayFromClient() throws {
            let last = try last(sockets.client, from: probe.destination.port, to: source.port)
            try sockets.client.send(
                TCPSegment(
                    from: source, toPort: probe.destination.port, sequence: last.acknowledgement &+ Self.leap,
                    acknowledgement: last.end, flags: .acknowledge), to: probe.destination.address)
        }
    }

    private static func scene() async throws -> Scene {
        try await Scene.make([
            Scenario(name: "remote endpoint", endpoints: [.ready("remote-1")], expectations: []),
            Scenario(name: "local endpoint", endpoints: [.ready("local-1")], expectations: []),
            Scenario(
                name: "local endpoint, policy Local", externalPolicy: "Local", endpoints: [.ready("local-1")],
                expectations: []),
        ])
    }

    private static func flows(_ scene: Scene, _ family: IPFamily, round: Int) async throws -> [Flow] {
        let cluster = scene.cluster
        let plans: [(String, String, String, Target, Int)] = [
            ("pod to ClusterIP, endpoint elsewhere", "local-caller", "remote-1", .clusterIP, 1),
            ("pod elsewhere to ClusterIP", "remote-caller", "local-1", .clusterIP, 2),
            ("client to ClusterIP", "client", "local-1", .clusterIP, 2),
            ("client to node port", "client", "local-1", .nodePort, 2),
            ("client to node port, endpoint elsewhere", "client", "remote-1", .nodePort, 1),
            ("client to node port, policy Local", "client", "local-1", .nodePort, 3),
            ("client to load balancer IP, policy Local", "client", "local-1", .loadBalancerIP, 3),
        ]
        var flows: [Flow] = []
        for (offset, plan) in plans.enumerated() {
            flows.append(
                try await Flow(
                    plan.0, from: cluster.host(plan.1), to: cluster.host(plan.2),
                    plan.3.destination(Numbers(index: plan.4), family),
                    sourcePort: UInt16(20000 + round * plans.count + offset)))
        }
        return flows
    }

    private static let removeGuard = IPFamily.allCases.map {
        "flush chain \($0 == .ipv4 ? "ip" : "ip6") fairlead guard-prerouting\n"
    }.joined()

    @Test("a segment of an endpoint that fits no window does not end its connection", arguments: IPFamily.allCases)
    func endpointSegments(_ family: IPFamily) async throws {
        let scene = try await Self.scene()
        for flow in try await Self.flows(scene, family, round: 0) {
            try flow.strayFromEndpoint()
            try await Task.sleep(for: .milliseconds(50))
            #expect(flow.connection.echoes(), "\(flow.name)")
        }
        // The same without the rule: the segments are what they ought to be.
        try await NFT(scene.cluster.node1.namespace).load(Self.removeGuard)
        for flow in try await Self.flows(scene, family, round: 1) {
            try flow.strayFromEndpoint()
            try await Task.sleep(for: .milliseconds(50))
            #expect(!flow.connection.echoes(timeLimit: Probe.brief), "\(flow.name), without the guard")
        }
    }

    @Test("a segment of a client that fits no window does not end its connection", arguments: IPFamily.allCases)
    func clientSegments(_ family: IPFamily) async throws {
        let scene = try await Self.scene()
        for flow in try await Self.flows(scene, family, round: 0) {
            try flow.strayFromClient()
            try await Task.sleep(for: .milliseconds(50))
            #expect(flow.connection.echoes(), "\(flow.name)")
        }
        try await NFT(scene.cluster.node1.namespace).load(Self.removeGuard)
        for flow in try await Self.flows(scene, family, round: 1) {
            try flow.strayFromClient()
            try await Task.sleep(for: .milliseconds(50))
            #expect(!flow.connection.echoes(timeLimit: Probe.brief), "\(flow.name), without the guard")
        }
    }

    @Test(
        "with --conntrack-tcp-be-liberal packets of Services that fit no connection pass, without it they are dropped",
        arguments: Mode.allCases, IPFamily.allCases)
    func liberal(_ mode: Mode, _ family: IPFamily) async throws {
        let scenario = Scenario(name: "local endpoint", endpoints: [.ready("local-1")], expectations: [])
        for options in [[], ["--conntrack-tcp-be-liberal"]] as [[String]] {
            let bench = try await Bench(mode, [scenario], options: options)
            let (pod, client) = (try bench.cluster.host("local-1"), bench.cluster.client)
            let sender = try SegmentSocket(pod.namespace, family)
            let receiver = try SegmentSocket(client.namespace, family)
            // The endpoint's answer to a first step that came to it by another way.
            let segment = TCPSegment(
                from: HostPort(pod.address(family), 8080), toPort: 4005, sequence: 7, acknowledgement: 8,
                flags: [.synchronize, .acknowledge])
            try sender.send(segment, to: client.address(family))
            // One from a port that is no endpoint's arrives in any case, and after it.
            let last = TCPSegment(
                from: HostPort(pod.address(family), 9999), toPort: 4006, sequence: 7, acknowledgement: 8,
                flags: [.synchronize, .acknowledge])
            try sender.send(last, to: client.address(family))
            var received: [TCPSegment] = []
            let end = ContinuousClock.now + .seconds(5)
            while !received.contains(last), ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(10))
                received += receiver.received()
            }
            #expect(received.contains(last))
            #expect(received.contains(segment) == !options.isEmpty, "\(options)")
            // Connections are translated as before.
            let tally = try await bench.tally("client", to: .nodePort, .tcp, family, count: 4)
            #expect(tally.servers == ["local-1": 4], "\(tally)")
        }
    }

    /// Counts what is INVALID and has passed the guard.
    private static let witness = """
        table inet witness {
            chain c { type filter hook prerouting priority -105; ct state invalid counter; }
        }
        """

    @Test("INVALID packets that have nothing to do with Services pass untouched", arguments: IPFamily.allCases)
    func others(_ family: IPFamily) async throws {
        let scene = try await Self.scene()
        let cluster = scene.cluster
        let nft = NFT(cluster.node1.namespace)
        try await nft.load(Self.witness)
        let behind = ClusterTopology.node2BehindNode1[family == .ipv4 ? 0 : 1]
        let (pod, caller) = (try cluster.host("local-1"), cluster.localCaller)
        let external = Target.externalIPPort(81).destination(Numbers(index: 1), family)
        let plans: [(from: ClusterTopology.Host, port: UInt16, to: ClusterTopology.Host, destination: HostPort)] = [
            (cluster.client, 4000, cluster.node2, HostPort(behind, 80)),
            (cluster.client, 4001, cluster.node2, external),
            (cluster.client, 4002, caller, HostPort(caller.address(family), 8080)),
            // Not an endpoint, and a port of an endpoint's address that is none.
            (caller, 8080, cluster.client, HostPort(cluster.client.address(family), 4003)),
            (pod, 8082, cluster.client, HostPort(cluster.client.address(family), 4004)),
        ]
        for plan in plans {
            let (sender, receiver) = (
                try SegmentSocket(plan.from.namespace, family), try SegmentSocket(plan.to.namespace, family)
            )
            // The second step of a connection whose first one took another way.
            let segment = TCPSegment(
                from: HostPort(plan.from.address(family), plan.port), toPort: plan.destination.port, sequence: 7,
                acknowledgement: 8, flags: [.synchronize, .acknowledge])
            try sender.send(segment, to: plan.destination.address)
            let hasArrived = await eventually(within: .seconds(2)) { receiver.received().contains(segment) }
            #expect(hasArrived, "from \(plan.from.name) to \(plan.destination)")
        }
        // Each was INVALID at the node (and so may the answers be).
        let counted = try await nft.listRuleset().split(separator: "counter packets ").dropFirst().compactMap {
            Int($0.prefix { $0.isNumber })
        }
        #expect((counted.max() ?? 0) >= plans.count, "\(counted)")
    }
}
