import FairleadTestKit
import Testing

/// What the daemon says of conntrack's table. Its limit is one for the whole host: what the kernel tells is laid over with files, in a mount
/// namespace of the daemon's own.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct ConntrackTableTests {
    private static func metrics(_ namespace: NetworkNamespace) async throws -> String {
        let program = Program(
            "curl", ["-s", "--max-time", "5", "--noproxy", "*", "http://127.0.0.1:10249/metrics"])
        return try await namespace.execute(program).standardOutput
    }

    private static func value(_ name: String, _ page: String) -> Double? {
        page.split(separator: "\n").first { $0.hasPrefix("\(name) ") }.flatMap {
            Double($0.dropFirst(name.count + 1))
        }
    }

    @Test("entries and limit of the conntrack table are those that the kernel tells")
    func numbers() async throws {
        let bench = try await DaemonBench([.ready("local-1")])
        try await bench.waitUntilInLine()
        #expect(try await bench.tally(count: 20).answers.count == 20)
        let isTold = try await eventually(within: .seconds(60)) {
            Self.value("fairlead_conntrack_entries", try await Self.metrics(bench.cluster.node1.namespace)) ?? 0 >= 20
        }
        #expect(isTold)
        let page = try await Self.metrics(bench.cluster.node1.namespace)
        let limit = try await bench.cluster.node1.namespace.execute(
            Program("cat", ["/proc/sys/net/netfilter/nf_conntrack_max"])
        ).standardOutput.split(separator: "\n").first.flatMap { Double($0) }
        #expect(Self.value("fairlead_conntrack_limit", page) == limit && limit != nil)
        #expect(page.contains("fairlead_conntrack_dropped_total{reason=\"drop\"} "), "\(page)")
        #expect(!bench.daemon.output.contains("conntrack's table is"), "\(bench.daemon.output)")
    }

    @Test("a conntrack table that fills is a line, a finding and a metric at 90 %, and over below 80 %")
    func filling() async throws {
        let directory = try TemporaryDirectory()
        try directory.write(Manifest.cluster, to: "cluster.yaml")
        let count = try directory.write("899\n", to: "count")
        let limit = try directory.write("1000\n", to: "limit")
        let namespace = try NetworkNamespace("conntrack")
        let fairlead = try FairleadCommand().path
        let arguments =
            ["run"] + FairleadCommand.clusterArguments(manifests: "\(directory.path)/cluster.yaml")
            + [
                "--conntrack-max-per-core", "0", "--conntrack-tcp-timeout-established", "0",
                "--conntrack-tcp-timeout-close-wait", "0",
            ]
        let script = """
            mount --make-rprivate /
            mount --bind \(count) /proc/sys/net/netfilter/nf_conntrack_count
            mount --bind \(limit) /proc/sys/net/netfilter/nf_conntrack_max
            exec "$@"
            """
        let program = Program(
            "unshare", ["-m", "sh", "-ec", script, "sh", fairlead] + arguments, timeLimit: .seconds(300))
        let daemon = try await Daemon(program, in: namespace)
        try await daemon.waitForOutput("serving", timeLimit: .seconds(60))
        // In one write and without cutting the file before: the daemon may be reading.
        func show(_ entries: Int) async throws {
            try await namespace.execute(
                Program("dd", ["of=\(count)", "conv=notrunc", "status=none"], input: "\(entries)\n")
            )
            .requireSuccess()
        }
        func entries(_ expected: Double) async throws -> Bool {
            try await eventually(within: .seconds(60)) {
                Self.value("fairlead_conntrack_entries", try await Self.metrics(namespace)) == expected
            }
        }
        #expect(try await entries(899), "\(daemon.output)")
        #expect(!daemon.output.contains("conntrack's table is"), "\(daemon.output)")

        try await show(900)
        try await daemon.waitForOutput("conntrack's table is 90 % full (900 of 1000 entries", timeLimit: .seconds(60))
        let page = try await Self.metrics(namespace)
        #expect(page.contains("fairlead_findings{code=\"conntrack-table-full\",severity=\"warning\"} 1"), "\(page)")
        let status = try await FairleadCommand().run(["status"], in: namespace).standardOutput
        #expect(
            status.contains("conntrack's table is 90 % full (900 of 1000 entries; 0 packets dropped so far)"),
            "\(status)")

        // Neither clearly less nor news.
        try await show(850)
        #expect(try await entries(850))
        try await show(950)
        #expect(try await entries(950))
        #expect(daemon.output.split(separator: "\n").filter { $0.contains("conntrack's table is") }.count == 1)
        try await show(799)
        try await daemon.waitForOutput("conntrack's table has room again", timeLimit: .seconds(60))
        let after = try await FairleadCommand().run(["status"], in: namespace).standardOutput
        #expect(!after.contains("conntrack's table is"), "\(after)")
    }
}
