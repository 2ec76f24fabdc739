import ArgumentParser
import KubernetesConfiguration
import KubernetesModel
import Logging
import ManifestSource
import NetlinkTransport
import NetworkTypes
import Reconciliation

/// What the one-shot commands have in common: the objects, read once, and the desired state.
struct Session {
    var desired: DesiredState
    private(set) var findings: [Finding] = []
    private var manifests: ManifestSet

    init(_ settings: Settings, source: SourceChoice) throws {
        desired = try Wiring.desiredState(settings)
        manifests = ManifestSet(paths: try Wiring.manifests(source))
    }

    /// Reads the manifests. False if a file could not be read or parsed; each such file has been logged then.
    mutating func load(_ logger: Logger) -> Bool {
        let update = manifests.load()
        for failure in update.failures { logger.error("\(failure)") }
        findings = update.findings
        report(findings, logger)
        for object in update.skipped { logger.debug("\(object)") }
        desired.held = update.heldServices
        _ = desired.load(update.changes)
        return update.failures.isEmpty
    }

    /// Logs what could not be read, and what there is no use for.
    static func report(_ failures: [ManifestError], _ skipped: [SkippedObject], _ logger: Logger) {
        for failure in failures {
            logger.error("\(failure); the last good version of the file, if there was one, stays in force")
        }
        for object in skipped { logger.debug("\(object)") }
    }

    /// Logs findings, each at the level of its severity.
    func report(_ findings: [Finding], _ logger: Logger) { Self.report(findings, logger) }

    static func report(_ findings: [Finding], _ logger: Logger) {
        for finding in findings {
            let level: Logger.Level =
                switch finding.severity {
                case .info: .info
                case .warning: .warning
                case .error: .error
                }
            logger.log(level: level, "\(finding)")
        }
    }
}

/// The single place that joins the stages with what does I/O.
enum Wiring {
    /// The paths of manifests.
    static func manifests(_ source: SourceChoice) throws -> [String] {
        switch source {
        case .manifests(let paths): return paths
        case .api(let connection, _):
            throw ValidationError("objects cannot be read from \(connection.server) yet; give --manifests")
        }
    }

    static func desiredState(_ settings: Settings) throws -> DesiredState {
        let logger = settings.logger
        return DesiredState(
            options: settings.dataplane, settings: try settings.node(),
            host: HostFacts(addresses: { addresses(logger) }, outgoing: { HostAddresses.primary($0) }))
    }

    private static func addresses(_ logger: Logger) -> [IPAddress]? {
        do throws(NetlinkError) { return try HostAddresses.all() } catch {
            logger.error("\(error)")
            return nil
        }
    }

    /// Listens for changes of this network namespace's addresses, or logs why that is not possible.
    static func addressWatcher(_ settings: Settings) throws -> HostAddressWatcher? {
        let logger = settings.logger
        // Other choices do not depend on routes.
        let followsRoutes = try settings.node().nodePortAddresses == .primary
        do throws(NetlinkError) { return try HostAddressWatcher(followsDefaultRoutes: followsRoutes) } catch {
            logger.error("\(error); changes of the node's addresses are not followed")
            return nil
        }
    }

    /// Opens the kernel of this network namespace, or logs why that failed.
    static func kernel(_ logger: Logger) -> NftablesKernel? {
        do throws(NetlinkError) {
            return try NftablesKernel()
        } catch {
            logger.error("\(error)")
            return nil
        }
    }
}
