import FairleadTestKit
import Glibc
import Terminal

/// A part of the measurements.
enum BenchPart: String, CaseIterable {
    /// Cold load and a second apply, against `nft -f`.
    case cold
    /// The stages by themselves: raw replay, planning, restart, memory, instructions.
    case stages
    /// Single changes under the daemon.
    case daemon
    /// Single changes while the daemon looks through a full conntrack table, against without.
    case looks
    /// Packets through a node, of both families, against no rules and another shape of rules.
    case packetPath = "packet-path"
    /// `--service-counters`.
    case counters
    /// `--service-traffic`, and accounting by conntrack in its place.
    case traffic
    /// Packets from outside that another node has the endpoint of: masqueraded, and handed on by direct return.
    case directReturn = "direct-return"
}

/// What all measurements of a run share.
struct Bench {
    let fairlead: FairleadCommand
    let nft: String
    let runs: Int
    /// How often each kind of packet is sent through each side (`packet-path`, `traffic`, `direct-return`).
    let rounds: Int
    let endpoints: Int
    let format: ManifestFormat
    let parts: Set<BenchPart>
    /// The program that measures single stages; nil: they are left out.
    let probe: String?

    /// The order of so many sides in a round: each is first in its turn.
    static func turns(_ sides: Int, in round: Int) -> [Int] { (0..<sides).map { ($0 + round) % sides } }

    /// The arguments after the subcommand.
    func arguments(manifests: String) -> [String] {
        [
            "--manifests", manifests, "--node-name", SyntheticCluster.nodeName, "--cluster-cidr",
            SyntheticCluster.podRange,
        ]
    }

    /// Measures a cluster of so many Services. Also gives the seconds of cold loads.
    func measure(
        services: Int
    ) throws(TestKitError) -> (tables: [Report.Table], seconds: [(name: String, value: Double)]) {
        let cluster = SyntheticCluster(services: services, endpoints: endpoints)
        let files = ManifestFiles(cluster: cluster, format: format)
        let work = try WorkDirectory()
        Progress.show("\(services.grouped) Services: making manifests")
        // The directory lasts as long as the last reference to it.
        defer { withExtendedLifetime(work) {} }
        var tables: [Report.Table] = []
        var seconds: [(name: String, value: Double)] = []
        if parts.contains(.cold) {
            let cold = try ColdLoad(bench: self, files: files, work: work).measure()
            tables += cold.tables
            seconds = cold.seconds
        }
        if parts.contains(.stages), let probe {
            tables += try ProbeTables(bench: self, work: work, probe: probe).measure(services: services)
        }
        if parts.contains(.daemon) { tables += try DaemonLatency(bench: self, files: files, work: work).measure() }
        if parts.contains(.looks) { tables += try LookLatency(bench: self, files: files, work: work).measure() }
        if parts.contains(.packetPath) {
            let cluster = PathCluster(services: services, endpoints: endpoints)
            tables += try PacketPath(bench: self, cluster: cluster, work: work).measure()
        }
        if parts.contains(.counters) { tables += try CounterCost(bench: self, files: files, work: work).measure() }
        if parts.contains(.traffic) {
            let cluster = PathCluster(services: services, endpoints: endpoints)
            tables += try TrafficCost(bench: self, cluster: cluster, work: work).measure()
        }
        if parts.contains(.directReturn) { tables += try HandOn(bench: self, work: work).measure() }
        return (tables, seconds)
    }

    /// What the numbers depend on, for the head of the report.
    func machine() -> [String] {
        var name = utsname()
        uname(&name)
        let kernel = withUnsafeBytes(of: &name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return [
            "fairlead-bench on \(sysconf(Int32(_SC_NPROCESSORS_ONLN))) cores, Linux \(kernel), \(nftVersion()); "
                + "manifests in \(format.rawValue).",
            "Load average of the machine at the start: \(loadAverage()); other work makes times longer.",
            "Values are medians of \(runs) alternating runs (least–greatest); ratios are taken pair by pair.",
        ]
    }

    private func loadAverage() -> String {
        var average = 0.0
        return getloadavg(&average, 1) == 1 ? average.text(1) : "not told"
    }

    private func nftVersion() -> String {
        do throws(TestKitError) {
            let output = try NetworkNamespace("version").run(Program(nft, ["--version"])).standardOutput
            return output.split(separator: " ").prefix(2).joined(separator: " ")
        } catch {
            return "nft"
        }
    }
}

/// One line on standard error that says what is going on, if somebody watches.
enum Progress {
    private static let line = ProgressLine()

    static func show(_ text: String) { line.show("\(text) …") }

    static func clear() { line.clear() }

    /// Writes a line on standard error in place of the progress.
    static func fail(_ text: String) {
        let text = text + "\n"
        line.interrupt { _ = Glibc.write(2, text, text.utf8.count) }
    }
}
