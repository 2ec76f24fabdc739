import Advice
import KubernetesModel
import ManifestSource
import NetworkTypes
import NodeAgent

/// Advice as SARIF 2.1.0 (OASIS), which code scanning services read: one run, a rule for each code, a result for each finding.
enum AdviceSARIF {
    private static let schema = "https://json.schemastore.org/sarif-2.1.0.json"

    static func text(_ report: AdviceReport) -> String {
        let rules = AdviceCode.allCases.map { "\n" + text($0) }.joined(separator: ",")
        let results = report.findings.map { "\n" + text($0, report.locations[$0.object]) }.joined(separator: ",")
        return """
            {"$schema":"\(schema)","version":"2.1.0","runs":[{"tool":{"driver":{"name":"fairlead",
            """
                + "\"version\":\"\(Release.version)\",\"rules\":[\(rules)]}},\"results\":[\(results)]}]}\n"
    }

    private static func text(_ code: AdviceCode) -> String {
        "{\"id\":\"\(code.rawValue)\",\"shortDescription\":{\"text\":\(JSONText.string(code.title))},"
            + "\"help\":{\"text\":\"docs/advice.md#\(code.rawValue)\"},"
            + "\"defaultConfiguration\":{\"level\":\"\(level(code.severity))\"}}"
    }

    private static func text(_ finding: AdviceFinding, _ location: SourceLocation?) -> String {
        let message =
            ([finding.summary] + finding.evidence.map(\.text)).joined(separator: "; ") + ". To do: "
            + finding.remedies.joined(separator: "; ")
        let key = "\(finding.code.rawValue) \(finding.object)"
        let index = AdviceCode.allCases.firstIndex(of: finding.code) ?? 0
        return """
            {"ruleId":"\(finding.code.rawValue)","ruleIndex":\(index),"level":"\(level(finding.severity))",
            """
                + "\"message\":{\"text\":\(JSONText.string(message))},\"locations\":[{\(place(finding.object, location))}],"
                + "\"partialFingerprints\":{\"object/v1\":\(JSONText.string(key))}}"
    }

    /// The object, and where it stands if it comes from a file.
    private static func place(_ object: ObjectID, _ location: SourceLocation?) -> String {
        var text = ""
        if let location {
            text = "\"physicalLocation\":{\"artifactLocation\":{\"uri\":\(JSONText.string(uri(location.path)))},"
            text += "\"region\":{\"startLine\":\(location.line)}},"
        }
        return text + "\"logicalLocations\":[{\"name\":\(JSONText.string(object.key.name)),"
            + "\"fullyQualifiedName\":\(JSONText.string("\(object)")),\"kind\":\"resource\"}]"
    }

    /// A path as a URI reference (RFC 3986): absolute paths with a scheme, what may not stand in one in percent.
    private static func uri(_ path: String) -> String {
        (path.hasPrefix("/") ? "file://" : "") + path.percentEncoded(keepsSlashes: true)
    }

    private static func level(_ severity: Finding.Severity) -> String {
        switch severity {
        case .info: "note"
        case .warning: "warning"
        case .error: "error"
        }
    }
}
