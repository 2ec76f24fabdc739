import KubernetesModel
import Netfilter
import NetworkTypes
import ServicePolicy

/// An explanation for programs: one object in one line.
package enum ExplanationJSON {
    /// The object, and a line end. Addresses are text, ports numbers, shares fractions of one.
    package static func line(_ explanation: Explanation) -> String {
        let packet = explanation.packet
        var fields = [
            "\"verdict\":\"\(explanation.verdict.rawValue)\"", "\"node\":\(JSONText.string(explanation.nodeName))",
            "\"from\":{\"address\":\"\(packet.source)\",\"kind\":\"\(explanation.source.rawValue)\"}",
            "\"to\":{\"address\":\"\(packet.destination)\",\"port\":\(packet.port),\"protocol\":\"\(packet.transport)\"}",
        ]
        if let refusal = explanation.refusal { fields.append("\"refusal\":\"\(refusal.rawValue)\"") }
        if let cause = explanation.cause { fields.append("\"cause\":\"\(cause.rawValue)\"") }
        if let place = explanation.place { fields.append("\"service\":\(text(place))") }
        if let agrees = explanation.agrees { fields.append("\"kernelAgrees\":\(agrees)") }
        fields.append("\"endpoints\":[\(explanation.reached.map(text).joined(separator: ","))]")
        fields.append("\"leftOut\":[\(explanation.leftOut.map(text).joined(separator: ","))]")
        fields.append("\"reasons\":[\(explanation.lines.map(text).joined(separator: ","))]")
        fields.append("\"rules\":[\(explanation.rules.map { text($0, packet.family) }.joined(separator: ","))]")
        return "{\(fields.joined(separator: ","))}\n"
    }

    private static func text(_ place: FrontendPlace) -> String {
        let key = place.service
        return "{\"namespace\":\(JSONText.string(key.namespace)),\"name\":\(JSONText.string(key.name)),"
            + "\"port\":\(JSONText.string(place.port.name)),\"frontend\":\"\(place.frontend.kind)\"}"
    }

    private static func text(_ reached: Explanation.Reached) -> String {
        // Six digits say all: more would be the noise of sums.
        let share = Double(Int((reached.share * 1_000_000).rounded())) / 1_000_000
        var text = "{\"address\":\"\(reached.backend.address)\",\"port\":\(reached.backend.port),\"share\":\(share)"
        if let node = reached.nodeName { text += ",\"node\":\(JSONText.string(node))" }
        if let weight = reached.weight { text += ",\"weight\":\(weight)" }
        if reached.isTerminating { text += ",\"terminating\":true" }
        if reached.isHandedOn { text += ",\"handedOn\":true" }
        text += ",\"source\":\"\(reached.masquerade == nil ? "kept" : "masqueraded")\""
        if let cause = reached.masquerade { text += ",\"masquerade\":\"\(cause.rawValue)\"" }
        return text + "}"
    }

    private static func text(_ leftOut: Explanation.LeftOut) -> String {
        var text = "{\"address\":\"\(leftOut.address)\""
        if let port = leftOut.port { text += ",\"port\":\(port)" }
        if let node = leftOut.nodeName { text += ",\"node\":\(JSONText.string(node))" }
        return text + ",\"code\":\"\(leftOut.code)\",\"reason\":\(JSONText.string(leftOut.reason))}"
    }

    private static func text(_ line: Explanation.Line) -> String {
        "{\"topic\":\"\(line.topic.rawValue)\",\"text\":\(JSONText.string(line.text))}"
    }

    private static func text(_ step: TraceStep, _ family: IPFamily) -> String {
        "{\"hook\":\"\(step.point.name)\",\"chain\":\(JSONText.string(step.chain)),"
            + "\"rule\":\(JSONText.string(step.rule.text(family)))}"
    }
}
