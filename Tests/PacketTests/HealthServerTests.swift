import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// What HTTP clients see of `fairlead run`: health check ports of Services, health of the node, metrics.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct HealthServerTests {
    /// A cluster whose node runs the daemon over a Service with a health check port.
    struct Bench: Sendable {
        static let port: UInt16 = 30500
        let cluster: ClusterTopology
        let directory: TemporaryDirectory
        let daemon: Daemon

        init(
            _ endpoints: [EndpointShape], options: [String] = [], cluster: ClusterTopology? = nil
        ) async throws {
            if let cluster { self.cluster = cluster } else { self.cluster = try await ClusterTopology.make() }
            directory = try TemporaryDirectory()
            try directory.write(Manifest.cluster, to: "cluster.yaml")
            try Self.write(endpoints, to: directory)
            let arguments = ["run", "--log-level", "info"]
            daemon = try await FairleadCommand().start(
                arguments + FairleadCommand.clusterArguments(manifests: directory.path) + options,
                in: self.cluster.node1.namespace)
            try await daemon.waitForOutput("serving")
        }

        func change(
            to endpoints: [EndpointShape], policy: String = "Local", port: UInt16 = Bench.port, extra: String? = nil
        ) throws(TestKitError) {
            try Self.write(endpoints, policy: policy, port: port, extra: extra, to: directory)
        }

        static func write(
            _ endpoints: [EndpointShape], name: String? = nil, index: Int = 1, policy: String = "Local",
            created: String = "2026-01-01T00:00:00Z", port: UInt16 = Bench.port, extra: String? = nil,
            to directory: TemporaryDirectory
        ) throws(TestKitError) {
            let scenario = Scenario(name: "health", externalPolicy: policy, endpoints: endpoints, expectations: [])
            var objects = scenario.objects(Numbers(index: index))
            for number in objects.services.indices {
                objects.services[number].created = created
                if policy == "Local" { objects.services[number].extra.append("healthCheckNodePort: \(port)") }
                if let extra { objects.services[number].extra.append(extra) }
            }
            let documents = objects.services.map(\.yaml) + objects.slices.map(\.yaml)
            try directory.write(Manifest.documents(documents), to: name ?? "service.yaml")
        }

        /// What curl prints; from the client outside the cluster unless it says otherwise.
        func curl(_ arguments: [String], on node: Bool = false) async throws -> String {
            let host = node ? cluster.node1 : cluster.client
            let program = Program("curl", ["-s", "--max-time", "3", "--noproxy", "*"] + arguments)
            return try await host.namespace.execute(program).standardOutput
        }

        func url(_ family: IPFamily, _ path: String = "/", port: UInt16 = Bench.port) -> String {
            let address = cluster.node1.address(family)
            return "http://\(family == .ipv4 ? "\(address)" : "[\(address)]"):\(port)\(path)"
        }

        /// The status on the health check port; 000 if nobody listens.
        func status(_ family: IPFamily = .ipv4, port: UInt16 = Bench.port) async throws -> String {
            try await curl(["-o", "/dev/null", "-w", "%{http_code}", url(family, port: port)])
        }

        func becomes(_ status: String, _ family: IPFamily = .ipv4, port: UInt16 = Bench.port) async throws -> Bool {
            try await eventually { try await self.status(family, port: port) == status }
        }
    }

    /// kube-proxy's answer, but for the date.
    private static func answer(_ status: String, name: String, count: Int) -> String {
        let body =
            "{\n\t\"service\": {\n\t\t\"namespace\": \"default\",\n\t\t\"name\": \"\(name)\"\n\t},\n"
            + "\t\"localEndpoints\": \(count),\n\t\"serviceProxyHealthy\": true\n}"
        return "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
            + "X-Load-Balancing-Endpoint-Weight: \(count)\r\nDate: DATE\r\n"
            + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    private static func withoutDate(_ text: String) -> String {
        text.replacing(/Date: (Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} 20\d\d \d\d:\d\d:\d\d GMT/) { _ in
            "Date: DATE"
        }
    }

    @Test("a health check port answers as kube-proxy does, byte for byte", arguments: IPFamily.allCases)
    func bytes(_ family: IPFamily) async throws {
        let bench = try await Bench([.ready("local-1"), .ready("local-2"), .ready("remote-1"), .notReady("local-3")])
        let name = Numbers(index: 1).name
        #expect(try await bench.becomes("200", family), "\(bench.daemon.output)")
        let good = Self.answer("200 OK", name: name, count: 2)
        for arguments in [[bench.url(family)], ["-X", "POST", "-d", "x", bench.url(family, "/any/path?x=y")]] {
            #expect(Self.withoutDate(try await bench.curl(["-i"] + arguments)) == good)
        }
        let head = try await bench.curl(["-I", bench.url(family)])
        #expect(Self.withoutDate(head) == String(good.prefix(good.count - good.drop { $0 != "{" }.count)))
        try bench.change(to: [.serving("local-1"), .ready("remote-1")])
        #expect(try await bench.becomes("503", family), "\(bench.daemon.output)")
        let bad = Self.answer("503 Service Unavailable", name: name, count: 0)
        #expect(Self.withoutDate(try await bench.curl(["-i", bench.url(family)])) == bad)
    }

    @Test("the PROXY protocol and bare line ends are taken on health check ports and /healthz, not where metrics are")
    func proxyHeaders() async throws {
        let bench = try await Bench([.ready("local-1")], options: ["--metrics-bind-address", "0.0.0.0:10249"])
        #expect(try await bench.becomes("200"), "\(bench.daemon.output)")
        func first(_ path: String, _ port: UInt16, _ start: String) async throws -> String {
            let host = "\(bench.cluster.node1.ipv4)"
            let script =
                "exec 3<>/dev/tcp/\(host)/\(port); printf '\(start)GET \(path) HTTP/1.0\\n\\n' >&3; timeout 20 head -n 1 <&3"
            let program = Program("bash", ["-c", script])
            return try await bench.cluster.client.namespace.execute(program).standardOutput
        }
        let headers = [
            "", "PROXY TCP4 192.0.2.1 192.0.2.2 40000 30500\\r\\n",
            "\\r\\n\\r\\n\\000\\r\\nQUIT\\n\\040\\000\\000\\000",
        ]
        for header in headers {
            #expect(try await first("/", Bench.port, header) == "HTTP/1.0 200 OK\r\n", "\(header)")
            #expect(try await first("/healthz", 10256, header) == "HTTP/1.0 200 OK\r\n", "\(header)")
            let metrics = try await first("/metrics", 10249, header)
            #expect(metrics == (header.isEmpty ? "HTTP/1.0 200 OK\r\n" : "HTTP/1.1 400 Bad Request\r\n"), "\(header)")
        }
    }

    @Test("a health check port comes and goes with its Service, and with its policy")
    func comesAndGoes() async throws {
        let bench = try await Bench([.ready("local-1")])
        #expect(try await bench.becomes("200"), "\(bench.daemon.output)")
        try bench.change(to: [.ready("local-1")], port: 30501)
        #expect(try await bench.becomes("200", port: 30501), "\(bench.daemon.output)")
        #expect(try await bench.becomes("000"), "\(bench.daemon.output)")
        try bench.change(to: [.ready("local-1")], policy: "Cluster")
        #expect(try await bench.becomes("000", port: 30501), "\(bench.daemon.output)")
        try bench.change(to: [.ready("local-1")])
        #expect(try await bench.becomes("200"), "\(bench.daemon.output)")
        bench.directory.remove("service.yaml")
        #expect(try await bench.becomes("000"), "\(bench.daemon.output)")
    }

    @Test("health check ports listen on the node port addresses only, all of them if so asked")
    func addresses() async throws {
        let bench = try await Bench([.ready("local-1")])
        #expect(try await bench.becomes("200"), "\(bench.daemon.output)")
        let loopback = ["-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:\(Bench.port)/"]
        #expect(try await bench.curl(loopback, on: true) == "000")
        bench.daemon.signal(SIGTERM)
        _ = try await bench.daemon.waitForEnd()
        let all = try await Bench(
            [.ready("local-1")], options: ["--nodeport-addresses", "all"], cluster: bench.cluster)
        #expect(try await all.becomes("200"), "\(all.daemon.output)")
        #expect(try await all.becomes("200", .ipv6), "\(all.daemon.output)")
        #expect(try await all.curl(loopback, on: true) == "200")
    }

    @Test("no request is lost while endpoints change")
    func changes() async throws {
        let bench = try await Bench([.ready("local-1")])
        #expect(try await bench.becomes("200"), "\(bench.daemon.output)")
        async let codes = bench.curl(
            ["-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n", "--rate", "50/s"]
                + ["\(bench.url(.ipv4))[1-40]"])
        for round in 0..<8 {
            try bench.change(to: round % 2 == 0 ? [.ready("local-1"), .ready("local-2")] : [.ready("local-3")])
            try await Task.sleep(for: .milliseconds(90))
        }
        let lines = try await codes.split(separator: "\n")
        #expect(lines.count == 40 && lines.allSatisfy { $0.hasPrefix("200 ") }, "\(lines)")
    }

    @Test("a health check port that another program has is reported, and taken over when it is free")
    func taken() async throws {
        let cluster = try await ClusterTopology.make()
        var other: Servers? = try Servers()
        try other?.open(
            "other", in: cluster.node1.namespace, at: [cluster.node1.ipv4], ports: [Bench.port], transports: [.tcp])
        let bench = try await Bench([.ready("local-1")], cluster: cluster)
        let report = "warning: cannot listen on 172.30.0.11:\(Bench.port): Address already in use"
        try await bench.daemon.waitForOutput(report)
        #expect(try await bench.becomes("200", .ipv6), "\(bench.daemon.output)")
        let metrics = try await bench.curl(["http://127.0.0.1:10249/metrics"], on: true)
        #expect(try PrometheusPage(metrics).values[#"fairlead_listeners{state="failed"}"#] == 1)
        other = nil
        #expect(try await bench.becomes("200"), "\(bench.daemon.output)")
    }

    @Test("the health check port of a Service that is held stays, over a restart it is reported as closed until mended")
    func held() async throws {
        let bench = try await Bench([.ready("local-1")])
        #expect(try await bench.becomes("200"), "\(bench.daemon.output)")
        try bench.change(to: [.ready("local-1")], port: 0, extra: "sessionAffinity: 7")
        try await bench.daemon.waitForOutput("sessionAffinity")
        #expect(try await bench.status() == "200")
        #expect(!bench.daemon.output.contains("healthCheckNodePort"), "\(bench.daemon.output)")
        bench.daemon.signal(SIGTERM)
        _ = try await bench.daemon.waitForEnd()

        let arguments = ["run"] + FairleadCommand.clusterArguments(manifests: bench.directory.path)
        let second = try await FairleadCommand().start(arguments, in: bench.cluster.node1.namespace)
        try await second.waitForOutput(
            "warning: Service default/\(Numbers(index: 1).name): spec.healthCheckNodePort: cannot be told while")
        #expect(try await bench.status() == "000")
        let probe = Probe(.tcp, to: Target.loadBalancerIP.destination(Numbers(index: 1), .ipv4))
        #expect(try await bench.cluster.client.namespace.probe([probe])[0].answer?.server == "local-1")
        let metrics = try await bench.curl(["http://127.0.0.1:10249/metrics"], on: true)
        let series = #"fairlead_findings{code="unknown-health-check-port",severity="warning"}"#
        #expect(try PrometheusPage(metrics).values[series] == 1, "\(metrics)")
        try bench.change(to: [.ready("local-1")])
        #expect(try await bench.becomes("200"), "\(second.output)")
        // The port answers before what is found is counted.
        let isMended = try await eventually {
            let metrics = try await bench.curl(["http://127.0.0.1:10249/metrics"], on: true)
            return try PrometheusPage(metrics).values[series, default: 0] == 0
        }
        #expect(isMended, "\(second.output)")
    }

    @Test("of two Services with one health check port the older one answers")
    func contested() async throws {
        let bench = try await Bench([.ready("local-1")])
        #expect(try await bench.becomes("200"), "\(bench.daemon.output)")
        try Bench.write([], name: "older.yaml", index: 2, created: "2025-01-01T00:00:00Z", to: bench.directory)
        #expect(try await bench.becomes("503"), "\(bench.daemon.output)")
        let name = Numbers(index: 2).name
        #expect(try await bench.curl([bench.url(.ipv4)]).contains("\"name\": \"\(name)\""))
        let metrics = try await bench.curl(["http://127.0.0.1:10249/metrics"], on: true)
        let series = #"fairlead_findings{code="contested-health-check-port",severity="error"}"#
        #expect(try PrometheusPage(metrics).values[series] == 1, "\(metrics)")
        try await bench.daemon.waitForOutput(
            "Service default/\(Numbers(index: 1).name): spec.healthCheckNodePort: \(Bench.port) is that of default/\(name)"
        )
    }

    @Test("a node that is tainted for the autoscaler fails /healthz, not /livez and no health check port")
    func taint() async throws {
        let bench = try await Bench([.ready("local-1")])
        @Sendable func codes() async throws -> [String] {
            var result: [String] = []
            for path in ["/healthz", "/livez", "/other"] {
                let url = bench.url(.ipv6, path, port: 10256)
                result.append(try await bench.curl(["-o", "/dev/null", "-w", "%{http_code}", url]))
            }
            return result + [try await bench.status()]
        }
        #expect(try await eventually { try await codes() == ["200", "200", "404", "200"] }, "\(bench.daemon.output)")
        let node = Manifest.node("node1", ["172.30.0.11", "fd00:172:30::11"])
        let tainted = node + "spec:\n  taints: [{key: ToBeDeletedByClusterAutoscaler, effect: NoSchedule}]\n"
        try bench.directory.write(
            Manifest.documents([tainted, Manifest.node("node2", ["172.30.0.12"])]), to: "cluster.yaml")
        #expect(try await eventually { try await codes() == ["503", "200", "404", "200"] }, "\(bench.daemon.output)")
        let answer = try await bench.curl([bench.url(.ipv4, "/healthz", port: 10256)])
        #expect(answer.contains(#""nodeEligible":false,"healthy":true,"status":{"IPv4":{"lastUpdated":""#), "\(answer)")
        try bench.directory.write(Manifest.node("node2", ["172.30.0.12"]), to: "cluster.yaml")
        #expect(try await eventually { try await codes()[0] == "503" }, "\(bench.daemon.output)")
        bench.directory.remove("cluster.yaml")
        #expect(try await eventually { try await codes()[0] == "200" }, "\(bench.daemon.output)")
    }

    @Test("metrics are valid, and count what was refused")
    func metrics() async throws {
        let bench = try await Bench([.ready("remote-1")])
        @Sendable func page() async throws -> PrometheusPage {
            try PrometheusPage(try await bench.curl(["http://127.0.0.1:10249/metrics"], on: true))
        }
        let destination = Target.nodePort.destination(Numbers(index: 1), .ipv4)
        let probe = Probe(.tcp, to: destination, timeLimit: .milliseconds(300))
        #expect(try await bench.cluster.client.namespace.probe([probe]) == [.timedOut])
        let name = Numbers(index: 1).name
        let series =
            #"fairlead_service_refused_packets_total{namespace="default",service="\#(name)",port="tcp","#
            + #"frontend="0.0.0.0:\#(destination.port)/tcp",verdict="dropped"}"#
        #expect(try await eventually { try await page().values[series] ?? 0 >= 1 }, "\(bench.daemon.output)")
        let values = try await page().values
        #expect(values["fairlead_services"] == 1)
        #expect(
            values[#"kubeproxy_sync_proxy_rules_no_local_endpoints_total{traffic_policy="external",ip_family="IPv4"}"#]
                == 3)
        #expect(values[#"kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv4"}"#] == 1)
        #expect(try await bench.curl(["http://127.0.0.1:10249/proxyMode"], on: true) == "nftables")
        #expect(try await bench.curl(["http://127.0.0.1:10249/healthz"], on: true) == "ok")
        let health = #"kubernetes_healthchecks_total{name="ping",status="success",type="healthz"} 1"#
        #expect(try await bench.curl(["http://127.0.0.1:10249/metrics/slis"], on: true).contains(health))
        let accept = "Accept: application/json;v=v1beta1;g=config.k8s.io;as=Statusz"
        let status = try await bench.curl(["-H", accept, "http://127.0.0.1:10249/statusz"], on: true)
        #expect(status.hasPrefix(#"{"kind":"Statusz","apiVersion":"config.k8s.io/v1beta1","#), "\(status)")
        #expect(
            try await bench.curl(["http://127.0.0.1:10249/flagz"], on: true).contains("\nhostname-override=node1\n"))
        #expect(
            try await bench.curl(["http://127.0.0.1:10249/configz"], on: true).contains(#""hostnameOverride":"node1""#))
        let post = ["-o", "/dev/null", "-w", "%{http_code}", "-d", "x", "http://127.0.0.1:10249/metrics"]
        #expect(try await bench.curl(post, on: true) == "405")
    }

    @Test("new connections are counted by frontend with --service-counters")
    func connections() async throws {
        let bench = try await Bench([.ready("local-1"), .ready("remote-1")], options: ["--service-counters"])
        let destination = Target.clusterIP.destination(Numbers(index: 1), .ipv4)
        let probe = Probe(.tcp, to: destination, timeLimit: .milliseconds(500))
        let tally = try await bench.cluster.localCaller.namespace.tally(probe, count: 7)
        #expect(tally.answers.count == 7)
        let series =
            #"fairlead_service_connections_total{namespace="default",service="\#(Numbers(index: 1).name)",port="tcp","#
            + #"frontend="\#(destination)/tcp"}"#
        let isCounted = try await eventually {
            let text = try await bench.curl(["http://127.0.0.1:10249/metrics"], on: true)
            return try PrometheusPage(text).values[series] == 7
        }
        #expect(isCounted, "\(series)")
    }

    @Test("the elements of each set are counted, also after changes and the repair of drift")
    func elements() async throws {
        // Others may change the tables.
        let bench = try await Bench([.ready("local-1")], options: ["--no-own-tables"])
        let node = bench.cluster.node1.namespace
        @Sendable func page() async throws -> PrometheusPage {
            try PrometheusPage(try await bench.curl(["http://127.0.0.1:10249/metrics"], on: true))
        }
        /// The sets whose number of elements `nft` sees otherwise.
        @Sendable func differences() async throws -> [String] {
            let values = try await page().values
            let sets = values.keys.filter { $0.hasPrefix(#"fairlead_set_elements{ip_family="IPv6""#) }
            var result: [String] = sets.count > 10 ? [] : ["only \(sets.count) sets"]
            let lines = try await NFT(node).listTable("ip6 fairlead")
            for series in sets {
                let name = series.split(separator: "\"")[3]
                let count = lines.elementCount(of: String(name))
                if values[series] != Double(count) { result.append("\(series) \(values[series] ?? -1) \(count)") }
            }
            return result
        }
        #expect(try await differences() == [])
        try bench.change(to: [.ready("local-1"), .ready("local-2"), .ready("remote-1")])
        #expect(try await bench.becomes("200"))
        #expect(try await eventually { try await differences() == [] }, "\(bench.daemon.output)")
        #expect(try await page().values["fairlead_drift_repairs_total"] == 0)
        try await node.execute(Program("nft", ["delete", "table", "ip6", "fairlead"])).requireSuccess()
        let isRepaired = try await eventually { try await page().values["fairlead_drift_repairs_total"] == 1 }
        #expect(isRepaired, "\(bench.daemon.output)")
        #expect(try await differences() == [])
    }

    @Test("empty bind addresses open nothing, and a wrong one is wrong usage")
    func disabled() async throws {
        let bench = try await Bench(
            [.ready("local-1")], options: ["--healthz-bind-address", "", "--metrics-bind-address", ""])
        #expect(try await bench.becomes("200"), "\(bench.daemon.output)")
        for port: UInt16 in [10256, 10249] {
            let code = ["-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:\(port)/healthz"]
            #expect(try await bench.curl(code, on: true) == "000")
        }
        let wrong = try await FairleadCommand().run(
            ["run", "--healthz-bind-address", "localhost:1"]
                + FairleadCommand.clusterArguments(manifests: bench.directory.path), in: bench.cluster.node2.namespace)
        #expect(wrong.status == 64, "\(wrong)")
        #expect(wrong.standardError.contains("--healthz-bind-address: \"localhost:1\" has no IP address"), "\(wrong)")
    }
}

extension String {
    /// The elements of a set, or map, in what `nft list table` prints.
    fileprivate func elementCount(of set: String) -> Int {
        let start = firstRange(of: "set \(set) {") ?? firstRange(of: "map \(set) {")
        guard let start, let end = self[start.upperBound...].firstRange(of: "\n\t}"),
            let elements = self[start.upperBound..<end.lowerBound].firstRange(of: "elements = {")
        else { return 0 }
        return self[elements.upperBound..<end.lowerBound].split(separator: ",").count
    }
}
