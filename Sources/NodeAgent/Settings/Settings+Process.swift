import KubernetesConfiguration
import Logging
import NetlinkTransport
import Observability
import Telemetry

extension Settings {
    /// Whether the daemon ends if it cannot listen where it tells of health and metrics.
    var endsOnTakenPorts: Bool { configuration.bindAddressHardFail }

    /// What is to be set once, before the rules.
    func prepare(_ board: StatusBoard) {
        let patience = configuration.syncPeriod.duration * 2
        board.update { $0.health.patience = patience }
        configuration.conntrack.settings.apply(logger)
        setOOMScore()
    }

    /// Sets how the kernel rates this process when memory is short. Without the right to it, as in most containers, an
    /// explicit wish is a warning; the default is not worth one.
    private func setOOMScore() {
        let path = "/proc/self/oom_score_adj"
        let wanted = configuration.oomScoreAdj
        if KernelParameters.read(path) == wanted { return }
        do throws(NetlinkError) { try KernelParameters.write(wanted, to: path) } catch {
            logger.log(level: draft.says("oomScoreAdj") ? .warning : .info, "\(error)")
        }
    }

    /// What components of Kubernetes tell of themselves, from what is in force.
    var componentPages: ComponentPages {
        var pages = ComponentPages()
        pages.version = Release.version
        pages.configuration = configuration.json
        pages.flags = configuration.flags
        if let file { pages.flags["config"] = file.path }
        for argument in ownArguments {
            let parts = argument.drop { $0 == "-" }.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = parts.first else { continue }
            pages.flags[String(name)] = parts.count > 1 ? String(parts[1]) : "true"
        }
        pages.tellsStatus = configuration.tellsStatus
        pages.tellsFlags = configuration.tellsFlags
        return pages
    }

    /// Looks after the configuration file, if there is one.
    var configurationWatch: ConfigurationWatch? {
        file.map { ConfigurationWatch(path: $0.path, configuration: $0.configuration, logger: logger) }
    }
}
