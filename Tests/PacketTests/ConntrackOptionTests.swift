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

    /// What a namespace has before the daemon starts: nothing that any kernel or host has by itself.
    private static let before = ["500", "501", "31", "121", "0"]

    /// Runs the daemon until it serves; the values of the parameters then, and what it logged.
    ///
    /// - Parameter tableSize: what the table's size is to be, which belongs to the machine's own namespace: the daemon sees a file in
    ///   its place that it cannot write.
    private func values(_ options: [String], tableSize: Int? = nil) async throws -> (values: [String], log: String) {
        let namespace = try NetworkNamespace("settings")
        try namespace.setParameters(zip(Self.names, Self.before).map { ("netfilter/nf_conntrack_\($0)", $1) })
        let directory = try TemporaryDirectory()
        let manifests = try directory.write(Manifest.cluster, to: "cluster.yaml")
        let arguments = ["run"] + FairleadCommand.clusterArguments(manifests: manifests) + options
        let daemon: Daemon
        if let tableSize {
            let size = try directory.write("\(tableSize)\n", to: "size")
            let script = """
                mount --bind \(size) /proc/sys/net/netfilter/nf_conntrack_max &&
                mount -o remount,bind,ro /proc/sys/net/netfilter/nf_conntrack_max && exec "$@"
                """
            let shell = ["-m", "sh", "-c", script, "sh", try FairleadCommand().path]
            daemon = try await Daemon(Program("unshare", shell + arguments, timeLimit: .seconds(120)), in: namespace)
        } else {
            daemon = try await FairleadCommand().start(arguments, in: namespace)
        }
        try await daemon.waitForOutput("serving")
        #expect(daemon.isRunning)
        var values: [String] = []
        for name in Self.names { values.append(try await namespace.parameter("netfilter/nf_conntrack_\(name)")) }
        return (values, daemon.output)
    }

    @Test("by default timeouts of TCP are kube-proxy's, those of UDP are left alone")
    func defaults() async throws {
        let result = try await values([])
        #expect(result.values == ["86400", "3600", "31", "121", "0"], "\(result.log)")
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
        #expect(result.values == Self.before, "\(result.log)")
        #expect(!result.log.contains("conntrack"), "\(result.log)")
    }

    @Test("the table is never made smaller, and that is said; 0 is no limit", arguments: [2_000_000, 0])
    func keep(_ size: Int) async throws {
        let result = try await values(["--conntrack-max-per-core=1", "--conntrack-min=1"], tableSize: size)
        #expect(result.log.contains("the conntrack table keeps its size"), "\(result.log)")
        #expect(result.log.contains(size == 0 ? "unlimited" : "2000000"), "\(result.log)")
        #expect(!result.log.contains("nf_conntrack_max"), "\(result.log)")
    }

    @Test("a setting that cannot be written is a warning with the path, and the daemon serves")
    func refused() async throws {
        let result = try await values(["--conntrack-max-per-core=1", "--conntrack-min=1048575"], tableSize: 65_536)
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
