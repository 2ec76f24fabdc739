import PacketPath
import ServicePolicy

/// An explanation as a Mermaid flowchart: who connects, the frontend, and the endpoints or the end.
enum ExplanationPicture {
    /// How many endpoints of each kind are drawn.
    private static let most = 8

    static func text(_ explanation: Explanation) -> String {
        let packet = explanation.packet
        var lines = ["flowchart LR", "    from[\(label(["\(packet.source)", name(explanation.source)]))]"]
        let target = Backend(address: packet.destination, port: packet.port)
        var frontend = ["\(target)/\(packet.transport)"]
        if let place = explanation.place { frontend += ["\(place.frontendLabel) of", "\(place.service)"] }
        frontend.append("on \(explanation.nodeName)")
        lines.append("    frontend([\(label(frontend))])")
        lines.append("    from --> frontend")
        lines += ending(explanation)
        for (index, reached) in explanation.reached.prefix(most).enumerated() {
            let words = ["\(reached.backend)"] + (reached.nodeName.map { ["on \($0)"] } ?? [])
            let source = reached.masquerade == nil ? "source kept" : "source is the node"
            lines.append(
                "    frontend -- \(label([ExplanationText.percent(reached.share), source])) --> to\(index)[\(label(words))]"
            )
        }
        for (index, leftOut) in explanation.leftOut.prefix(most).enumerated() {
            let place = leftOut.port.map { "\(Backend(address: leftOut.address, port: $0))" } ?? "\(leftOut.address)"
            let words = [place] + (leftOut.nodeName.map { ["on \($0)"] } ?? [])
            lines.append("    frontend -. \(label([leftOut.reason])) .-x not\(index)[\(label(words))]")
        }
        let hidden = max(0, explanation.reached.count - most) + max(0, explanation.leftOut.count - most)
        if hidden > 0 { lines.append("    frontend -.- more[\(label(["\(hidden) more endpoints"]))]") }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func ending(_ explanation: Explanation) -> [String] {
        if explanation.verdict == .reaches { return [] }
        let why = explanation.lines.first { $0.topic == .because }.map { [$0.text] } ?? []
        return ["    frontend --x over{{\(label([explanation.summary] + why))}}"]
    }

    private static func name(_ source: SourceKind) -> String {
        switch source {
        case .node: "the node itself"
        case .inside: "in the cluster"
        case .outside: "outside the cluster"
        }
    }

    /// A text in quotes; Mermaid reads some characters only as entities.
    private static func label(_ lines: [String]) -> String {
        var text = ""
        for (index, line) in lines.enumerated() {
            if index > 0 { text += "<br>" }
            for character in line {
                switch character {
                case "\"": text += "#quot;"
                case "<": text += "#lt;"
                case ">": text += "#gt;"
                case "#": text += "#35;"
                default: text.append(character)
                }
            }
        }
        return "\"\(text)\""
    }
}
