import FairleadTestKit

/// `fairlead apply` against `nft -f` of the rules that `fairlead render` prints, each in a network namespace of its own.
struct ColdLoad {
    let bench: Bench
    let files: ManifestFiles
    let work: WorkDirectory

    /// One alternation.
    private struct Round {
        var apply: ProcessCost
        var again: ProcessCost
        var nft: ProcessCost
    }

    /// Measures; also gives the median seconds of each kind of load.
    func measure() throws(TestKitError) -> (tables: [Report.Table], seconds: [(name: String, value: Double)]) {
        let manifests = "\(work.path)/all.\(files.format.rawValue)"
        let rules = "\(work.path)/rules.nft"
        try files.writeAll(to: manifests)
        let arguments = bench.arguments(manifests: manifests)
        try NetworkNamespace("render").run { () throws(TestKitError) in
            _ = try MeasuredProcess(bench.fairlead.path, ["render"] + arguments, output: rules).finish()
        }
        var rounds: [Round] = []
        for number in 1...bench.runs {
            Progress.show("\(files.cluster.services.grouped) Services: cold load \(number) of \(bench.runs)")
            rounds.append(try round(arguments, rules: rules))
        }
        WorkDirectory.remove(manifests)
        WorkDirectory.remove(rules)
        let seconds = [
            ("nft -f", Samples(rounds.map(\.nft.wall)).median),
            ("fairlead apply", Samples(rounds.map(\.apply.wall)).median),
            ("fairlead apply again", Samples(rounds.map(\.again.wall)).median),
        ]
        return ([table(rounds)], seconds)
    }

    private func round(_ arguments: [String], rules: String) throws(TestKitError) -> Round {
        let (apply, again) = try NetworkNamespace("apply").run { () throws(TestKitError) in
            let arguments = ["apply", "--quiet", "--log-level", "debug"] + arguments
            let first = try MeasuredProcess(bench.fairlead.path, arguments).finish()
            let monitor = try RulesetMonitor()
            let before = try monitor.generation()
            let second = try MeasuredProcess(bench.fairlead.path, arguments).finish()
            let after = try monitor.generation()
            if before < 2 { throw .conversation("'fairlead apply' has not committed anything") }
            if before != after {
                throw .conversation("a second 'fairlead apply' moved the ruleset's generation: \(before), \(after)")
            }
            return (first, second)
        }
        let nft = try NetworkNamespace("nft").run { () throws(TestKitError) in
            do throws(TestKitError) {
                return try MeasuredProcess(bench.nft, ["-f", rules]).finish()
            } catch {
                throw Self.explained(error)
            }
        }
        return Round(apply: apply, again: again, nft: nft)
    }

    /// `nft` sends all in one message, for which it needs a larger socket buffer than an ordinary user may have.
    private static func explained(_ error: TestKitError) -> TestKitError {
        guard case .program(let command, let status, let output) = error, output.contains("Message too long") else {
            return error
        }
        let hint = "run this as root, or raise the limit net.core.wmem_max"
        return .program(command: command, status: status, output: output + hint)
    }

    // MARK: Report

    private func table(_ rounds: [Round]) -> Report.Table {
        var table = Report.Table(header: ["cold load", "wall s", "user s", "system s", "peak MB"])
        table.rows = [
            row("fairlead apply", rounds.map(\.apply)), row("nft -f of the same rules", rounds.map(\.nft)),
            ratios("ratio", rounds.map { ($0.apply, $0.nft) }),
            row("apply again, nothing to do", rounds.map(\.again)),
            ratios("ratio to nft -f, cold", rounds.map { ($0.again, $0.nft) }),
        ]
        table.notes = [
            "Processor time, user and system together: apply \(cpu(rounds.map { ($0.apply, $0.nft) })) of nft -f's, "
                + "apply again \(cpu(rounds.map { ($0.again, $0.nft) })).",
            "cold apply, ms: " + phases(rounds.map(\.apply)), "apply again, ms: " + phases(rounds.map(\.again)),
            "The second apply left the ruleset's generation as it was.",
        ]
        return table
    }

    private func row(_ name: String, _ costs: [ProcessCost]) -> [String] {
        let times = [costs.map(\.wall), costs.map(\.user), costs.map(\.system)]
        return [name] + times.map { Samples($0).text(3) } + [Samples(costs.map(\.peak)).text(1)]
    }

    private func ratios(_ name: String, _ pairs: [(ProcessCost, ProcessCost)]) -> [String] {
        func ratio(_ value: (ProcessCost) -> Double) -> String {
            Samples(pairs.map { value($0.0) / max(value($0.1), 0.0001) }).text(2)
        }
        return [name, ratio(\.wall), ratio(\.user), ratio(\.system), ratio(\.peak)]
    }

    /// The one ratio that other work on the machine hardly moves.
    private func cpu(_ pairs: [(ProcessCost, ProcessCost)]) -> String {
        Samples(pairs.map { $0.0.cpu / max($0.1.cpu, 0.0001) }).text(2)
    }

    /// The medians of what the debug line of `apply` tells.
    private func phases(_ costs: [ProcessCost]) -> String {
        var order: [String] = []
        var values: [String: [Double]] = [:]
        for cost in costs {
            guard let line = cost.messages.split(separator: "\n").first(where: { $0.contains("time in ms:") }) else {
                continue
            }
            for word in line.split(separator: " ") {
                let parts = word.split(separator: "=")
                guard parts.count == 2, let value = Double(parts[1]) else { continue }
                if values[String(parts[0])] == nil { order.append(String(parts[0])) }
                values[String(parts[0]), default: []].append(value)
            }
            values["rest", default: []].append(cost.wall * 1000 - order.reduce(0) { $0 + (values[$1]?.last ?? 0) })
        }
        if order.isEmpty { return "not told" }
        return (order + ["rest"]).map { "\($0) \(Samples(values[$0] ?? []).median.text(0))" }.joined(separator: ", ")
    }
}
