import Logging
import NetlinkTransport

/// Follows the node's own addresses for as long as the daemon lives: a watcher that ends, or that could not be opened, is replaced.
///
/// What happened while nobody listened is told by nobody, so the addresses are read again with each new watcher.
struct AddressFollower: Sendable {
    /// Listens: wakes up for each change, and ends with the watcher or when the task is cancelled.
    typealias Watch = @Sendable (_ wakeUp: () async -> Void) async -> Void

    private let first: Watch?
    private let open: @Sendable () throws -> Watch
    private let logger: Logger
    private let firstDelay: Duration

    /// After a failure it is tried again so soon, then after twice as long each time.
    static let firstDelay: Duration = .seconds(1)
    static let longestDelay: Duration = .seconds(30)
    /// Whoever has listened for so long has got over the failure before.
    private static let recovery: Duration = .seconds(60)

    /// - Parameters:
    ///   - first: a watcher that listens already; nil if it could not be opened, which was logged.
    ///   - open: opens another one.
    init(
        first: Watch?, firstDelay: Duration = Self.firstDelay, _ logger: Logger,
        open: @escaping @Sendable () throws -> Watch
    ) {
        self.first = first
        self.firstDelay = firstDelay
        self.logger = logger
        self.open = open
    }

    /// Opens the first watcher now, so that no change falls between it and the first look at the addresses.
    init(followsDefaultRoutes: Bool, _ logger: Logger) {
        let open: @Sendable () throws(NetlinkError) -> Watch = { () throws(NetlinkError) in
            let watcher = try HostAddressWatcher(followsDefaultRoutes: followsDefaultRoutes)
            return { wakeUp in
                for await _ in watcher.wakeUps { await wakeUp() }
                watcher.stop()
            }
        }
        var first: Watch?
        do throws(NetlinkError) { first = try open() } catch {
            logger.error("\(error); changes of the node's addresses are not followed until that works")
        }
        self.init(first: first, logger, open: open)
    }

    /// Calls `refresh` for each change, and after each time that nobody listened, until cancelled.
    func run(_ refresh: () async -> Void) async {
        let clock = ContinuousClock()
        var watch = first
        var delay = firstDelay
        while !Task.isCancelled {
            if let watch {
                let start = clock.now
                await watch(refresh)
                if Task.isCancelled { return }
                if clock.now - start >= Self.recovery { delay = firstDelay }
                logger.error(
                    "the kernel no longer tells of changes of addresses; listening again",
                    metadata: ["seconds": "\(delay / .seconds(1))"])
            }
            try? await clock.sleep(for: delay)
            if Task.isCancelled { return }
            delay = min(delay * 2, Self.longestDelay)
            do {
                watch = try open()
                logger.notice("listening for changes of addresses again")
                // What happened before it listened.
                await refresh()
            } catch {
                watch = nil
                logger.error("\(error); changes of the node's addresses are not followed until that works")
            }
        }
    }
}
