import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// The kernel settings that `run` manages.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct ConntrackOptionTests {
    private static let names = [
        "tcp_timeout_established", "tcp_timeout_close_wait", "udp_timeout", "udp_timeout_stream", "tcp_be_liberal",
    ]

    /// Runs the daemon until it serves; the values of the parameters then, and what it logged.
    private func values(_ options: [String]) async throws -> (values: [String], log: String) {
        let namespace = try NetworkNamespace("settings")
        let directory = try TemporaryDirectory()
        try directory.write(Manifest.cluster, to: "cluster.yaml")
        let arguments = ["run"] + FairleadCommand.clusterArguments(manifests: directory.path) + options
        let daemon = try await FairleadCommand().start(arguments, in: namespace)
        try await daemon.waitForOutput("serving")
        #expect(daemon.isRunning)
        var values: [String] = []
        for name in Self.names { values.append(try await namespace.parameter("netfilter/nf_conntrack_\(name)")) }
        return (values, daemon.output)
    }

    @Test("by default timeouts of TCP are kube-proxy's, those of UDP are left alone")
    func defaults() async throws {
        let result = try await values([])
        #expect(result.values == ["86400", "3600", "30", "120", "0"], "\(result.log)")
    }

    @Test("every setting has its flag, in Go's spelling of durations")
    func all() async throws {
        let result = try await values([
            "--conntrack-tcp-timeout-established", "1h30m", "--conntrack-tcp-timeout-close-wait", "90s",
            "--conntrack-udp-timeout", "0h0m7s", "--conntrack-udp-timeout-stream", "1.5m", "--conntrack-tcp-be-liberal",
        ])
        #expect(result.values == ["5400", "90", "7", "90", "1"], "\(result.log)")
    }

    @Test("0 leaves a setting alone")
    func zero() async throws {
        let result = try await values([
            "--conntrack-tcp-timeout-established", "0", "--conntrack-tcp-timeout-close-wait=0s",
            "--conntrack-max-per-core=0",
        ])
        #expect(result.values == ["432000", "60", "30", "120", "0"], "\(result.log)")
        #expect(!result.log.contains("conntrack"), "\(result.log)")
    }

    @Test("the table is never made smaller, and that is said")
    func keep() async throws {
        let result = try await values(["--conntrack-max-per-core=1", "--conntrack-min=1"])
        #expect(result.log.contains("the conntrack table keeps its size"), "\(result.log)")
    }

    @Test("a setting that cannot be written is a warning with the path, and the daemon serves")
    func refused() async throws {
        // The table's size belongs to the machine's own namespace; here it can only be read. A larger one than it has, whatever
        // that is, has to be written.
        let size = try #require(Int(try await NetworkNamespace("size").parameter("netfilter/nf_conntrack_max")))
        let result = try await values(["--conntrack-max-per-core=1", "--conntrack-min=\(size + 1)"])
        #expect(result.log.contains("/proc/sys/net/netfilter/nf_conntrack_max: "), "\(result.log)")
        #expect(result.values[0] == "86400")
    }

    @Test("what is no duration is refused", arguments: ["1", "-1s", "s", "1x", "1h2", "10ms", "", "300y"])
    func invalid(_ text: String) async throws {
        let namespace = try NetworkNamespace("settings")
        let result = try await FairleadCommand().run(
            ["run", "--manifests", "/nonexistent", "--conntrack-udp-timeout=\(text)"], in: namespace)
        #expect(result.status == 64, "\(result)")
    }
}
