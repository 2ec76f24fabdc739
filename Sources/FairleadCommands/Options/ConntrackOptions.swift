import ArgumentParser
import KubernetesConfiguration

/// The settings of connection tracking, with kube-proxy's names and defaults; `--conntrack-tcp-be-liberal` also shapes the
/// rules and stands in `NodeOptions`.
struct ConntrackOptions: ParsableArguments, KubeProxyOptions {
    @Option(
        help: ArgumentHelp(
            "Room in the conntrack table for each processor; 0 leaves its size alone. (default: 32768)",
            discussion: "The size is never lowered, and never raised above 1048576."))
    var conntrackMaxPerCore: Int?

    @Option(
        help: "Room in the conntrack table at the least, if --conntrack-max-per-core is not 0. (default: 131072)")
    var conntrackMin: Int?

    @Option(help: "When an idle established TCP connection is forgotten; 0 leaves it alone. (default: 24h0m0s)")
    var conntrackTcpTimeoutEstablished: GoDuration?

    @Option(
        help: "When a TCP connection that one end has closed is forgotten; 0 leaves it alone. (default: 1h0m0s)")
    var conntrackTcpTimeoutCloseWait: GoDuration?

    @Option(help: "When a UDP flow without an answer is forgotten, such as 30s; 0 leaves it alone. (default: 0)")
    var conntrackUdpTimeout: GoDuration?

    @Option(help: "When a UDP flow with answers is forgotten, such as 2m; 0 leaves it alone. (default: 0)")
    var conntrackUdpTimeoutStream: GoDuration?

    var given: [(name: String, value: String)] {
        var given: [(name: String, value: String)] = []
        given.add("conntrack-max-per-core", conntrackMaxPerCore)
        given.add("conntrack-min", conntrackMin)
        given.add("conntrack-tcp-timeout-established", conntrackTcpTimeoutEstablished)
        given.add("conntrack-tcp-timeout-close-wait", conntrackTcpTimeoutCloseWait)
        given.add("conntrack-udp-timeout", conntrackUdpTimeout)
        given.add("conntrack-udp-timeout-stream", conntrackUdpTimeoutStream)
        return given
    }
}

extension GoDuration: ExpressibleByArgument {
    /// Reads what an option was given.
    public init?(argument: String) { self.init(argument) }
}
