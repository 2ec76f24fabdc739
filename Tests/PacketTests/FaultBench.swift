import DataplaneTestKit
import FairleadTestKit
import Foundation
import Glibc
import NetworkTypes
import Synchronization

/// Connections and datagrams to a Service that nothing happens to, all the time: each that is not answered is lost.
///
/// A probe waits for less than it would take to send its first packet again: so a single lost packet is seen.
final class SteadyTraffic: Sendable {
    struct Count: Sendable {
        var probes = 0
        var lost: [String] = []
    }

    private let count = Mutex(Count())
    private let task = Mutex<Task<Void, Never>?>(nil)
    private let conversations: [Conversation]

    private static let patience = Duration.milliseconds(950)

    /// Begins: from a pod of the node to the ClusterIP, from outside to the load balancer's address and the node port.
    init(_ cluster: ClusterTopology, _ numbers: Numbers) async throws {
        let callers: [(ClusterTopology.Host, Target)] = [
            (cluster.localCaller, .clusterIP), (cluster.client, .loadBalancerIP), (cluster.client, .nodePort),
        ]
        var probes: [(NetworkNamespace, [Probe])] = []
        var conversations: [Conversation] = []
        for (host, target) in callers {
            let list = IPFamily.allCases.flatMap { family in
                [TransportProtocol.tcp, .udp].map {
                    Probe($0, to: target.destination(numbers, family), timeLimit: Self.patience)
                }
            }
            probes.append((host.namespace, list))
            for probe in list where probe.transport == .tcp {
                conversations.append(try await Conversation.begin(probe, in: host.namespace))
            }
        }
        self.conversations = conversations
        let rounds = probes
        task.withLock {
            $0 = Task { [weak self] in
                while !Task.isCancelled, let self {
                    for (namespace, probes) in rounds { await self.round(probes, in: namespace) }
                }
            }
        }
    }

    private func round(_ probes: [Probe], in namespace: NetworkNamespace) async {
        guard let outcomes = try? await namespace.probe(probes) else { return }
        count.withLock { count in
            count.probes += outcomes.count
            for (probe, outcome) in zip(probes, outcomes) where outcome.answer == nil {
                count.lost.append("\(ContinuousClock.now) \(probe.transport) \(probe.destination): \(outcome)")
            }
        }
    }

    /// Connections that live since the beginning.
    var liveConversations: Int { conversations.filter { $0.echoes() }.count }

    /// Connections that were begun at first.
    var conversationCount: Int { conversations.count }

    /// What was probed and lost so far.
    var result: Count { count.withLock { $0 } }

    /// Ends.
    func stop() async -> Count {
        let running = task.withLock { $0 }
        running?.cancel()
        await running?.value
        return result
    }
}

/// A node with a Service that stays as it is, and others that change by chance.
struct FaultBench: Sendable {
    static let steady = Numbers(index: 1)
    let cluster: ClusterTopology
    let directory: TemporaryDirectory

    init() async throws {
        cluster = try await ClusterTopology.make()
        directory = try TemporaryDirectory()
        try directory.write(Self.steadyManifests, to: "steady.yaml")
    }

    /// The Service that stays as it is, and the nodes.
    static var steadyManifests: String {
        Scenario.manifests([
            Scenario(name: "steady", endpoints: [.ready("local-1"), .ready("remote-1")], expectations: [])
        ])
    }

    /// How many calls `strace` has made to fail, by its log.
    static func failedCalls(_ log: String) -> Int {
        ((try? String(contentsOfFile: log, encoding: .utf8))?.split(separator: "(INJECTED)").count ?? 1) - 1
    }

    var arguments: [String] { FairleadCommand.clusterArguments(manifests: directory.path) }

    /// Replaces all Services but the steady one.
    func change(_ random: inout SeededGenerator, count: Int = 30) throws {
        try directory.write(Self.manifests(&random, count: count), to: "moving.yaml")
    }

    static func manifests(_ random: inout SeededGenerator, count: Int) -> String {
        let pods = ["local-1", "local-2", "local-3", "remote-1", "remote-2"]
        let documents = (0..<count).flatMap { offset in
            let chosen = pods.shuffled(using: &random).prefix(Int.random(in: 0...pods.count, using: &random))
            var scenario = Scenario(
                name: "moving",
                endpoints: chosen.map { random.oneIn(5) ? .serving($0) : .ready($0) }, expectations: [])
            if random.oneIn(2) { scenario.externalPolicy = "Local" }
            if random.oneIn(3) { scenario.internalPolicy = "Local" }
            let objects = scenario.objects(Numbers(index: offset + 2))
            return objects.services.map(\.yaml) + objects.slices.map(\.yaml)
        }
        return Manifest.documents(documents)
    }

    func start(_ options: [String] = []) async throws -> Daemon {
        try await FairleadCommand().start(["run"] + arguments + options, in: cluster.node1.namespace)
    }

    /// The daemon behind `strace`, which has system calls fail.
    ///
    /// - Parameters:
    ///   - fault: such as `sendto:error=ENOBUFS:when=50..900+13`.
    ///   - log: where the calls that failed are listed.
    ///   - arguments: of `fairlead run`; nil for the usual ones.
    func start(fault: String, log: String, _ arguments: [String]? = nil) async throws -> Daemon {
        let trace = [
            "-f", "-I", "2", "--seccomp-bpf", "-qq", "-o", log, "-e", "trace=sendto,recvmsg,recvmmsg", "-e",
            "inject=\(fault)",
        ]
        let program = Program(
            "strace", trace + [try FairleadCommand().path, "run"] + (arguments ?? self.arguments),
            timeLimit: .seconds(300))
        return try await Daemon(program, in: cluster.node1.namespace)
    }

    /// Whether a process that starts now would find nothing to do.
    func isInLine() async throws -> Bool {
        try await FairleadCommand().run(["diff"] + arguments, in: cluster.node1.namespace).status == 0
    }

    func becomesInLine(within limit: Duration = .seconds(60)) async throws -> Bool {
        try await eventually(within: limit) { try await isInLine() }
    }
}
