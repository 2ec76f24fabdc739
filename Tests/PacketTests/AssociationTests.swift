import FairleadTestKit
import NetworkTypes
import Testing

/// Associations of the kernel's own SCTP through a Service; the other tests begin theirs by hand and go no further.
@Suite(
    .serialized, .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"),
    .enabled(if: Capability.speaksSCTP, "the kernel's SCTP is not loaded (module sctp)"))
struct AssociationTests {
    private static let numbers = DaemonBench.numbers

    /// A node with a Service whose endpoints are listed, without the servers that begin associations by hand.
    private static func bench(
        _ endpoints: [EndpointShape], policy: String = "Cluster", port: UInt16 = 80
    ) async throws -> DaemonBench {
        let service = Scenario(
            name: "associations", externalPolicy: policy, endpoints: endpoints,
            adjust: { objects, _ in
                for index in objects.service.ports.indices { objects.service.ports[index].port = port }
            }, expectations: [])
        let bench = try await DaemonBench(service)
        try await bench.waitUntilInLine()
        for name in (bench.cluster.localPods + bench.cluster.remotePods).map(\.name) + ["node1", "node2"] {
            await bench.cluster.servers.close(name)
        }
        return bench
    }

    /// What associations say, each asked twice.
    private static func ask(
        _ cluster: ClusterTopology, _ source: String, _ target: Target, _ family: IPFamily, count: Int
    ) async throws -> [Answer] {
        let peer = target.destination(numbers, family)
        return try await cluster.host(source).namespace.perform { () throws(TestKitError) in
            var answers: [Answer] = []
            for _ in 0..<count {
                let association = try Association(to: peer)
                answers += [try association.ask(), try association.ask()]
            }
            return answers
        }
    }

    @Test("every endpoint is reached, and an association stays with its own", arguments: IPFamily.allCases)
    func endpoints(_ family: IPFamily) async throws {
        let bench = try await Self.bench([.ready("local-1"), .ready("remote-1")])
        let servers = try await Self.serve(["local-1", "remote-1"], bench.cluster, family)
        for (source, target) in [
            ("local-caller", .clusterIP), ("local-caller", .nodePort), ("client", .clusterIP), ("client", .nodePort),
            ("node1", .clusterIP),
        ] as [(String, Target)] {
            let answers = try await Self.ask(bench.cluster, source, target, family, count: 12)
            #expect(Set(answers.map(\.server)) == ["local-1", "remote-1"], "\(source) to \(target): \(answers)")
            for pair in stride(from: 0, to: answers.count, by: 2) { #expect(answers[pair] == answers[pair + 1]) }
            let isOutside = source == "client"
            let seen = answers.allSatisfy { ClusterTopology.node1Addresses.contains($0.source.address) }
            if isOutside && target == .nodePort { #expect(seen, "\(answers)") }
        }
        withExtendedLifetime(servers) {}
    }

    @Test("policy Local: local endpoints only, and they see the client", arguments: IPFamily.allCases)
    func local(_ family: IPFamily) async throws {
        let bench = try await Self.bench([.ready("local-1"), .ready("remote-1")], policy: "Local")
        let servers = try await Self.serve(["local-1", "remote-1"], bench.cluster, family)
        for target in Target.external {
            let answers = try await Self.ask(bench.cluster, "client", target, family, count: 8)
            let client = bench.cluster.client.address(family)
            #expect(answers.allSatisfy { $0.server == "local-1" && $0.source.address == client }, "\(answers)")
        }
        withExtendedLifetime(servers) {}
    }

    private static func serve(
        _ names: [String], _ cluster: ClusterTopology, _ family: IPFamily
    ) async throws -> [AssociationServer] {
        var servers: [AssociationServer] = []
        for name in names {
            let host = try cluster.host(name)
            servers.append(
                try await AssociationServer(name, in: host.namespace, at: [host.address(family)], port: 8080))
        }
        return servers
    }

    // MARK: More than one address

    /// A Service, a server and a client of it.
    struct Ends: Sendable, CustomTestStringConvertible {
        var servers = 1
        var clients = 1
        /// The port of the Service; that of the server is 8080.
        var port: UInt16 = 80
        /// Whether the association lives.
        var lives: Bool
        var testDescription: String { "\(clients) of the client, \(servers) of the server, port \(port)" }
    }

    /// What one end tells of its other addresses goes through translation as it is. So the ends try each other there past the Service, and
    /// who finds no association of these addresses and ports aborts it.
    @Test(
        "an association with several addresses lives if they and the ports are the same on both sides",
        arguments: [
            Ends(lives: true), Ends(servers: 2, lives: false), Ends(servers: 2, port: 8080, lives: true),
            Ends(clients: 2, lives: false), Ends(clients: 2, port: 8080, lives: false),
        ])
    func severalAddresses(_ ends: Ends) async throws {
        let bench = try await Self.bench([.ready("local-1")], port: ends.port)
        let (pod, caller) = (try bench.cluster.host("local-1"), bench.cluster.localCaller)
        let node = bench.cluster.node1.namespace
        let addresses: [(host: ClusterTopology.Host, second: IPAddress)] = [
            (pod, Self.serverAddress), (caller, Self.clientAddress),
        ]
        for (host, second) in addresses {
            try host.namespace.ip(["address add \(second)/32 dev eth0"])
            try node.ip(["route add \(second)/32 dev \(host.name)"])
            try host.namespace.setParameters([("sctp/hb_interval", "1000"), ("sctp/rto_initial", "1000")])
        }
        let server = try await AssociationServer(
            "local-1", in: pod.namespace, at: Array([pod.ipv4, Self.serverAddress].prefix(ends.servers)), port: 8080)
        let peer = Target.clusterIPPort(ends.port).destination(Self.numbers, .ipv4)
        let own = Array([caller.ipv4, Self.clientAddress].prefix(ends.clients))
        let association = try await caller.namespace.perform { () throws(TestKitError) in
            try Association(from: own, to: peer)
        }
        #expect(try association.ask().server == "local-1")
        guard ends.lives else {
            #expect(await eventually { (try? association.ask()) == nil }, "it lives")
            return
        }
        // Longer than the others need to end.
        try await Task.sleep(for: .seconds(8) * TimeFactor.value)
        #expect(try association.ask().server == "local-1")
        let paths = try await AssociationPath.all(in: caller.namespace)
        #expect(paths.contains(AssociationPath(peer: peer.address, isActive: true)), "\(paths)")
        if ends.servers > 1 {
            let second = AssociationPath(peer: Self.serverAddress, isActive: true)
            #expect(paths.contains(second), "\(paths)")
            // The Service's address is lost; the association goes on past it.
            try await NFT(node).load(
                """
                table ip lost {
                    chain prerouting {
                        type filter hook prerouting priority -500;
                        ip daddr \(peer.address) drop
                    }
                }

                """)
            #expect(await eventually { (try? association.ask())?.server == "local-1" })
        }
        withExtendedLifetime(server) {}
    }

    private static let serverAddress: IPAddress = "10.128.1.61"
    private static let clientAddress: IPAddress = "10.128.1.62"
}
