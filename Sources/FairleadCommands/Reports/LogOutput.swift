import ArgumentParser
import CLinux
import KubernetesModel
import Logging
import Terminal

/// How log lines look (`--log-format`).
enum LogFormat: String, ExpressibleByArgument, CaseIterable {
    /// `warning: message key=value`; the daemon puts the time in front.
    case text
    /// One JSON object a line.
    case json
}

extension Logger.Level: @retroactive ExpressibleByArgument {}

/// Writes log lines to standard error, each with one write so that lines of two programs do not mix.
struct LogOutput: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    let format: LogFormat
    /// Whether text lines begin with the time.
    let showsTime: Bool

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        let message = event.message.description
        var line: String
        switch format {
        case .text:
            line = (showsTime ? Self.time() + " " : "") + "\(event.level): \(Self.oneLine(message))"
            for (key, value) in fields { line += " \(key)=\(Self.oneLine(value.description))" }
        case .json:
            line = "{\"time\":\"\(Self.time())\",\"level\":\"\(event.level)\",\"message\":\(JSONText.string(message))"
            for (key, value) in fields {
                line += ",\(JSONText.string(key)):\(JSONText.string(value.description))"
            }
            line += "}"
        }
        StandardError.write(line + "\n")
    }

    private static func time() -> String {
        var seconds: Int64 = 0
        var microseconds: Int32 = 0
        fl_wall_clock(&seconds, &microseconds)
        let date = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 20) { buffer -> String in
            guard let base = buffer.baseAddress else { return "" }
            fl_format_time(seconds, base)
            return String(cString: base)
        }
        let fraction = String(microseconds + 1_000_000).dropFirst()
        return "\(date).\(fraction)Z"
    }

    /// Control characters, other line ends and marks that turn the direction of text would let an object's name, or what a
    /// server says, forge a line or hide a part of one.
    private static func oneLine(_ text: String) -> String {
        func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
            if scalar.isASCII { return scalar.value < 32 || scalar.value == 127 }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: return true
            default: return false
            }
        }
        guard text.unicodeScalars.contains(where: isUnsafe) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { isUnsafe($0) ? " " : $0 }))
    }
}
