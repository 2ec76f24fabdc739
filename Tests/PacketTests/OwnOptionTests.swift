import FairleadTestKit
import NetworkTypes
import Testing

private let all = ["local-1", "local-2", "remote-1"]
private let outside = Expectation.outside
private let external = Target.external

/// Options and annotations that only Fairlead has.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct OwnOptionTests {
    // MARK: prefer-local

    private static func preferring(_ endpoints: [EndpointShape], isAnnotated: Bool = true) -> Scenario {
        Scenario(
            name: "prefer-local", endpoints: endpoints,
            adjust: { objects, _ in
                if isAnnotated { objects.service.annotations["fairlead.dev/external-traffic"] = "prefer-local" }
            },
            expectations: [])
    }

    @Test(
        "prefer-local: local endpoints with the source kept, else all, masqueraded", arguments: Mode.allCases)
    func preferLocal(_ mode: Mode) async throws {
        let everywhere = all.map { EndpointShape.ready($0) }
        let steps: [(String, Scenario, Verdict)] = [
            ("local endpoints", Self.preferring(everywhere), .answered(["local-1", "local-2"], sees: .client)),
            (
                "none", Self.preferring([.ready("remote-1"), .ready("remote-2")]),
                .answered(["remote-1", "remote-2"], sees: .node)
            ),
            (
                "one that terminates", Self.preferring([.serving("local-1"), .ready("remote-1")]),
                .answered(["remote-1"], sees: .node)
            ),
            (
                "only those that terminate", Self.preferring([.serving("local-1"), .serving("remote-1")]),
                .answered(["local-1", "remote-1"], sees: .node)
            ),
            (
                "a local one again", Self.preferring([.ready("local-2"), .ready("remote-1")]),
                .answered(["local-2"], sees: .client)
            ),
            ("no endpoint", Self.preferring([]), .rejected),
            ("no annotation", Self.preferring(everywhere, isAnnotated: false), .answered(all, sees: .node)),
            ("the annotation again", Self.preferring(everywhere), .answered(["local-1", "local-2"], sees: .client)),
        ]
        let bench = try await Bench(mode, [])
        for (name, scenario, verdict) in steps {
            try await bench.show([scenario])
            try await bench.check("prefer-local, \(name)", .from(outside, to: external, verdict))
        }
        try await bench.check("prefer-local", .from(["local-caller"], to: [.clusterIP], .answered(all, sees: .client)))
        try await bench.check("prefer-local", .from(["client"], to: [.clusterIP], .answered(all, sees: .node)))
        try await bench.check("prefer-local", .from(["node1"], to: external, .answered(all, sees: .node)))
    }

    // MARK: skip

    @Test(
        "fairlead.dev/skip: nothing of the Service is served while it is true, and the others are",
        arguments: Mode.allCases)
    func skip(_ mode: Mode) async throws {
        func scenario(_ name: String, _ value: String?) -> Scenario {
            Scenario(
                name: name, endpoints: all.map { .ready($0) },
                adjust: { objects, _ in
                    if let value { objects.service.annotations["fairlead.dev/skip"] = value }
                }, expectations: [])
        }
        let bench = try await Bench(mode, [scenario("skipped", "true"), scenario("other", nil)])
        let beyond = try Servers()
        defer { withExtendedLifetime(beyond) {} }
        try Scene.openBeyond(1, beyond, in: bench.cluster)
        let answered = Verdict.answered(all, sees: .node)
        for isSkipped in [true, false, true] {
            try await bench.show([scenario("skipped", isSkipped ? "true" : "false"), scenario("other", nil)])
            let externals: [Target] = [.externalIP, .loadBalancerIP]
            try await bench.check(
                "skip \(isSkipped)", .from(outside, to: externals, isSkipped ? .leftAlone : answered))
            try await bench.check(
                "skip \(isSkipped)", .from(["client"], to: [.nodePort], isSkipped ? .closed : answered))
            try await bench.check("other", .from(outside, to: Target.all, answered), service: 2)
            let listed = try await bench.list("set", .ipv4, "services-4")
            let address = Numbers(index: 1).externalIPs[0]
            #expect(listed.contains(address) != isSkipped, "\(listed)")
        }
    }

    // MARK: no-endpoints

    private static func acting(
        _ action: String?, _ endpoints: [EndpointShape] = [], externalPolicy: String = "Cluster"
    ) -> Scenario {
        Scenario(
            name: "no-endpoints", externalPolicy: externalPolicy, endpoints: endpoints,
            adjust: { objects, _ in objects.service.annotations["fairlead.dev/no-endpoints"] = action },
            expectations: [])
    }

    @Test(
        "fairlead.dev/no-endpoints: what has no endpoint is rejected, dropped or left to routes",
        arguments: Mode.allCases)
    func withoutEndpoints(_ mode: Mode) async throws {
        let bench = try await Bench(mode, [])
        let beyond = try Servers()
        defer { withExtendedLifetime(beyond) {} }
        try Scene.openBeyond(1, beyond, in: bench.cluster)
        let callers = outside + ["local-caller", "node1"]
        let addresses: [Target] = [.externalIP, .loadBalancerIP]
        let all = Expectation.from(callers, to: Target.all, .rejected)
        let passing: [Expectation] = [
            .from(callers, to: addresses, .leftAlone), .from(callers, to: [.nodePort], .closed),
            .from(callers, to: [.clusterIP], .rejected),
        ]
        let elsewhere = [EndpointShape.ready("remote-1")]
        let steps: [(String, Scenario, [Expectation])] = [
            ("pass", Self.acting("pass"), passing),
            ("drop", Self.acting("drop"), [.from(callers, to: Target.all, .dropped)]),
            ("reject", Self.acting("reject"), [all]), ("a word without a meaning", Self.acting("Pass"), [all]),
            (
                "drop, with an endpoint", Self.acting("drop", elsewhere),
                [.from(callers, to: Target.all, .answered(["remote-1"], sees: .node), transports: [.tcp])]
            ),
            (
                "pass, Local, endpoints elsewhere", Self.acting("pass", elsewhere, externalPolicy: "Local"),
                [
                    .from(outside, to: addresses, .leftAlone), .from(outside, to: [.nodePort], .closed),
                    .from(["local-caller"], to: external, .answered(["remote-1"], sees: .client)),
                ]
            ),
            (
                "pass, Local, an endpoint here", Self.acting("pass", [.ready("local-1")], externalPolicy: "Local"),
                [.from(outside, to: external, .answered(["local-1"], sees: .client))]
            ), ("pass, Local", Self.acting("pass", externalPolicy: "Local"), passing),
            ("no annotation", Self.acting(nil), [all]),
        ]
        for (name, scenario, expectations) in steps {
            try await bench.show([scenario])
            for expectation in expectations { try await bench.check("no-endpoints \(name)", withoutPods(expectation)) }
        }
    }

    /// A pod's or the node's own source to a ClusterIP or an external frontend is not the same as a client's.
    private func withoutPods(_ expectation: Expectation) -> Expectation {
        guard case .answered(let servers, .node) = expectation.verdict, !servers.contains("beyond:*") else {
            return expectation
        }
        var expectation = expectation
        expectation.sources = outside
        return expectation
    }

    // MARK: --preserve-local-source

    @Test("--preserve-local-source keeps the source where the endpoint is on this node", arguments: Mode.allCases)
    func preserveLocalSource(_ mode: Mode) async throws {
        let local = Scenario(name: "here", endpoints: [.ready("local-1"), .ready("local-2")], expectations: [])
        let remote = Scenario(name: "elsewhere", endpoints: [.ready("remote-1")], expectations: [])
        let bench = try await Bench(mode, [local, remote], options: ["--preserve-local-source"])
        let here = ["local-1", "local-2"]
        try await bench.check("here", .from(outside, to: external, .answered(here, sees: .client)))
        try await bench.check("here", .from(["local-1"], to: external, .answered(here, sees: .nodeIfSelf)))
        try await bench.check("here", .from(["node1"], to: external, .answered(here, sees: .node)))
        try await bench.check(
            "elsewhere", .from(outside, to: external, .answered(["remote-1"], sees: .node)), service: 2)
        // The Services change places: an endpoint that has left is not in the set of local ones any more.
        try await bench.show([remote, local])
        try await bench.check("moved away", .from(outside, to: external, .answered(["remote-1"], sees: .node)))
        try await bench.check("moved here", .from(outside, to: external, .answered(here, sees: .client)), service: 2)
    }

    // MARK: --localhost-nodeports

    @Test("--localhost-nodeports: the node itself reaches node ports on 127.0.0.1", arguments: Mode.allCases)
    func localhost(_ mode: Mode) async throws {
        let cluster = Scenario(name: "Cluster", endpoints: all.map { .ready($0) }, expectations: [])
        let local = Scenario(
            name: "Local", externalPolicy: "Local", endpoints: all.map { .ready($0) }, expectations: [])
        let bench = try await Bench(mode, [cluster, local], options: ["--localhost-nodeports"])
        for service in 1...2 {
            let expectation = Expectation.from(
                ["node1"], to: [.nodePortOnLoopback], .answered(all, sees: .node), transports: [.tcp, .udp],
                families: [.ipv4])
            try await bench.check("localhost", expectation, service: service)
            try await bench.check(
                "localhost",
                .from(
                    ["client"], to: [.nodePort],
                    .answered(service == 1 ? all : ["local-1", "local-2"], sees: service == 1 ? .node : .client)),
                service: service)
        }
    }

    @Test("--localhost-nodeports: no other host reaches 127.0.0.1 of the node")
    func localhostFromOutside() async throws {
        let scenario = Scenario(name: "Cluster", endpoints: all.map { .ready($0) }, expectations: [])
        let bench = try await Bench(.apply, [scenario], options: ["--localhost-nodeports"])
        let (node, pod) = (bench.cluster.node1.namespace, bench.cluster.localCaller.namespace)
        let servers = try Servers()
        try servers.open("private", in: node, at: ["127.0.0.1"], ports: [7777], transports: [.tcp, .udp])
        // A pod that wants to: its packets to 127.0.0.1 leave by its link, and answers from there are taken.
        try await pod.perform { () throws(TestKitError) in
            try pod.setParameters([("ipv4/conf/all/route_localnet", "1"), ("ipv4/conf/all/rp_filter", "0")])
        }
        let lines = [
            "rule add pref 10 iif lo to 127.0.0.1 lookup 77", "rule add pref 32000 lookup local", "rule del pref 0",
            "route add 127.0.0.1/32 via 10.128.1.1 dev eth0 table 77",
        ]
        let program = Program("ip", ["-batch", "-"], input: lines.joined(separator: "\n") + "\n")
        try await pod.execute(program).requireSuccess()
        func attempt() async throws -> [Outcome] {
            let ports: [UInt16] = [7777, Numbers(index: 1).nodePort]
            let probes = ports.flatMap { port in
                [TransportProtocol.tcp, .udp].map {
                    Probe(
                        $0, to: HostPort("127.0.0.1", port), source: bench.cluster.localCaller.ipv4,
                        timeLimit: .milliseconds(700))
                }
            }
            return try await pod.probe(probes)
        }
        let outcomes = try await attempt()
        #expect(outcomes.allSatisfy { $0 == .timedOut }, "\(outcomes)")
        // Without the rules they do arrive: the attempt is real.
        try await FairleadCommand().run(["cleanup"], in: node).requireSuccess()
        let unprotected = try await attempt()
        #expect(unprotected.contains { $0.answer?.server == "private" }, "\(unprotected)")
    }

    @Test("--localhost-nodeports: where route_localnet cannot be set, all else is served, and it is tried again")
    func readOnlyParameters() async throws {
        let (cluster, directory) = (try await ClusterTopology.make(), try TemporaryDirectory())
        let scenario = Scenario(name: "Cluster", endpoints: all.map { .ready($0) }, expectations: [])
        let file = try directory.write(Scenario.manifests([scenario]), to: "cluster.yaml")
        let options = FairleadCommand.clusterArguments(manifests: file) + ["--localhost-nodeports"]
        /// In a mount namespace of its own the parameters can only be read, until there is a file of that name.
        func fairlead(_ command: String) throws -> Program {
            let lines = [
                "mount --bind /proc/sys /proc/sys", "mount -o remount,bind,ro /proc/sys",
                """
                (while ! [ -e \(directory.path)/writable ]; do sleep 0.1; done
                mount -o remount,bind,rw /proc/sys) >/dev/null 2>&1 &
                """,
                "exec \"$@\"",
            ]
            let shell = ["-m", "sh", "-c", lines.joined(separator: "\n"), "sh"]
            return Program(
                "unshare", shell + [try FairleadCommand().path, command] + options, timeLimit: .seconds(120))
        }
        @Sendable func outcome(_ target: Target) async throws -> Outcome {
            let probe = Probe(
                .tcp, to: target.destination(Numbers(index: 1), .ipv4), timeLimit: .milliseconds(700))
            return try await cluster.node1.namespace.probe([probe])[0]
        }
        let daemon = try await Daemon(try fairlead("run"), in: cluster.node1.namespace)
        try await daemon.waitForOutput(
            "node ports are not served on 127.0.0.1: set net.ipv4.conf.all.route_localnet: Read-only file system")
        #expect(try await outcome(.nodePort).answer != nil, "\(daemon.output)")
        #expect(try await outcome(.nodePortOnLoopback).answer == nil, "\(daemon.output)")
        // Changes are followed all the same.
        var changed = scenario
        changed.endpoints = [.ready("remote-2")]
        try directory.write(Scenario.manifests([changed]), to: "cluster.yaml")
        #expect(try await eventually { try await outcome(.nodePort).answer?.server == "remote-2" }, "\(daemon.output)")
        let applied = try await cluster.node1.namespace.execute(try fairlead("apply"))
        #expect(applied.status == 1 && applied.standardError.contains("route_localnet"), "\(applied)")
        try directory.write("", to: "writable")
        try await daemon.waitForOutput("node ports are served on 127.0.0.1 now", timeLimit: .seconds(30))
        #expect(try await outcome(.nodePortOnLoopback).answer?.server == "remote-2", "\(daemon.output)")
        #expect(daemon.output.ranges(of: "route_localnet").count == 1, "\(daemon.output)")
    }

    // MARK: --service-counters

    @Test("--service-counters counts each new connection of a frontend once", arguments: IPFamily.allCases)
    func counters(_ family: IPFamily) async throws {
        let plain = Scenario(name: "plain", endpoints: all.map { .ready($0) }, expectations: [])
        let bench = try await Bench(.apply, [plain, .affine(all)], options: ["--service-counters"])
        for service in 1...2 {
            let tally = try await bench.tally("client", to: .loadBalancerIP, .tcp, family, service: service, count: 7)
            #expect(tally.answers.count == 7)
            let port = try await bench.tally("client", to: .nodePort, .udp, family, service: service, count: 5)
            #expect(port.answers.count == 5)
        }
        let services = try await bench.list("set", family, "services-4")
        let nodePorts = try await bench.list("set", family, "nodeports-4")
        for service in 1...2 {
            let numbers = Numbers(index: service)
            let address = numbers.loadBalancerIPs[family == .ipv4 ? 0 : 1]
            #expect(services.contains("\(address) . tcp . 80 counter packets 7 "), "\(services)")
            #expect(services.contains("\(address) . udp . 80 counter packets 0 "), "\(services)")
            #expect(nodePorts.contains("udp . \(numbers.nodePort) counter packets 5 "), "\(nodePorts)")
        }
    }
}
