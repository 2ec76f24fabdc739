import Netfilter
import PacketPath
import ServicePolicy

/// An explanation for people: the verdict in the first line, then the reasons.
enum ExplanationText {
    /// How many endpoints of each kind are shown.
    private static let most = 10

    static func text(_ explanation: Explanation, showsRules: Bool) -> String {
        var rows: [(String, String)] = []
        for line in explanation.lines where !isAfterEndpoints(line.topic) {
            rows.append((label(line.topic), line.text))
        }
        rows += explanation.reached.prefix(most).map { ("endpoint", text($0, in: explanation)) }
        rows += more(explanation.reached.count)
        for line in explanation.lines where isAfterEndpoints(line.topic) && line.topic != .note {
            rows.append((label(line.topic), line.text))
        }
        rows += explanation.leftOut.prefix(most).map { ("left out", text($0)) }
        rows += more(explanation.leftOut.count)
        for line in explanation.lines where line.topic == .note { rows.append((label(line.topic), line.text)) }
        if showsRules {
            let family = explanation.packet.family
            rows += explanation.rules.map { ("rule", "\($0.chain): \($0.rule.text(family))") }
        }
        let body = rows.map { "  " + padded($0.0, to: 9) + "  " + $0.1 + "\n" }.joined()
        return headline(explanation) + "\n\n" + body
    }

    /// `198.51.100.1 -> 10.250.0.10:80/tcp on node1: dropped …`.
    static func headline(_ explanation: Explanation) -> String {
        let packet = explanation.packet
        let target = Backend(address: packet.destination, port: packet.port)
        return "\(packet.source) -> \(target)/\(packet.transport) on \(explanation.nodeName): \(explanation.summary)"
    }

    /// A share in percent: `33.3 %`, `50 %`.
    static func percent(_ share: Double) -> String {
        let tenths = Int((share * 1000).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10) %" : "\(tenths / 10).\(tenths % 10) %"
    }

    private static func text(_ reached: Explanation.Reached, in explanation: Explanation) -> String {
        var text = "\(reached.backend)  \(percent(reached.share))"
        if let node = reached.nodeName { text += "  on \(node)" }
        if let weight = reached.weight { text += "  weight \(weight)" }
        return reached.isTerminating ? text + "  (terminating, for want of ready ones)" : text
    }

    private static func text(_ leftOut: Explanation.LeftOut) -> String {
        let address = leftOut.port.map { "\(Backend(address: leftOut.address, port: $0))" } ?? "\(leftOut.address)"
        return address + (leftOut.nodeName.map { "  on \($0)" } ?? "") + ": \(leftOut.reason)"
    }

    private static func more(_ count: Int) -> [(String, String)] {
        count > most ? [("", "and \(count - most) more (--output json has all)")] : []
    }

    private static func isAfterEndpoints(_ topic: Explanation.Topic) -> Bool {
        switch topic {
        case .service, .source, .ranges, .policy, .affinity, .because: false
        case .address, .mend, .kernel, .note: true
        }
    }

    private static func label(_ topic: Explanation.Topic) -> String {
        switch topic {
        case .service: "service"
        case .source: "from"
        case .policy: "policy"
        case .ranges: "ranges"
        case .affinity: "affinity"
        case .address: "source"
        case .because: "because"
        case .mend: "to mend"
        case .kernel: "kernel"
        case .note: "note"
        }
    }

    private static func padded(_ text: String, to width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
