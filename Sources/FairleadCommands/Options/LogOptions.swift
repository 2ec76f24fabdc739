import ArgumentParser
import KubernetesConfiguration
import Logging

/// Where log lines go and what they look like.
struct LogOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Least level of log lines on stderr: \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")). "
                + "(default: notice)"))
    var logLevel: Logger.Level?

    @Option(help: "Form of log lines: text or json. (default: text)")
    var logFormat: LogFormat?

    /// - Parameter configuration: what holds where the options say nothing.
    func logger(_ configuration: KubeProxyConfiguration.Logging? = nil, showsTime: Bool = false) -> Logger {
        let format = logFormat ?? configuration.flatMap { LogFormat(rawValue: $0.format) } ?? .text
        let level = logLevel ?? configuration.map(\.level) ?? .notice
        let output = LogOutput(logLevel: level, format: format, showsTime: showsTime)
        return Logger(label: "fairlead") { _ in output }
    }
}

extension KubeProxyConfiguration.Logging {
    /// The level whose lines say about as much as kube-proxy does at that verbosity.
    var level: Logger.Level {
        switch verbosity {
        case ..<2: .notice
        case 2...3: .info
        case 4...5: .debug
        default: .trace
        }
    }
}
