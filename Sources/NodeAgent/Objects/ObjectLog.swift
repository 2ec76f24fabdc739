import KubernetesModel
import Logging
import ManifestSource

/// What the log says of objects.
package enum ObjectLog {
    /// Logs what could not be read, and what there is no use for.
    package static func report(_ failures: [ManifestError], _ skipped: [SkippedObject], _ logger: Logger) {
        for failure in failures {
            logger.error("\(failure); the last good version of the file, if there was one, stays in force")
        }
        for object in skipped { logger.debug("\(object)") }
    }

    /// Logs findings, each at the level of its severity.
    package static func report(_ findings: [Finding], _ logger: Logger) {
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
