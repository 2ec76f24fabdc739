import Logging
import NetlinkTransport
import Reconciliation

extension ConntrackSettings {
    /// Writes the settings; one that cannot be written is a warning.
    ///
    /// - Returns: whether all that had to be written could be.
    @discardableResult
    package func apply(_ logger: Logger) -> Bool {
        var isComplete = true
        let plan = plan(processors: KernelParameters.processors, read: KernelParameters.read)
        if let kept = plan.keptMaximum {
            logger.notice(
                "the conntrack table keeps its size, which is larger than --conntrack-max-per-core and --conntrack-min ask",
                metadata: ["size": "\(kept.present == 0 ? "unlimited" : "\(kept.present)")", "asked": "\(kept.wanted)"])
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
                isComplete = false
                logger.warning("\(error); the present value stays in force")
            }
        }
        return isComplete
    }
}

/// What else connection tracking has to be like.
enum ConntrackSetup {
    /// With `--reset-gone-endpoints`: a segment of a connection that conntrack does not know begins an entry, unless somebody has set
    /// that otherwise.
    static func warnOfStrictTracking(_ logger: Logger, proc: String = "/proc") {
        guard ProcFiles.lines("\(proc)/sys/net/netfilter/nf_conntrack_tcp_loose").first == "0" else { return }
        logger.warning(
            """
            net.netfilter.nf_conntrack_tcp_loose is 0: segments of connections whose endpoint is gone are dropped, not reset \
            (--reset-gone-endpoints)
            """)
    }
}
