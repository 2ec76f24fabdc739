import KubernetesClient
import KubernetesConfiguration
import Logging
import Netfilter
import NetlinkTransport
import NetworkTypes
import Reconciliation
import ServiceDataplane

/// The single place that joins the stages with what does I/O: every connection to the tables, to conntrack and to an API
/// server is opened here, and `Agent` makes the daemon of them.
package enum Wiring {
    /// A way to the API server.
    static func connection(_ settings: ConnectionSettings, _ logger: Logger) throws(APIError) -> APIConnection {
        var options = ConnectionOptions()
        options.version = Release.version
        return try APIConnection(settings, options: options, logger: logger)
    }

    /// The desired state of this node before any object is known.
    ///
    /// - Parameters:
    ///   - view: the node whose view is asked for, if it is not this host's.
    ///   - kernel: what will hold the tables, where it is this node's.
    package static func desiredState(
        _ settings: Settings, view: String? = nil, kernel: NftablesKernel? = nil
    ) throws(UsageError) -> DesiredState {
        var node = try settings.node(orViewOf: view)
        if let kernel { node.canHandOn = kernel.has(.handingOn) }
        return DesiredState(options: settings.dataplane, settings: node, host: hostFacts(settings.logger))
    }

    /// What the interfaces and routes of this network namespace have now.
    static func hostFacts(_ logger: Logger) -> HostFacts {
        var facts = HostFacts(addresses: addresses(logger), interfaces: HostAddresses.interfaceNames())
        for family in IPFamily.allCases { facts.primaries[family] = HostAddresses.primary(family) }
        return facts
    }

    /// The addresses of this network namespace; nil if they cannot be read, which is logged.
    package static func addresses(_ logger: Logger) -> [IPAddress]? {
        do throws(NetlinkError) { return try HostAddresses.all() } catch {
            logger.error("\(error)")
            return nil
        }
    }

    /// Listens for changes of this network namespace's addresses.
    static func addressFollower(_ settings: Settings) throws(UsageError) -> AddressFollower {
        // Other choices do not depend on routes.
        let followsRoutes = try settings.node().nodePortAddresses.takesPrimary
        return AddressFollower(followsDefaultRoutes: followsRoutes, settings.logger)
    }

    /// Whether the kernel can hold the tables; what it lacks is logged.
    package static func isCapable(_ kernel: NftablesKernel, _ settings: Settings) -> Bool {
        guard isNewEnough(settings.logger) else { return false }
        let schemas = IPFamily.allCases.map { TableSchema(family: $0, options: settings.dataplane) }
        // What does not speak against the kernel, such as a missing privilege, is for the first commit to tell.
        guard let missing = try? kernel.missing(for: schemas) else { return true }
        for feature in missing { settings.logger.error("\(feature)") }
        return missing.isEmpty
    }

    /// Whether the kernel is not older than the ones that Fairlead is for; that it is has been logged then.
    package static func isNewEnough(_ logger: Logger) -> Bool {
        guard let refusal = KernelRelease.refusal() else { return true }
        logger.error("\(refusal)")
        return false
    }

    /// Says once what newer kernels have and this one does without.
    static func tellLimits(_ kernel: NftablesKernel, ownsTables: Bool, _ logger: Logger) {
        let limits = kernel.limits(wantsOwnTables: ownsTables)
        guard !limits.isEmpty else { return }
        logger.notice(
            "this kernel does without \(limits.map(\.description).joined(separator: "; "))",
            metadata: ["kernel": "\(KernelRelease.text)"])
    }

    /// Opens nftables of this network namespace.
    ///
    /// - Parameters:
    ///   - dumpLimit: sets with more elements are read by key, where there are guesses.
    ///   - making: what becomes of tables that are made; for who makes none it does not matter.
    static func openKernel(
        dumpLimit: Int = NftablesKernel.usualDumpLimit, making: NftablesKernel.TableMaking = .plain
    ) throws(NetlinkError) -> NftablesKernel {
        try NftablesKernel(dumpLimit: dumpLimit, making: making)
    }

    /// Opens nftables of this network namespace, or logs why that failed.
    package static func kernel(
        _ logger: Logger, making: NftablesKernel.TableMaking = .plain
    ) -> NftablesKernel? {
        do throws(NetlinkError) { return try openKernel(making: making) } catch {
            logger.error("\(error)")
            return nil
        }
    }

    /// Opens connection tracking of this network namespace.
    static func openConntrack() throws(NetlinkError) -> ConntrackKernel { try ConntrackKernel() }
}
