import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// `kubeproxy_network_programming_duration_seconds` of `fairlead run`: which changes count.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct ProgrammingTimeTests {
    /// A daemon over one Service, in a namespace without links.
    private struct Bench: Sendable {
        let namespace: NetworkNamespace
        let directory: TemporaryDirectory
        let daemon: Daemon

        /// - Parameter trigger: the annotation of the slice that the daemon finds.
        init(trigger: String) async throws {
            namespace = try NetworkNamespace("programming")
            directory = try TemporaryDirectory()
            try directory.write(Manifest.cluster, to: "cluster.yaml")
            let service = Scenario(name: "programming", endpoints: [], expectations: []).objects(Numbers(index: 1))
            try directory.write(Manifest.documents(service.services.map(\.yaml)), to: "service.yaml")
            try Self.write(["local-1"], .ipv4, trigger, to: directory)
            let arguments = ["run"] + FairleadCommand.clusterArguments(manifests: directory.path)
            daemon = try await FairleadCommand().start(arguments, in: namespace)
            try await daemon.waitForOutput("serving")
        }

        static func write(
            _ endpoints: [String], _ family: IPFamily, _ trigger: String?, to directory: TemporaryDirectory
        ) throws {
            let shapes = endpoints.map { EndpointShape.ready($0) }
            var slice = Scenario.slice(Numbers(index: 1).name, family, shapes)
            if let trigger { slice.annotations["endpoints.kubernetes.io/last-change-trigger-time"] = trigger }
            try directory.write(slice.yaml, to: "slice-\(family).yaml")
        }

        func page() async throws -> PrometheusPage {
            let program = Program("curl", ["-s", "--max-time", "5", "http://127.0.0.1:10249/metrics"])
            return try PrometheusPage(try await namespace.execute(program).standardOutput)
        }

        /// Writes a slice and waits until the daemon has seen it. Returns how many changes have counted, and their seconds.
        func change(_ endpoints: [String], _ family: IPFamily, _ trigger: String?) async throws -> [Double] {
            let series = "kubeproxy_sync_proxy_rules_endpoint_changes_total"
            let before = try await page().values[series] ?? 0
            try Self.write(endpoints, family, trigger, to: directory)
            let isSeen = try await eventually {
                let values = try await page().values
                let pending = values["kubeproxy_sync_proxy_rules_endpoint_changes_pending"]
                return (values[series] ?? 0) > before && pending == 0
            }
            #expect(isSeen, "\(daemon.output)")
            let values = try await page().values
            let name = "kubeproxy_network_programming_duration_seconds"
            return ["count", "sum"].map { values["\(name)_\($0){ip_family=\"\(family)\"}"] ?? -1 }
        }
    }

    /// The moment as the EndpointSlice controller writes it.
    private static func timestamp(secondsAgo: Int) -> String {
        var now = time(nil) - secondsAgo
        var fields = tm()
        gmtime_r(&now, &fields)
        var buffer = [CChar](repeating: 0, count: 32)
        let length = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%S.000000001Z", &fields)
        return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    @Test("a change counts from its trigger to the rules, what the daemon found does not")
    func counts() async throws {
        let bench = try await Bench(trigger: Self.timestamp(secondsAgo: 30))
        // Of the whole second in which the daemon started: the trigger has to be later.
        try await Task.sleep(for: .seconds(1.1))
        let first = try await bench.change(["local-1", "local-2"], .ipv4, Self.timestamp(secondsAgo: 0))
        #expect(first[0] == 1 && (0...15).contains(first[1]), "\(first)")
        let other = try await bench.change(["local-1"], .ipv6, Self.timestamp(secondsAgo: 0))
        #expect(other[0] == 1, "\(other)")
        #expect(try await bench.change(["local-2"], .ipv4, Self.timestamp(secondsAgo: 0))[0] == 2)
    }

    @Test("another annotation alone, none, an old and a wrong one do not count, and change nothing else")
    func exceptions() async throws {
        let bench = try await Bench(trigger: Self.timestamp(secondsAgo: 30))
        try await Task.sleep(for: .seconds(1.1))
        let monitor = try await RulesetMonitor(bench.namespace)
        #expect(try await bench.change(["local-1"], .ipv4, Self.timestamp(secondsAgo: 0))[0] == 0)
        #expect(try await monitor.changes() == [])
        #expect(try await bench.change(["local-2"], .ipv4, nil)[0] == 0)
        #expect(try await bench.change(["local-3"], .ipv4, "yesterday")[0] == 0)
        #expect(try await bench.change(["local-1"], .ipv4, Self.timestamp(secondsAgo: 30))[0] == 0)
        #expect(try await monitor.changes() != [])
    }
}
