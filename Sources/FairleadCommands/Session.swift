import ArgumentParser
import KubernetesModel
import Logging
import ManifestSource
import NetlinkTransport
import Reconciliation

/// What the one-shot commands have in common: the objects, read once, and the desired state.
struct Session {
    var desired: DesiredState
    private(set) var findings: [Finding] = []
    private var manifests: ManifestSet

    init(source: SourceOptions, node: NodeOptions) throws {
        desired = try Wiring.desiredState(node)
        manifests = ManifestSet(paths: source.manifests)
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
    static func desiredState(_ node: NodeOptions) throws -> DesiredState {
        DesiredState(
            options: try node.dataplaneOptions(), settings: try node.settings(),
            host: HostFacts(
                addresses: { (try? HostAddresses.all()) ?? [] }, outgoing: { HostAddresses.primary($0) }))
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
