import FairleadTestKit
import Glibc

/// How long a change takes while the daemon looks for stale flows in a conntrack table that is full, against without a look.
struct LookLatency {
    let bench: Bench
    let files: ManifestFiles
    let work: WorkDirectory

    /// How many entries the kernel is to track, in all network namespaces together: its table is one.
    private static let entries = 500_000
    /// Pairs of changes: one without a look, one during a look.
    private static let pairs = 20
    private static let lookFile = "looks.yaml"
    private static let lookMessage = "removed stale flows"

    func measure() throws(TestKitError) -> [Report.Table] {
        let manifests = try work.directory("look-manifests")
        let drafts = try work.directory("look-drafts")
        let single = SyntheticCluster.plainService(from: files.cluster.services / 3)
        try files.writeDirectory(manifests, single: single)
        try writeLooks(to: "\(manifests)/\(Self.lookFile)", endpoint: 1)
        let neighbour = try NetworkNamespace("neighbour")
        return try NetworkNamespace("looks").run { () throws(TestKitError) in
            Progress.show("filling conntrack")
            let own = try ConntrackFiller().fill(Self.entries / 2)
            let others = try neighbour.run { () throws(TestKitError) in
                try ConntrackFiller().fill(Self.entries - Self.entries / 2)
            }
            Progress.show("\(files.cluster.services.grouped) Services: starting the daemon")
            let arguments = ["run"] + bench.arguments(manifests: manifests) + ["--log-level", "debug"]
            let daemon = try MeasuredProcess(bench.fairlead.path, arguments)
            _ = try daemon.waitForMessage("serving", within: .seconds(600))
            let monitor = try RulesetMonitor()
            try monitor.subscribe()
            try settle(daemon)
            let change = SingleChange(files: files, single: single, monitor: monitor, manifests, drafts)
            var outcome = Outcome()
            for pair in 0..<Self.pairs {
                Progress.show("changes during looks: \(pair + 1) of \(Self.pairs)")
                // By turns, and each of them first as often as the other.
                for isDuring in pair % 2 == 0 ? [false, true] : [true, false] {
                    try take(isDuring, change, daemon, drafts: drafts, manifests: manifests, &outcome)
                }
            }
            let peak = try daemon.memory("VmHWM")
            _ = try daemon.terminate()
            return [table(outcome, own: own, others: others, peak: peak)]
        }
    }

    // MARK: Turns

    private struct Outcome {
        var without: [Double] = []
        var during: [Double] = []
        /// Looks that were over by the time of the commit: they were too short, or the commit has waited for them.
        var over = 0
        var endpoint = 1
    }

    private func take(
        _ isDuring: Bool, _ change: SingleChange, _ daemon: MeasuredProcess, drafts: String, manifests: String,
        _ outcome: inout Outcome
    ) throws(TestKitError) {
        guard isDuring else { return outcome.without.append(try change.milliseconds()) }
        outcome.endpoint += 1
        let draft = "\(drafts)/\(Self.lookFile)"
        try writeLooks(to: draft, endpoint: outcome.endpoint)
        let before = daemon.count(of: Self.lookMessage)
        try SystemCall.check(rename(draft, "\(manifests)/\(Self.lookFile)"), "rename \(draft)")
        guard try change.monitor.nextCommit(milliseconds: 20_000) != nil else {
            throw .conversation("the daemon did not commit a change of UDP endpoints within 20 s")
        }
        // The look has begun; the daemon takes a moment to get there.
        usleep(5000)
        outcome.during.append(try change.milliseconds())
        if daemon.count(of: Self.lookMessage) > before { outcome.over += 1 }
        try settle(daemon)
    }

    /// Waits until no look is under way or due.
    private func settle(_ daemon: MeasuredProcess) throws(TestKitError) {
        let deadline = ContinuousClock.now + .seconds(120)
        var last = -1
        while daemon.count(of: Self.lookMessage) != last {
            last = daemon.count(of: Self.lookMessage)
            // Looks follow each other a second apart, and last for as long as they last.
            usleep(2_500_000)
            if ContinuousClock.now > deadline { throw .conversation("looks go on for two minutes") }
        }
    }

    /// Two UDP Services whose only endpoint changes: their addresses have nothing in common, so that the look goes through all UDP entries.
    private func writeLooks(to path: String, endpoint: Int) throws(TestKitError) {
        let documents = (1...2).map { number in
            """
            apiVersion: v1
            kind: Service
            metadata: {name: look-\(number), namespace: looks}
            spec:
              clusterIP: 10.111.255.\(number)
              clusterIPs: [10.111.255.\(number)]
              ports: [{name: dns, protocol: UDP, port: \(5300 + number)}]
            ---
            apiVersion: discovery.k8s.io/v1
            kind: EndpointSlice
            metadata: {name: look-\(number), namespace: looks, labels: {kubernetes.io/service-name: look-\(number)}}
            addressType: IPv4
            ports: [{name: dns, protocol: UDP, port: 53}]
            endpoints: [{addresses: [10.254.\(number).\(endpoint % 250 + 1)], conditions: {ready: true}}]

            """
        }
        try OutputFile(path).write(documents.joined(separator: "---\n"))
    }

    // MARK: Report

    private func table(_ outcome: Outcome, own: Int, others: Int, peak: Double) -> Report.Table {
        let (without, during) = (Samples(outcome.without), Samples(outcome.during))
        let ratios = Samples(zip(outcome.during, outcome.without).map { $0 / $1 })
        var table = Report.Table(header: ["daemon: one endpoint replaced", "median ms", "p95 ms", "worst ms"])
        table.rows = [("no look", without), ("during a look", during)].map { name, times in
            [name, times.median.text(2), times.quantile(0.95).text(2), times.greatest.text(2)]
        }
        table.notes = [
            "Ratio pair by pair: \(ratios.text(2)). \(Self.pairs) pairs; by the time of the commit \(outcome.over) looks were over.",
            "The kernel tracks \((own + others).grouped) flows: \(own.grouped) in the daemon's network namespace,",
            "which a look reads whole, \(others.grouped) in another one; the kernel goes past those.",
            own + others < Self.entries ? "The limit of this machine (nf_conntrack_max) allows no more." : "",
            "Peak memory of the daemon: \(peak.text(1)) MB.",
        ].filter { !$0.isEmpty }
        return table
    }
}

/// Changes of the same Service, one after the other, and how long each takes from rename(2) to the commit.
private final class SingleChange {
    let monitor: RulesetMonitor
    private let files: ManifestFiles
    private let single: Int
    private let manifests: String
    private let drafts: String
    private var number = 0

    init(files: ManifestFiles, single: Int, monitor: RulesetMonitor, _ manifests: String, _ drafts: String) {
        self.files = files
        self.single = single
        self.monitor = monitor
        self.manifests = manifests
        self.drafts = drafts
    }

    func milliseconds() throws(TestKitError) -> Double {
        number += 1
        let endpoint = files.cluster.remoteEndpoint(of: single)
        let change = SyntheticCluster.Change(
            service: single, endpoint: endpoint, address: SyntheticCluster.freshPod(number))
        let name = files.singleName(of: single)
        try files.writeSingle(single, to: "\(drafts)/\(name)", change)
        while try monitor.nextCommit(milliseconds: 3) != nil {}
        let start = ContinuousClock.now
        try SystemCall.check(rename("\(drafts)/\(name)", "\(manifests)/\(name)"), "rename \(name)")
        guard let commit = try monitor.nextCommit(milliseconds: 60_000) else {
            throw .conversation("the daemon did not commit a change within 60 s")
        }
        return (commit.time - start).seconds * 1000
    }
}
