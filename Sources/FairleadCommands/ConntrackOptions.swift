import ArgumentParser
import Logging
import NetlinkTransport
import Reconciliation

/// The settings of connection tracking, with kube-proxy's names and defaults.
struct ConntrackOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Room in the conntrack table for each processor; 0 leaves its size alone.",
            discussion: "The size is never lowered, and never raised above 1048576."))
    var conntrackMaxPerCore = 32768

    @Option(help: "Room in the conntrack table at the least, if --conntrack-max-per-core is not 0.")
    var conntrackMin = 131_072

    @Option(help: "When an idle established TCP connection is forgotten (24h0m0s); 0 leaves it alone.")
    var conntrackTcpTimeoutEstablished = GoDuration(seconds: 24 * 3600)

    @Option(help: "When a TCP connection that one end has closed is forgotten (1h0m0s); 0 leaves it alone.")
    var conntrackTcpTimeoutCloseWait = GoDuration(seconds: 3600)

    @Option(help: "When a UDP flow without an answer is forgotten (30s); 0 leaves it alone.")
    var conntrackUdpTimeout = GoDuration(seconds: 0)

    @Option(help: "When a UDP flow with answers is forgotten (2m0s); 0 leaves it alone.")
    var conntrackUdpTimeoutStream = GoDuration(seconds: 0)

    func validate() throws {
        if conntrackMaxPerCore < 0 { throw ValidationError("--conntrack-max-per-core must not be negative") }
        if conntrackMin < 0 { throw ValidationError("--conntrack-min must not be negative") }
        let durations = [
            ("tcp-timeout-established", conntrackTcpTimeoutEstablished),
            ("tcp-timeout-close-wait", conntrackTcpTimeoutCloseWait), ("udp-timeout", conntrackUdpTimeout),
            ("udp-timeout-stream", conntrackUdpTimeoutStream),
        ]
        for (name, value) in durations where !value.isZero && !(1...Int(Int32.max)).contains(value.seconds) {
            throw ValidationError("--conntrack-\(name): the kernel counts whole seconds, from 1 to \(Int32.max)")
        }
    }

    /// - Parameter tcpBeLiberal: `--conntrack-tcp-be-liberal`, which also shapes the rules.
    func settings(tcpBeLiberal: Bool) -> ConntrackSettings {
        func positive(_ value: Int) -> Int? { value > 0 ? value : nil }
        var settings = ConntrackSettings()
        settings.maximumPerCore = positive(conntrackMaxPerCore)
        settings.minimum = positive(conntrackMin)
        settings.tcpEstablishedTimeout = positive(conntrackTcpTimeoutEstablished.seconds)
        settings.tcpCloseWaitTimeout = positive(conntrackTcpTimeoutCloseWait.seconds)
        settings.udpTimeout = positive(conntrackUdpTimeout.seconds)
        settings.udpStreamTimeout = positive(conntrackUdpTimeoutStream.seconds)
        settings.tcpBeLiberal = tcpBeLiberal
        return settings
    }

    /// Writes the settings; one that cannot be written is a warning.
    func apply(tcpBeLiberal: Bool, _ logger: Logger) {
        let plan = settings(tcpBeLiberal: tcpBeLiberal).plan(
            processors: KernelParameters.processors, read: KernelParameters.read)
        if let kept = plan.keptMaximum {
            logger.notice(
                "the conntrack table keeps its size, which is larger than --conntrack-max-per-core and --conntrack-min ask",
                metadata: ["size": "\(kept.present)", "asked": "\(kept.wanted)"])
        }
        for group in plan.groups {
            do throws(NetlinkError) {
                for change in group {
                    try KernelParameters.write(change.value, to: change.path)
                    logger.info(
                        "set a kernel parameter",
                        metadata: [
                            "path": "\(change.path)", "value": "\(change.value)",
                            "before": "\(change.before.map { "\($0)" } ?? "unknown")",
                        ])
                }
            } catch {
                logger.warning("\(error); the present value stays in force")
            }
        }
    }
}

/// A duration as Go programs write it: `24h0m0s`, `90s`, `1.5h`, `0`.
struct GoDuration: Hashable, ExpressibleByArgument {
    /// Whole seconds, rounded down.
    let seconds: Int
    /// Whether it is no time at all.
    let isZero: Bool

    init(seconds: Int) {
        self.seconds = seconds
        isZero = seconds == 0
    }

    init?(argument: String) {
        var total = 0.0
        var rest = Substring(argument)
        if rest.first == "+" { rest = rest.dropFirst() }
        if rest != "0" {
            if rest.isEmpty { return nil }
            while !rest.isEmpty {
                let digits = rest.prefix { "0123456789.".contains($0) }
                rest = rest.dropFirst(digits.count)
                let name = rest.prefix { !"0123456789.".contains($0) }
                rest = rest.dropFirst(name.count)
                guard digits.contains(where: \.isNumber), let number = Double(digits),
                    let unit = Self.units[String(name)]
                else { return nil }
                total += number * unit
            }
        }
        // Go's own limit: 2^63 nanoseconds.
        guard total < 9_223_372_036 else { return nil }
        seconds = Int(total)
        isZero = total == 0
    }

    private static let units: [String: Double] = [
        "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600,
    ]

    /// As Go prints it, for the help.
    var defaultValueDescription: String {
        seconds == 0 ? "0" : "\(seconds / 3600)h\(seconds / 60 % 60)m\(seconds % 60)s"
    }
}
