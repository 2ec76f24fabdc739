import ArgumentParser
import Glibc
import Logging
import Netfilter
import NetlinkTransport
import NodeAgent
import Reconciliation
import Terminal

/// `fairlead apply`.
struct Apply: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring the kernel's rules in line with the manifests, once.",
        discussion: """
            Commits the difference between what the kernel has and what the manifests ask for; a second run changes \
            nothing. A file that cannot be read or parsed changes nothing and exits 1. An object that is invalid is \
            reported and costs only itself.
            """)

    @OptionGroup var source: SourceOptions
    @OptionGroup var file: FileOptions
    @OptionGroup var node: NodeOptions
    @OptionGroup var log: LogOptions

    @Flag(name: .shortAndLong, help: "Print nothing when it went well.")
    var quiet = false

    func run() async throws {
        let settings = try Settings(file: file, source: source, node: node, log: log)
        let logger = settings.logger
        var times = PhaseTimes()
        let source = try source.choose(settings)
        guard Wiring.isNewEnough(logger) else { throw ExitCode.failure }
        // Tables without an owner: a flag that lets them have one later would be of no use to most, and older programs `nft` cannot
        // load what they list of such tables.
        let plain = Wiring.kernel(logger)
        var session = try Session(settings, source: source, kernel: plain)
        settings.warn()
        defer { LoadProgress.clear() }
        LoadProgress.showReading()
        guard await session.load(logger), let kernel = plain.map(TimedKernel.init) else {
            throw ExitCode.failure
        }
        times.end("decode")
        let reconciler = Reconciler(kernel: kernel, desired: session.desired)
        reconciler.onPhase = LoadProgress.show
        do throws(NetlinkError) {
            let report = try reconciler.synchronize()
            LoadProgress.clear()
            times.end("plan", parts: [("observe", kernel.observing), ("commit", kernel.committing)])
            times.report(logger)
            session.report(reconciler.desired.findings, logger)
            await FlowCleanup(logger).removeOnce(report.staleFlows)
            Self.forgetStaleClients(reconciler, logger)
            if !quiet { Self.summarize(report, services: reconciler.desired.serviceCount) }
        } catch {
            logger.error("\(error)")
            // The reason behind the reason.
            if let kernel = Wiring.kernel(logger) { _ = Wiring.isCapable(kernel, settings) }
            throw ExitCode.failure
        }
        if !reconciler.desired.refused.isEmpty { throw ExitCode.failure }
        if settings.servesLocalhostNodePorts, !LocalhostRoute(logger, retries: false).open() { throw ExitCode.failure }
        // Giving back the memory of a large cluster piece by piece would take longer than the kernel does.
        withExtendedLifetime((session, reconciler)) { Glibc.exit(EXIT_SUCCESS) }
    }

    /// The rules are in force: what cannot be forgotten is no failure of theirs.
    private static func forgetStaleClients(_ reconciler: Reconciler<TimedKernel>, _ logger: Logger) {
        guard reconciler.takeStaleClients() else { return }
        do throws(NetlinkError) {
            let verdicts = try reconciler.forgetStaleClients(looks: 3) { usleep(100_000) }
            logger.debug("forgot clients", metadata: ["clients": "\(verdicts.forgotten.values.reduce(0, +))"])
            if verdicts.isUnfinished {
                logger.warning(
                    "some clients with affinity may be sent to endpoints that have gone, until their time is up")
            }
        } catch {
            logger.warning("clients with affinity could not be looked at: \(error)")
        }
    }

    private static func summarize(_ report: SyncReport, services: Int) {
        let stdout = StandardOutput()
        if report.counts.isEmpty {
            stdout.write("\(services) Services served; nothing to change\n")
        } else {
            stdout.write(
                "\(services) Services served; \(report.counts.added) elements added, \(report.counts.removed) removed, "
                    + "\(report.counts.structural) changes of structure, in \(report.transactions) "
                    + "\(report.transactions == 1 ? "transaction" : "transactions")\n")
        }
    }
}
