import Advice
import KubernetesModel
import ManifestSource

/// What `fairlead advise` has to say.
struct AdviceReport {
    /// Severe findings first.
    var findings: [AdviceFinding]
    /// How many Services were looked at.
    var services: Int
    /// How many Nodes there are.
    var nodes: Int
    /// Where the cluster is taken to run, and why.
    var environment: String
    /// Where objects stand, if they come from files.
    var locations: [ObjectID: SourceLocation]

    /// How many findings have the severity.
    func count(_ severity: Finding.Severity) -> Int { findings.count { $0.severity == severity } }
}

extension Finding.Severity {
    /// `info`, `warning` or `error`.
    var name: String { "\(self)" }
}

/// Advice for people.
enum AdviceText {
    static func text(_ report: AdviceReport) -> String {
        report.findings.map { text($0, report) + "\n" }.joined() + summary(report) + "\n"
    }

    private static func text(_ finding: AdviceFinding, _ report: AdviceReport) -> String {
        let place = report.locations[finding.object].map { " (\($0))" } ?? ""
        var text = "\(finding.severity.name)  \(finding.code.rawValue)  \(finding.object)\(place)\n"
        text += "  \(finding.summary)\n"
        for fact in finding.evidence { text += "  because  \(fact.text)\n" }
        for remedy in finding.remedies { text += "  to do    \(remedy)\n" }
        return text
    }

    private static func summary(_ report: AdviceReport) -> String {
        let counts = [Finding.Severity.error, .warning, .info].map { (report.count($0), $0.name) }.filter { $0.0 > 0 }
            .map { "\($0) \($1)\($0 == 1 || $1 == "info" ? "" : "s")" }
        return "\(plural(report.services, "Service")), \(plural(report.nodes, "Node")); \(report.environment); "
            + (counts.isEmpty ? "nothing found" : counts.joined(separator: ", "))
    }

    private static func plural(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
}

/// Advice for programs: one object, a finding in each line.
enum AdviceJSON {
    static func text(_ report: AdviceReport) -> String {
        let head =
            "{\"services\":\(report.services),\"nodes\":\(report.nodes),"
            + "\"environment\":\(JSONText.string(report.environment)),\"findings\":["
        let lines = report.findings.map { "\n" + text($0, report.locations[$0.object]) }
        return head + lines.joined(separator: ",") + (lines.isEmpty ? "" : "\n") + "]}\n"
    }

    private static func text(_ finding: AdviceFinding, _ location: SourceLocation?) -> String {
        let key = finding.object.key
        var fields = [
            "\"code\":\"\(finding.code.rawValue)\"", "\"severity\":\"\(finding.severity.name)\"",
            "\"kind\":\"\(finding.object.kind.rawValue)\"", "\"name\":\(JSONText.string(key.name))",
        ]
        if !key.namespace.isEmpty { fields.append("\"namespace\":\(JSONText.string(key.namespace))") }
        if let location {
            fields.append("\"file\":\(JSONText.string(location.path)),\"line\":\(location.line)")
        }
        fields.append("\"nodes\":\(JSONText.array(finding.nodes))")
        fields.append("\"summary\":\(JSONText.string(finding.summary))")
        fields.append("\"evidence\":[\(finding.evidence.map(text).joined(separator: ","))]")
        fields.append("\"remedies\":\(JSONText.array(finding.remedies))")
        return "{\(fields.joined(separator: ","))}"
    }

    private static func text(_ fact: Evidence) -> String {
        var text = "{\"name\":\"\(fact.name)\""
        if let value = fact.value { text += ",\"value\":\(number(value))" }
        return text + ",\"text\":\(JSONText.string(fact.text))}"
    }

    /// Six digits say all: more would be the noise of quotients.
    private static func number(_ value: Double) -> String {
        let rounded = (value * 1_000_000).rounded() / 1_000_000
        return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
    }
}
