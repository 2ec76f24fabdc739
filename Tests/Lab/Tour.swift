import FairleadTestKit
import NetworkTypes

/// Tries what an exhibit is made of, and writes down what happened.
struct Tour {
    let cluster: ClusterTopology
    let family: IPFamily
    let tries: Int
    let paper: Paper

    func show(_ exhibit: Exhibit) async throws {
        paper.line("")
        paper.title("\(exhibit.title)  (\(exhibit.file))")
        paper.header(["from", "to", "who answered", "the pod saw"])
        for trial in exhibit.trials {
            let destination = exhibit.address(trial.destination, family)
            let caller = caller(trial.source)
            let tally = try await tally(Probe(.tcp, to: destination, timeLimit: .seconds(2)), from: caller)
            let outcome = result(tally)
            paper.row(
                [
                    trial.source.rawValue, "\(trial.destination.kind) \(destination)", outcome.text,
                    seen(tally, by: caller),
                ], outcome.mood)
            paper.note(trial.reason)
        }
    }

    /// Silence is not waited for again and again.
    private func tally(_ probe: Probe, from caller: ClusterTopology.Host) async throws -> Tally {
        var first = probe
        first.timeLimit = .milliseconds(600)
        let tally = try await caller.namespace.tally(first, count: 1)
        if tally.outcomes == [.timedOut] { return tally }
        return try await caller.namespace.tally(probe, count: tries)
    }

    private func caller(_ source: Exhibit.Source) -> ClusterTopology.Host {
        switch source {
        case .client: cluster.client
        case .localPod: cluster.localCaller
        case .remotePod: cluster.remoteCaller
        case .node: cluster.node1
        case .endpoint: cluster.localPods.first ?? cluster.localCaller
        }
    }

    private func result(_ tally: Tally) -> (text: String, mood: Paper.Mood) {
        if tally.answers.count == tally.outcomes.count {
            let servers = tally.servers.sorted { $0.key < $1.key }
            return (servers.map { "\($0.key) \($0.value)" }.joined(separator: ", "), .good)
        }
        let kinds = Set(tally.outcomes)
        if kinds == [.timedOut] { return ("dropped (silence)", .bad) }
        if kinds.count == 1, case .refused(let refusal)? = kinds.first { return ("refused (\(refusal))", .bad) }
        return (tally.description, .bad)
    }

    private func seen(_ tally: Tally, by caller: ClusterTopology.Host) -> String {
        if tally.answers.isEmpty { return "-" }
        if caller.name == cluster.node1.name { return "node1" }
        let own = caller.address(family)
        let others = tally.sources.subtracting([own])
        if others.isEmpty { return "the caller's address" }
        let isNode = others.isSubset(of: ClusterTopology.node1Addresses)
        if !isNode { return others.map(\.description).sorted().joined(separator: " ") }
        return tally.sources.contains(own) ? "caller, itself: node1" : "node1"
    }
}
