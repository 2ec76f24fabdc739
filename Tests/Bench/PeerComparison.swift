import APIServerKit
import FairleadTestKit
import Glibc
import KubernetesModel
import ManifestSource

/// Fairlead beside another program that does the same job and takes kube-proxy's flags, over an API server with the same
/// objects: the first sync, single changes, and memory.
struct PeerComparison {
    let bench: Bench
    let cluster: SyntheticCluster
    let work: WorkDirectory
    /// The other program.
    let peer: String

    private static let changes = 20
    /// Both are asked to commit a change that comes alone at once; kube-proxy keeps a second between two.
    private static let pause: useconds_t = 1_500_000
    /// After so many seconds without a commit the first sync is over.
    private static let silence = 5.0
    private static let limit = 900.0

    private struct Outcome {
        var name: String
        var firstSync: Double
        var latencies: [Double] = []
        var memory = 0.0
        var cost: ProcessCost
    }

    func measure() async throws -> [Report.Table] {
        let objects = try self.objects()
        let flags = [
            "--hostname-override", SyntheticCluster.nodeName, "--cluster-cidr", SyntheticCluster.podRange,
            "--proxy-mode", "nftables",
        ]
        let outcomes = [
            try await run("fairlead", bench.fairlead.path, ["run"] + flags, objects),
            try await run("the peer", peer, flags, objects),
        ]
        var table = Report.Table(header: [
            "over an API server", "first sync s", "processor s", "a change, median ms", "worst ms", "memory MB",
        ])
        table.rows = outcomes.map { outcome in
            let times = Samples(outcome.latencies)
            return [
                outcome.name, outcome.firstSync.text(2), outcome.cost.cpu.text(2), times.median.text(2),
                times.greatest.text(2), outcome.memory.text(1),
            ]
        }
        let (own, other) = (outcomes[0], outcomes[1])
        table.rows.append([
            "ratio", (own.firstSync / other.firstSync).text(3), (own.cost.cpu / max(other.cost.cpu, 0.01)).text(3),
            (Samples(own.latencies).median / Samples(other.latencies).median).text(3),
            (Samples(own.latencies).greatest / Samples(other.latencies).greatest).text(3),
            (own.memory / other.memory).text(3),
        ])
        table.notes = [
            "The peer: \(peer). First sync: from the start of the process to its last commit before \(Int(Self.silence)) s "
                + "without one. A change: an EndpointSlice is replaced, to the kernel's notification; \(Self.changes) of "
                + "them, each alone."
        ]
        return [table]
    }

    /// The cluster's objects as the server has them.
    private func objects() throws(TestKitError) -> [ClusterObject] {
        let path = "\(work.path)/peer.json"
        try ManifestFiles(cluster: cluster, format: .json).writeAll(to: path)
        defer { WorkDirectory.remove(path) }
        var manifests = ManifestSet(paths: [path])
        let update = manifests.load()
        if let failure = update.failures.first { throw .conversation("\(failure)") }
        return update.changes.compactMap { if case .applied(let object) = $0 { object } else { nil } }
    }

    private func run(
        _ name: String, _ path: String, _ arguments: [String], _ objects: [ClusterObject]
    ) async throws -> Outcome {
        Progress.show("\(cluster.services.grouped) Services over an API server: \(name)")
        let namespace = try NetworkNamespace("peer")
        try namespace.ip(["link set lo up"])
        let server = try await FakeAPIServer(in: namespace)
        server.cluster.apply(objects)
        let kubeconfig = "\(work.path)/peer-kubeconfig"
        try OutputFile(kubeconfig).write(server.kubeconfig())
        let outcome = try namespace.run { () throws(TestKitError) in
            try follow(name, path, arguments + ["--kubeconfig", kubeconfig], server.cluster)
        }
        await server.stop()
        return outcome
    }

    private func follow(
        _ name: String, _ path: String, _ arguments: [String], _ server: FakeCluster
    ) throws(TestKitError) -> Outcome {
        let process = try MeasuredProcess(path, arguments)
        let firstSync = try Self.waitForSilence()
        let monitor = try RulesetMonitor()
        try monitor.subscribe()
        var latencies: [Double] = []
        for number in 0..<Self.changes {
            usleep(Self.pause)
            let service = SyntheticCluster.plainService(from: number * 97 % cluster.services)
            let change = SyntheticCluster.Change(
                service: service, endpoint: cluster.remoteEndpoint(of: service),
                address: SyntheticCluster.freshPod(number))
            guard let slice = try slice(change) else { throw .conversation("a change has no EndpointSlice") }
            let start = ContinuousClock.now
            server.apply([slice])
            guard let commit = try monitor.nextCommit(milliseconds: 120_000) else {
                throw .conversation("\(path) did not commit a change within 120 s")
            }
            latencies.append((commit.time - start).seconds * 1000)
            while try monitor.nextCommit(milliseconds: 50) != nil {}
        }
        let memory = try process.memory("VmRSS")
        return Outcome(
            name: name, firstSync: firstSync, latencies: latencies, memory: memory, cost: try process.terminate())
    }

    private func slice(_ change: SyntheticCluster.Change) throws(TestKitError) -> ClusterObject? {
        let path = "\(work.path)/peer-change.json"
        try ManifestFiles(cluster: cluster, format: .json).writeSingle(change.service, to: path, change)
        defer { WorkDirectory.remove(path) }
        var manifests = ManifestSet(paths: [path])
        for case .applied(let object) in manifests.load().changes where object.id.kind == .endpointSlice { return object }
        return nil
    }

    /// Seconds from now to the last commit before a silence; there has to be one.
    private static func waitForSilence() throws(TestKitError) -> Double {
        let monitor = try RulesetMonitor()
        let first = try monitor.generation()
        let start = ContinuousClock.now
        var (generation, last) = (first, 0.0)
        while true {
            usleep(5000)
            let now = (ContinuousClock.now - start).seconds
            let current = try monitor.generation()
            if current != generation { (generation, last) = (current, now) }
            if generation != first, now - last > silence { return last }
            if now > limit { throw .timeLimit("waiting for the first sync") }
        }
    }
}
