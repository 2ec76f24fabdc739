import FairleadTestKit
import NetworkTypes
import Testing

/// Direct return: ICMP errors that routers and clients send to the Service's address, to a node that does not know the connection.
@Suite(.serialized, .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct DirectReturnErrorTests {
    private static func bench(_ isAffine: Bool) async throws -> (DirectReturnBench, LabService) {
        var service = DirectReturnBench.service(["node2-a", "node3-a"])
        service.isAffine = isAffine
        return (try await DirectReturnBench(service), service)
    }

    /// Has the router take packets of 1,300 bytes at the most on the way to the client.
    private static func narrow(_ bench: DirectReturnBench) async throws {
        for family in IPFamily.allCases {
            let words = [
                "route", "replace", "\(bench.lab.client.address(family))", "dev", "client", "mtu", "lock", "1300",
            ]
            try await bench.lab.router.namespace.execute(Program("ip", words)).requireSuccess()
        }
    }

    @Test(
        "direct return: pods learn of a smaller MTU on the way to the client, also where the endpoint has lost the slot",
        arguments: [(IPFamily.ipv4, false), (.ipv6, true)])
    func pathMTU(_ family: IPFamily, _ isAffine: Bool) async throws {
        let (bench, initial) = try await Self.bench(isAffine)
        var service = initial
        let connections = try await bench.converse(8, family)
        // The connections of one of the two endpoints belong to the other one from now on.
        let leaving = connections[0].greeting.server
        service.endpoints[leaving] = .terminating
        try await bench.show(service)
        try await Self.narrow(bench)
        try await bench.countPackets()
        let bytes = 65_536
        for connection in connections {
            let came = connection.carries(bytes)
            #expect(
                came == bytes,
                "\(connection.greeting.server)\(connection.greeting.server == leaving ? ", leaving" : ""): \(came)")
        }
    }

    @Test(
        "direct return: an ICMP error of the client comes to the endpoint that it is about, and once; what is handed on is told",
        arguments: [(IPFamily.ipv4, true), (.ipv6, false)])
    func closedPort(_ family: IPFamily, _ isAffine: Bool) async throws {
        let (bench, service) = try await Self.bench(isAffine)
        let pods = ["node2-a", "node3-a"]
        for pod in pods {
            try await NFT(try bench.lab.host(pod).namespace).load(
                """
                table inet seen {
                 counter errors { }
                 chain count {
                  type filter hook input priority 0;
                  icmp type destination-unreachable counter name errors
                  icmpv6 type destination-unreachable counter name errors
                 }
                }
                """)
        }
        try await NFT(bench.lab.client.namespace).load(
            """
            table inet closed {
             chain input {
              type filter hook input priority 0;
              udp sport 80 reject
             }
            }
            """)
        // The kernel sends a client's errors one by one else.
        try bench.lab.client.namespace.setParameters([("ipv4/icmp_ratemask", "0"), ("ipv6/icmp/ratemask", "255")])
        try await bench.countPackets()
        let count = 16
        let ports = (0..<count).map { UInt16(44_000 + $0 * 7) }
        _ = try await bench.probe(.udp, family, ports: ports, timeLimit: Probe.brief)
        var errors: [Int] = []
        for pod in pods { errors.append(try await bench.count("errors", in: try bench.lab.host(pod).namespace)) }
        #expect(errors.reduce(0, +) == count, "\(errors)")
        #expect(errors.allSatisfy { $0 > 0 } == !isAffine, "\(errors)")
        // Datagram and error come to node1, and each to one of the others.
        #expect(try await bench.packets("node1", family) == 2 * count)
        #expect(try await bench.packets(family) == 4 * count)
        try await Self.told(bench, service, family, datagrams: count, errors: count)
    }

    /// Starts a daemon on node1, which finds the tables as they are, and asks it what was handed on.
    private static func told(
        _ bench: DirectReturnBench, _ service: LabService, _ family: IPFamily, datagrams: Int, errors: Int
    ) async throws {
        let directory = try TemporaryDirectory()
        let documents = [LabService.nodes(bench.lab), try service.manifest(in: bench.lab)]
        try directory.write(Manifest.documents(documents), to: "all.yaml")
        let daemon = try await bench.lab.run("node1", manifests: directory.path)
        let node1 = bench.lab.nodes[0].namespace
        let scrape = Program("curl", ["-s", "--max-time", "5", "http://127.0.0.1:10249/metrics"])
        let values = try PrometheusPage(try await node1.execute(scrape).standardOutput).values
        let expected = ["owner": datagrams, "error": errors, "earlier": 0]
        for (reason, count) in expected {
            let name =
                #"fairlead_handed_on_packets_total{ip_family="\#(family == .ipv4 ? "IPv4" : "IPv6")",reason="\#(reason)"}"#
            #expect(values[name] == Double(count), "\(name) \(daemon.output)")
        }
        let status = try await FairleadCommand().run(["status"], in: node1).standardOutput
        #expect(status.contains("  \(datagrams + errors) packets handed on to other nodes"), "\(status)")
    }
}
