import FairleadTestKit
import Foundation
import NetworkTypes

/// What `fairlead explain` says of a connection before it is made.
struct Prediction: Decodable, Sendable {
    /// An endpoint that the connection may reach.
    struct Endpoint: Decodable, Sendable {
        var address: String
        var port: UInt16
        var share: Double
        var source: String

        var place: String { "\(address) \(port)" }
    }

    /// One of the reasons.
    struct Reason: Decodable, Sendable {
        var topic: String
    }

    var verdict: String
    var refusal: String?
    var kernelAgrees: Bool?
    var endpoints: [Endpoint]
    var reasons: [Reason]

    /// Whether a client's connections stay with one of the endpoints.
    var isAffine: Bool { reasons.contains { $0.topic == "affinity" } }

    /// Who has answered, as ``Endpoint/place`` says it.
    static func place(_ answer: Answer) -> String { "\(answer.local.address) \(answer.local.port)" }

    /// Asks about connections, all at once, on the node under test.
    ///
    /// - Parameters:
    ///   - questions: lines such as `10.128.1.99 10.96.0.10:80/tcp`.
    ///   - arguments: where the objects come from, and the node's options.
    static func ask(
        _ questions: [String], _ arguments: [String], in namespace: NetworkNamespace
    ) async throws -> [Prediction] {
        var program = try FairleadCommand().program(["explain", "--questions", "--output", "json"] + arguments)
        program.input = questions.joined(separator: "\n") + "\n"
        let result = try await namespace.execute(program)
        let lines = result.standardOutput.split(separator: "\n")
        guard result.status < 2, lines.count == questions.count else {
            throw TestKitError.program(
                command: result.command, status: result.status, output: result.standardError + result.standardOutput)
        }
        return try lines.map { try JSONDecoder().decode(Prediction.self, from: Data($0.utf8)) }
    }

    /// What the packets did otherwise than predicted; nil if nothing.
    func disagreement(with tally: Tally, of trial: Trial) -> String? {
        if kernelAgrees == false { return "the kernel does otherwise than is wanted" }
        let isRight =
            switch verdict {
            case "reaches": isReached(tally, trial)
            case "refused": tally.outcomes.allSatisfy { isRefused($0) }
            case "dropped": tally.outcomes.allSatisfy { $0 == .timedOut }
            case "untouched": tally.outcomes.allSatisfy { isUntouched($0, trial) }
            default: false
            }
        return isRight ? nil : "\(self)"
    }

    /// Each endpoint answered, nobody else did, and all saw the predicted source.
    private func isReached(_ tally: Tally, _ trial: Trial) -> Bool {
        let sources = Dictionary(endpoints.map { ($0.place, $0.source) }) { first, _ in first }
        let seen = Set(tally.answers.map(Self.place))
        let seenRightly = tally.answers.allSatisfy { answer in
            let source = answer.source.address
            let isNode = ClusterTopology.node1Addresses.contains(source)
            // Which of its addresses the node's own connections have does not tell whether they were masqueraded.
            if trial.caller.name == "node1" { return isNode || source.isLoopback }
            let isKept = sources[Self.place(answer)] == "kept"
            return isKept ? source == trial.caller.address(source.family) : isNode
        }
        return tally.answers.count == tally.outcomes.count && seen == Set(sources.keys) && seenRightly
    }

    private func isRefused(_ outcome: Outcome) -> Bool {
        guard case .refused(let how) = outcome else { return false }
        return refusal == "reset" ? how == .reset : how.isPortUnreachable
    }

    /// Whoever has the address answers or refuses, and sees the caller.
    private func isUntouched(_ outcome: Outcome, _ trial: Trial) -> Bool {
        switch outcome {
        case .answered(let answer):
            let isSource = answer.source.address == trial.caller.address(answer.source.address.family)
            return answer.local == trial.destination && (isSource || trial.caller.name == "node1")
        case .refused: return true
        case .timedOut, .failed: return false
        }
    }
}

extension Trial {
    /// The connection as `fairlead explain` is asked about it.
    var question: String {
        let source = caller.name == "node1" ? "node" : "\(caller.address(destination.address.family))"
        return "\(source) \(destination)/\(transport)"
    }
}
