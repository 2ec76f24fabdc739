import ArgumentParser
import Glibc
import KubernetesConfiguration
import Logging
import NetlinkTransport
import Observability
import Reconciliation
import SystemSupport
import Telemetry

/// What `run` does besides, or instead of, keeping the rules in line.
extension ProxyOptions {
    /// Does what an option asks for instead of running the daemon. False if none does.
    func runsInstead(_ settings: Settings) throws -> Bool {
        let logger = settings.logger
        if let writeConfigTo {
            try Self.write(settings.text, to: writeConfigTo, logger)
            return true
        }
        if cleanup {
            try Cleanup.perform(logger, isQuiet: true)
            return true
        }
        guard initOnly else { return false }
        if settings.servesLocalhostNodePorts {
            logger.notice(
                "--init-only leaves route_localnet alone: it is safe only once the rules are in force that protect 127.0.0.0/8"
            )
        }
        if !settings.configuration.conntrack.settings.apply(logger) { throw ExitCode.failure }
        return true
    }

    private static func write(_ text: String, to path: String, _ logger: Logger) throws {
        guard let file = fopen(path, "w") else {
            logger.error("\(path): cannot be written: \(SystemError.text(errno))")
            throw ExitCode.failure
        }
        let isWritten = fputs(text, file) >= 0
        guard fclose(file) == 0, isWritten else {
            logger.error("\(path): could not be written whole")
            throw ExitCode.failure
        }
    }
}

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

    /// Looks after the configuration file, if there is one.
    var configurationWatch: ConfigurationWatch? {
        file.map { ConfigurationWatch(path: $0.path, configuration: $0.configuration, logger: logger) }
    }
}
