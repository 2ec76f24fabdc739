import FairleadTestKit
import Glibc

/// How long `fairlead run` takes from the rename of a file to the commit, and what it commits.
struct DaemonLatency {
    let bench: Bench
    let files: ManifestFiles
    let work: WorkDirectory

    /// The number of single changes of each kind.
    static let changes = 200
    /// A changed slot is removed and added, and so are the old and the new endpoint.
    private static let expectedElements = 4

    /// A kind of change.
    private struct Kind {
        var name: String
        var service: Int
        var file: String
        /// No pod serves two kinds: the second one would find it installed.
        var firstPod: Int
        var write: (String, SyntheticCluster.Change) throws(TestKitError) -> Void
    }

    /// What the changes of one kind took.
    private struct Outcome {
        var name: String
        var milliseconds: [Double] = []
        var elements: [Double] = []
    }

    func measure() throws(TestKitError) -> [Report.Table] {
        let manifests = try work.directory("manifests")
        let drafts = try work.directory("drafts")
        let single = SyntheticCluster.plainService(from: files.cluster.services / 3)
        try files.writeDirectory(manifests, single: single)
        let kinds = kinds(single: single)
        Progress.show("\(files.cluster.services.grouped) Services: starting the daemon")
        return try NetworkNamespace("daemon").run { () throws(TestKitError) in
            let daemon = try MeasuredProcess(bench.fairlead.path, ["run"] + bench.arguments(manifests: manifests))
            let firstSync = try daemon.waitForMessage("serving", within: .seconds(600))
            usleep(500_000)
            let atRest = try daemon.memory("VmRSS")
            let peakAtStart = try daemon.memory("VmHWM")
            let monitor = try RulesetMonitor()
            try monitor.subscribe()
            var outcomes: [Outcome] = []
            for kind in kinds { outcomes.append(try change(kind, monitor, manifests: manifests, drafts: drafts)) }
            let after = (try daemon.memory("VmRSS"), try daemon.memory("VmHWM"))
            let cost = try daemon.terminate()
            return [
                latencies(outcomes, firstSync: firstSync),
                memory(atRest, peakAtStart, after, cost),
            ]
        }
    }

    private func kinds(single: Int) -> [Kind] {
        let shared = SyntheticCluster.plainService(from: files.cluster.services / 2)
        return [
            Kind(name: "in a file of its own", service: single, file: files.singleName(of: single), firstPod: 0) {
                (path, change) throws(TestKitError) in try files.writeSingle(single, to: path, change)
            },
            Kind(
                name: "in a file of \(ManifestFiles.servicesPerFile) Services", service: shared,
                file: files.name(of: shared), firstPod: 1000
            ) {
                (path, change) throws(TestKitError) in
                try files.writeShared(with: shared, to: path, single: single, change)
            },
        ]
    }

    // MARK: Changes

    private func change(
        _ kind: Kind, _ monitor: RulesetMonitor, manifests: String, drafts: String
    ) throws(TestKitError) -> Outcome {
        var outcome = Outcome(name: kind.name)
        let endpoint = files.cluster.remoteEndpoint(of: kind.service)
        var previous = files.cluster.place(service: kind.service, endpoint: endpoint).address
        for number in 1...Self.changes {
            if number % 20 == 1 {
                Progress.show("\(files.cluster.services.grouped) Services: change \(number), \(kind.name)")
            }
            let fresh = SyntheticCluster.freshPod(kind.firstPod + number)
            let change = SyntheticCluster.Change(service: kind.service, endpoint: endpoint, address: fresh)
            let (draft, target) = ("\(drafts)/\(kind.file)", "\(manifests)/\(kind.file)")
            try kind.write(draft, change)
            // Not in step with anything that happens at regular intervals.
            usleep(useconds_t(8000 + number * 389 % 7000))
            let start = ContinuousClock.now
            try SystemCall.check(rename(draft, target), "rename \(draft)")
            guard var commit = try monitor.nextCommit(milliseconds: 20_000) else {
                throw .conversation("the daemon did not commit change \(number) \(kind.name) within 20 s")
            }
            outcome.milliseconds.append((commit.time - start).seconds * 1000)
            while let further = try monitor.nextCommit(milliseconds: 3) { commit.elements += further.elements }
            try check(commit, kind.service, [previous, fresh])
            outcome.elements.append(Double(commit.elements.count))
            previous = fresh
        }
        return outcome
    }

    /// Throws unless the commit touched only what the change of the Service's endpoint concerns.
    private func check(
        _ commit: RulesetMonitor.Commit, _ service: Int, _ pods: [SyntheticCluster.IPv4Number]
    ) throws(TestKitError) {
        let own = ([SyntheticCluster.clusterIP(service)] + pods).map { address in
            withUnsafeBytes(of: address.value.bigEndian) { Array($0) }
        }
        let strangers = commit.elements.filter { element in !own.contains { element.key.starts(with: $0) } }
        if let stranger = strangers.first {
            throw .conversation(
                "a commit touched \(strangers.count) elements of other Services, one of them in set \(stranger.set)")
        }
        if commit.elements.count > Self.expectedElements || commit.otherMessages > 0 {
            throw .conversation(
                "a commit touched \(commit.elements.count) elements and \(commit.otherMessages) other things "
                    + "instead of \(Self.expectedElements) elements")
        }
    }

    // MARK: Report

    private func latencies(_ outcomes: [Outcome], firstSync: Double) -> Report.Table {
        var table = Report.Table(header: [
            "daemon: one endpoint replaced", "median ms", "p95 ms", "worst ms", "elements in a commit",
        ])
        table.rows = outcomes.map { outcome in
            let times = Samples(outcome.milliseconds)
            return [
                outcome.name, times.median.text(2), times.quantile(0.95).text(2), times.greatest.text(2),
                Samples(outcome.elements).text(0),
            ]
        }
        table.notes = [
            "From rename(2) to the kernel's notification of the commit, \(Self.changes) changes of each kind.",
            "First sync \(firstSync.text(2)) s after the start of the process.",
        ]
        return table
    }

    private func memory(
        _ atRest: Double, _ peakAtStart: Double, _ after: (rest: Double, peak: Double), _ cost: ProcessCost
    ) -> Report.Table {
        Report.Table(
            header: ["daemon: memory", "at rest MB", "peak MB"],
            rows: [
                ["after the first sync", atRest.text(1), peakAtStart.text(1)],
                ["after all changes", after.rest.text(1), after.peak.text(1)],
            ],
            notes: ["In all, \(cost.user.text(2)) s of user time and \(cost.system.text(2)) s in the kernel."])
    }
}
