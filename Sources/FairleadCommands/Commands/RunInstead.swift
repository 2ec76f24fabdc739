import ArgumentParser
import Glibc
import KubernetesConfiguration
import Logging
import NodeAgent
import SystemSupport

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
