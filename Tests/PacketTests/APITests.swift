import APIServerKit
import FairleadTestKit
import Glibc
import KubernetesModel
import NetworkTypes
import Testing

/// The daemon over the Kubernetes API: what packets do while objects change and the server misbehaves.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct APITests {
    @Test("packets follow Services as they are made, scaled and deleted")
    func life() async throws {
        let bench = try await APIBench([.ready("local-1")])
        let daemon = try await bench.start()
        #expect(try await bench.serves(["local-1"]), "\(daemon.output)")
        try bench.change(to: [.ready("local-1"), .ready("remote-1")])
        #expect(try await bench.serves(["local-1", "remote-1"]), "\(daemon.output)")
        let second = Numbers(index: 2)
        try bench.apply(APIBench.manifests([.ready("remote-2")], second))
        #expect(try await bench.serves(["remote-2"], second), "\(daemon.output)")
        bench.server.cluster.delete(APIBench.service)
        #expect(try await bench.serves([]), "\(daemon.output)")
        #expect(try await bench.serves(["remote-2"], second), "\(daemon.output)")
    }

    @Test("nothing is written before every list is complete")
    func firstList() async throws {
        let bench = try await APIBench([.ready("local-1")])
        bench.server.add(.lists(.endpointSlice, .delay(milliseconds: 2500)))
        let daemon = try await bench.start()
        // From here on the answer takes as long as it takes to look at the tables, many times over.
        let isWaiting = await eventually(within: .seconds(20), every: .milliseconds(20)) {
            [ObjectID.Kind.service, .endpointSlice].allSatisfy { kind in
                bench.server.requests.contains { $0.kind == kind }
            }
        }
        #expect(isWaiting, "\(daemon.output)")
        try await Task.sleep(for: .milliseconds(500))
        #expect(try await bench.tables().isEmpty, "\(daemon.output)")
        #expect(try await bench.serves(["local-1"]), "\(daemon.output)")
    }

    @Test("rules stay while the server is gone, also over a restart of the daemon, and follow once it is back")
    func absence() async throws {
        let bench = try await APIBench([.ready("local-1")])
        var daemon = try await bench.start()
        #expect(try await bench.serves(["local-1"]), "\(daemon.output)")
        await bench.server.goAway()
        try bench.change(to: [.ready("local-2")])
        try await Task.sleep(for: .seconds(1))
        #expect(try await bench.serves(["local-1"], within: .seconds(5)), "\(daemon.output)")
        daemon.signal(SIGKILL)
        _ = try await daemon.waitForEnd()
        daemon = try await bench.start()
        try await Task.sleep(for: .seconds(2))
        #expect(try await bench.serves(["local-1"], within: .seconds(5)), "\(daemon.output)")
        try await bench.server.comeBack()
        #expect(try await bench.serves(["local-2"], within: .seconds(60)), "\(daemon.output)")
    }

    @Test("what went while the history was lost goes from the rules, and nothing else does")
    func expired() async throws {
        let bench = try await APIBench([.ready("local-1")])
        let second = Numbers(index: 2)
        try bench.apply(APIBench.manifests([.ready("remote-2")], second))
        let daemon = try await bench.start()
        #expect(try await bench.serves(["local-1"]), "\(daemon.output)")
        await bench.server.goAway()
        bench.server.cluster.delete(APIBench.service)
        bench.server.cluster.compact()
        try await bench.server.comeBack()
        #expect(try await bench.serves([], within: .seconds(60)), "\(daemon.output)")
        #expect(try await bench.serves(["remote-2"], second), "\(daemon.output)")
    }

    @Test("a Service that is given to another proxy is served no longer")
    func otherProxy() async throws {
        let bench = try await APIBench([.ready("local-1")])
        let daemon = try await bench.start()
        #expect(try await bench.serves(["local-1"]), "\(daemon.output)")
        let objects = try APIBench.objects(APIBench.manifests([.ready("local-1")], APIBench.numbers))
        for case .service(var service) in objects {
            service.serviceProxyName = "somebody"
            bench.server.cluster.apply([.service(service)])
        }
        #expect(try await bench.serves([]), "\(daemon.output)")
    }

    @Test(
        "Events tell of the start at the Node, and of a port that is taken and an object that is invalid at the Service"
    )
    func events() async throws {
        let bench = try await APIBench([.ready("local-1")])
        var service = Service(key: ObjectKey(namespace: "default", name: "healthy"))
        service.type = .loadBalancer
        service.clusterIPs = ["10.96.1.77"]
        service.externalTrafficPolicy = .local
        service.healthCheckNodePort = 30700
        service.ports = [ServicePort(port: 80)]
        var contested = Service(key: ObjectKey(namespace: "default", name: "zz-contested"))
        contested.clusterIPs = ["10.96.1.77"]
        contested.creationTimestamp = "2099-01-01T00:00:00Z"
        contested.ports = [ServicePort(port: 80)]
        bench.server.cluster.apply([.service(service), .service(contested)])
        let taken = try Servers()
        try taken.open(
            "somebody", in: bench.cluster.node1.namespace, at: [bench.cluster.node1.ipv4], ports: [30700],
            transports: [.tcp])
        let daemon = try await bench.start()
        let wanted = [
            ["\"Starting\"", "\"Node\"", "\"node1\""],
            ["\"FailedToStartServiceHealthcheck\"", "\"healthy\"", "30700"],
            ["\"ContestedFrontend\"", "\"zz-contested\""],
        ]
        let told = await eventually(within: .seconds(30)) {
            let bodies = bench.server.requests.filter { $0.method == "POST" }.map {
                String(decoding: $0.body, as: UTF8.self)
            }
            return wanted.allSatisfy { words in bodies.contains { body in words.allSatisfy(body.contains) } }
        }
        #expect(told, "\(daemon.output)")
    }

    @Test("apply, diff and render read the API once")
    func once() async throws {
        let bench = try await APIBench([.ready("local-1"), .ready("remote-1")])
        let render = try await bench.once("render").requireSuccess()
        #expect(render.standardOutput.contains("10.96.1.1 . tcp . 80"))
        #expect(try await bench.once("diff").status == 1)
        try await bench.once("apply").requireSuccess()
        #expect(try await bench.serves(["local-1", "remote-1"]))
        #expect(try await bench.once("diff").status == 0)
        await bench.server.goAway()
        let failed = try await bench.once("apply")
        #expect(failed.status == 1 && failed.standardError.contains("127.0.0.1:6443"), "\(failed)")
        #expect(try await bench.serves(["local-1", "remote-1"]))
    }
}
