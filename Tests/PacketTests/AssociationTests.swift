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
        _ endpoints: [EndpointShape], policy: String = "Cluster"
    ) async throws -> DaemonBench {
        let service = Scenario(
            name: "associations", externalPolicy: policy, endpoints: endpoints, expectations: [])
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

    /// Expects that an association with `local-1` works, and then lives on or is aborted.
    private static func expect(_ association: Association, lives: Bool) async throws {
        #expect(try association.ask().server == "local-1")
        if lives {
            // Longer than the other one needs to end.
            try await Task.sleep(for: .seconds(8) * TimeFactor.value)
            #expect(try association.ask().server == "local-1")
        } else {
            #expect(await eventually { (try? association.ask()) == nil }, "it lives")
        }
    }

    /// A server tells its second address inside of a chunk, which nobody translates. So the client tries it there, past the Service, at the
    /// Service's port, where nothing listens: the abort that comes back ends the association that worked.
    @Test(
        "an association with a server of two addresses is aborted where the Service's port is not the server's",
        arguments: [1, 2])
    func serverAddresses(_ count: Int) async throws {
        let bench = try await Self.bench([.ready("local-1")])
        let (pod, caller) = (try bench.cluster.host("local-1"), bench.cluster.localCaller)
        let second: IPAddress = "10.128.1.61"
        try pod.namespace.ip(["address add \(second)/32 dev eth0"])
        try bench.cluster.node1.namespace.ip(["route add \(second)/32 dev \(pod.name)"])
        for host in [pod, caller] {
            try host.namespace.setParameters([("sctp/hb_interval", "1000"), ("sctp/rto_initial", "1000")])
        }
        let server = try await AssociationServer(
            "local-1", in: pod.namespace, at: Array([pod.ipv4, second].prefix(count)), port: 8080)
        let peer = Target.clusterIP.destination(Self.numbers, .ipv4)
        let association = try await caller.namespace.perform { () throws(TestKitError) in try Association(to: peer) }
        try await Self.expect(association, lives: count == 1)
        withExtendedLifetime(server) {}
    }

    /// A client that is not bound to one address names all that it has inside of a chunk. The server tries the others from its pod's address,
    /// which the client has no association with.
    @Test(
        "an association through a node port is aborted where the client has two addresses, and lives where it is bound to one",
        arguments: ["Cluster", "Local"], [1, 2])
    func clientAddresses(_ policy: String, _ count: Int) async throws {
        let bench = try await Self.bench([.ready("local-1")], policy: policy)
        let (pod, client) = (try bench.cluster.host("local-1"), bench.cluster.client)
        for host in [pod, client] {
            try host.namespace.setParameters([("sctp/hb_interval", "1000"), ("sctp/rto_initial", "1000")])
        }
        let servers = try await Self.serve(["local-1"], bench.cluster, .ipv4)
        let peer = Target.nodePort.destination(Self.numbers, .ipv4)
        let association = try await client.namespace.perform { () throws(TestKitError) in
            try Association(to: peer, from: count == 1 ? client.ipv4 : nil)
        }
        try await Self.expect(association, lives: count == 1)
        withExtendedLifetime(servers) {}
    }
}
