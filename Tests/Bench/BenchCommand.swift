import ArgumentParser
import FairleadTestKit
import Glibc

/// Measures Fairlead against `nft -f` of the same rules, and the daemon's latency.
@main
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fairlead-bench",
        abstract: "Measure loads, single changes, packets and counters, with 'nft -f' as the referee.",
        discussion: """
            Makes a cluster's manifests, the same ones every time, and measures in network namespaces of its own. Needs the \
            privilege to make them: Scripts/bench gives it. Exits 1 if something could not be measured, never because a \
            number is bad.
            """)

    @Option(help: "The fairlead executable. Default: FAIRLEAD_BINARY, else the one next to this program.")
    var fairlead: String?

    @Option(help: "Numbers of Services, separated by commas.")
    var sizes = "1000,10000"

    @Option(help: "Endpoints of each Service.")
    var endpoints = 10

    @Option(help: "How often cold load is measured.")
    var runs = 5

    @Option(help: "How often packets are sent through each side in turn, in packet-path, traffic and direct-return.")
    var rounds = 9

    @Option(help: "What the manifests are written in: yaml or json.")
    var format = ManifestFormat.yaml

    @Option(help: "The fairlead-probe executable: measures single stages, too, and counts instructions with valgrind.")
    var probe: String?

    @Option(help: "Also write the tables as Markdown to this file.")
    var markdown: String?

    @Option(help: "Also draw the times of loads over the sizes, as SVG, to this file.")
    var plot: String?

    @Option(
        help: "What to measure, separated by commas: \(BenchPart.allCases.map(\.rawValue).joined(separator: ", ")).")
    var parts = BenchPart.allCases.map(\.rawValue).joined(separator: ",")

    @Option(
        help: """
            A program that takes kube-proxy's flags, such as kube-proxy: both follow the same API server, which the \
            benchmark brings, and are measured side by side.
            """)
    var peer: String?

    private var chosenParts: [BenchPart?] { parts.split(separator: ",").map { BenchPart(rawValue: String($0)) } }
    private var numbers: [Int?] { sizes.split(separator: ",").map { Int($0) } }

    func validate() throws {
        if numbers.isEmpty || numbers.contains(where: { !(100...200_000).contains($0 ?? 0) }) {
            throw ValidationError("--sizes: numbers from 100 to 200000, separated by commas")
        }
        if chosenParts.isEmpty && peer == nil || chosenParts.contains(nil) {
            throw ValidationError("--parts: some of \(BenchPart.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        if !(2...100).contains(endpoints) { throw ValidationError("--endpoints: from 2 to 100") }
        if numbers.contains(where: { ($0 ?? 0) * endpoints > 5_000_000 }) {
            throw ValidationError("--sizes times --endpoints: at most 5000000")
        }
        if !(1...1000).contains(rounds) { throw ValidationError("--rounds: from 1 to 1000") }
        if !(1...1000).contains(runs) { throw ValidationError("--runs: from 1 to 1000") }
    }

    func run() async throws {
        do {
            try await measure()
        } catch {
            Progress.fail("fairlead-bench: \(error)")
            throw ExitCode.failure
        }
    }

    private func measure() async throws {
        let command = if let fairlead { FairleadCommand(path: fairlead) } else { try FairleadCommand() }
        let bench = Bench(
            fairlead: command, nft: try Program.locate("nft"), runs: runs, rounds: rounds, endpoints: endpoints,
            format: format,
            parts: Set(chosenParts.compactMap(\.self)), probe: probe)
        var report = Report(machine: bench.machine())
        var times: [String: [(x: Double, y: Double)]] = [:]
        for services in numbers.compactMap({ $0 }) {
            let title = "\(services.grouped) Services with \(endpoints) endpoints each"
            var (tables, seconds) = try bench.measure(services: services)
            if let peer {
                let cluster = SyntheticCluster(services: services, endpoints: endpoints)
                let comparison = PeerComparison(bench: bench, cluster: cluster, work: try WorkDirectory(), peer: peer)
                tables += try await comparison.measure()
            }
            report.sections.append((title, tables))
            for (name, value) in seconds { times[name, default: []].append((Double(services), value)) }
        }
        Progress.clear()
        print(report.text, terminator: "")
        if let markdown { try OutputFile(markdown).write(report.markdown) }
        if let plot {
            let lines = times.sorted { $0.key < $1.key }.map { Plot.Series(name: $0.key, points: $0.value) }
            let picture = Plot(
                title: "Loading Services with \(endpoints) endpoints each from manifests", xLabel: "Services",
                yLabel: "seconds", series: lines)
            try OutputFile(plot).write(picture.svg)
        }
    }
}

extension ManifestFormat: ExpressibleByArgument {}
