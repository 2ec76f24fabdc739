import Logging
import NetlinkTransport

/// Lets packets from 127.0.0.1 leave loopback, for `--localhost-nodeports`. Only to be opened once the rules are in force: they
/// keep other hosts from sending packets to 127.0.0.0/8.
///
/// Where the kernel parameter cannot be written, as in a container whose `/proc/sys` is read-only, nothing but node ports on
/// 127.0.0.1 is missing: all else goes on.
package final class LocalhostRoute {
    private let logger: Logger
    private let retries: Bool
    private var isOpen = false
    private var hasComplained = false
    private var nextAttempt = ContinuousClock.now

    private static let retryInterval: Duration = .seconds(5)

    /// - Parameter retries: whether `tick` is called from time to time.
    package init(_ logger: Logger, retries: Bool = true) {
        self.logger = logger
        self.retries = retries
    }

    /// Writes the parameter if it is not set. False if that failed; the first failure is logged.
    @discardableResult
    package func open() -> Bool {
        if isOpen { return true }
        do throws(NetlinkError) {
            try KernelParameters.routeLocalnet()
            isOpen = true
            if hasComplained { logger.notice("node ports are served on 127.0.0.1 now") }
        } catch {
            nextAttempt = .now + Self.retryInterval
            let outlook = retries ? "; trying again every \(Self.retryInterval)" : ""
            if !hasComplained { logger.error("node ports are not served on 127.0.0.1: \(error)\(outlook)") }
            hasComplained = true
        }
        return isOpen
    }

    /// Tries again, if it is time.
    func tick() {
        if !isOpen, ContinuousClock.now >= nextAttempt { open() }
    }
}
