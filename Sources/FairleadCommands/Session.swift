import ArgumentParser
import KubernetesClient
import KubernetesConfiguration
import KubernetesModel
import Logging
import ManifestSource
import Netfilter
import NetlinkTransport
import NetworkTypes
import Reconciliation
import ServiceDataplane

/// What the one-shot commands have in common: the objects, read once, and the desired state.
struct Session {
    var desired: DesiredState
    private(set) var findings: [Finding] = []
    private let source: SourceChoice

    init(_ settings: Settings, source: SourceChoice) throws {
        desired = try Wiring.desiredState(settings)
        self.source = source
    }

    /// Reads the objects. False if a file could not be read or parsed, or the API server did not give them; why has been
    /// logged then.
    ///
    /// - Parameter allNodes: whether an API server is asked for more Nodes than this one.
    mutating func load(_ logger: Logger, allNodes: Bool = false) async -> Bool {
        let nodeName = allNodes ? nil : desired.settings.nodeName
        guard let reading = await ObjectReading(source, nodeName: nodeName, logger) else { return false }
        take(reading.update, logger)
        // From an API server either all Nodes came, or the names of the others were asked for.
        let names = allNodes ? desired.cluster.nodes.map(\.name) : reading.otherNodes
        let lookup =
            switch source {
            case .manifests: NodeLookup(names: nil)
            case .api: NodeLookup(names: { [] }, answer: names)
            }
        var update = reading.update
        update.readiness = reading.isWhole ? .complete : .partial
        desired.nodeAbsence = lookup.absence(after: update, nodeName: desired.settings.nodeName)
        return reading.isWhole
    }

    private mutating func take(_ update: ClusterUpdate, _ logger: Logger) {
        findings = update.findings
        report(findings, logger)
        desired.held = update.heldServices
        _ = desired.load(update.changes)
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
    /// A way to the API server.
    static func connection(_ settings: ConnectionSettings, _ logger: Logger) throws(APIError) -> APIConnection {
        var options = ConnectionOptions()
        options.version = Fairlead.version
        return try APIConnection(settings, options: options, logger: logger)
    }

    static func desiredState(_ settings: Settings) throws -> DesiredState {
        let logger = settings.logger
        return DesiredState(
            options: settings.dataplane, settings: try settings.node(),
            host: hostFacts(logger))
    }

    /// What the interfaces and routes of this network namespace have now.
    static func hostFacts(_ logger: Logger) -> HostFacts {
        var facts = HostFacts(addresses: addresses(logger), interfaces: HostAddresses.interfaceNames())
        for family in IPFamily.allCases { facts.primaries[family] = HostAddresses.primary(family) }
        return facts
    }

    /// The addresses of this network namespace; nil if they cannot be read, which is logged.
    static func addresses(_ logger: Logger) -> [IPAddress]? {
        do throws(NetlinkError) { return try HostAddresses.all() } catch {
            logger.error("\(error)")
            return nil
        }
    }

    /// Listens for changes of this network namespace's addresses.
    static func addressFollower(_ settings: Settings) throws -> AddressFollower {
        // Other choices do not depend on routes.
        let followsRoutes = try settings.node().nodePortAddresses == .primary
        return AddressFollower(followsDefaultRoutes: followsRoutes, settings.logger)
    }

    /// Whether the kernel can hold the tables; what it lacks is logged.
    static func isCapable(_ kernel: NftablesKernel, _ settings: Settings) -> Bool {
        let schemas = IPFamily.allCases.map { TableSchema(family: $0, options: settings.dataplane) }
        // What does not speak against the kernel, such as a missing privilege, is for the first commit to tell.
        guard let missing = try? kernel.missing(for: schemas) else { return true }
        for feature in missing { settings.logger.error("\(feature)") }
        return missing.isEmpty
    }

    /// Says once what newer kernels have and this one does without.
    static func tellLimits(_ kernel: NftablesKernel, ownsTables: Bool, _ logger: Logger) {
        let limits = kernel.limits(wantsOwnTables: ownsTables)
        guard !limits.isEmpty else { return }
        logger.notice(
            "this kernel does without \(limits.map(\.description).joined(separator: "; "))",
            metadata: ["kernel": "\(KernelRelease.text)"])
    }

    /// Opens the kernel of this network namespace, or logs why that failed.
    ///
    /// - Parameter making: what becomes of tables that are made; for who makes none it does not matter.
    static func kernel(_ logger: Logger, making: NftablesKernel.TableMaking = .plain) -> NftablesKernel? {
        do throws(NetlinkError) {
            return try NftablesKernel(making: making)
        } catch {
            logger.error("\(error)")
            return nil
        }
    }
}
