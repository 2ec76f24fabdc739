import DataplaneTestKit
import FairleadTestKit
import Glibc
import NetworkTypes

/// A cluster whose objects change by chance under `fairlead run`, and connections by chance, of which `fairlead explain`
/// says beforehand what will become of them.
struct PacketSoak {
    private static let services = 6
    private static let optionSets = [
        [], ["--masquerade-all"], ["--strict-local"], ["--nodeport-addresses", "all"], ["--preserve-local-source"],
        ["--service-counters", "--service-traffic"],
    ]
    private static let zones = ["zone-a", "zone-b", nil]
    private static let callers = [
        "client", "second-client", "node1", "local-caller", "remote-caller", "local-1", "remote-1",
    ]
    private static let targets: [Target] = [
        .clusterIP, .nodePort, .loadBalancerIP, .externalIP, .clusterIP, .nodePort, .loadBalancerIP, .externalIP,
        .clusterIPPort(81), .nodePortOnSecondAddress, .freeClusterIP,
    ]

    private let cluster: ClusterTopology
    private let beyond: Servers
    private let directory: TemporaryDirectory
    private var random: SeededGenerator
    private var texts: [Int: String] = [:]
    private var options: [String] = []
    private var zone: String?
    private var daemon: Daemon
    /// How many connections of each verdict were made.
    private(set) var packets: [String: Int] = [:]

    init(seed: UInt64) async throws {
        random = SeededGenerator(seed: seed)
        cluster = try await ClusterTopology.make()
        beyond = try Servers()
        try Scene.openBeyond(Self.services, beyond, in: cluster, ports: [80, 81])
        directory = try TemporaryDirectory()
        try directory.write(Manifest.cluster, to: "cluster.yaml")
        daemon = try await FairleadCommand().start(
            ["run"] + FairleadCommand.clusterArguments(manifests: directory.path), in: cluster.node1.namespace)
        for index in 1...Self.services { try change(index) }
    }

    /// The objects and options as they are, for whoever reads of a disagreement.
    var description: String {
        "options \(options), zone \(zone ?? "none")\n"
            + texts.sorted { $0.key < $1.key }.map(\.value).joined(separator: "---\n")
    }

    /// Changes something, and sends packets. Returns what they did otherwise than said.
    mutating func step() async throws -> [String] {
        switch Int.random(in: 0..<10, using: &random) {
        case 0:
            daemon.signal(random.oneIn(2) ? SIGKILL : SIGTERM)
            _ = try await daemon.waitForEnd()
            options = Self.optionSets[Int.random(in: 0..<Self.optionSets.count, using: &random)]
            daemon = try await FairleadCommand().start(["run"] + arguments, in: cluster.node1.namespace)
        case 1:
            zone = Self.zones[Int.random(in: 0..<Self.zones.count, using: &random)]
            let labels = zone.map { ["topology.kubernetes.io/zone": $0] } ?? [:]
            let nodes = Manifest.documents([Manifest.node1(labels: labels), Manifest.others])
            try directory.write(nodes, to: "cluster.yaml")
        default:
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                try change(Int.random(in: 1...Self.services, using: &random))
            }
        }
        let (fairlead, command) = (try FairleadCommand(), ["diff"] + arguments)
        let isInLine = try await eventually(within: .seconds(60)) { [cluster] in
            try await fairlead.run(command, in: cluster.node1.namespace).status == 0
        }
        if !isInLine { return ["the kernel is not as a fresh computation asks:\n\(daemon.output)"] }
        return try await sample(16)
    }

    private var arguments: [String] { FairleadCommand.clusterArguments(manifests: directory.path) + options }

    private mutating func change(_ index: Int) throws {
        let name = "case-\(index).yaml"
        if random.oneIn(10) {
            texts[index] = nil
            return directory.remove(name)
        }
        let neighbour = Numbers(index: index % Self.services + 1)
        let text = RandomService(&random).manifests(Numbers(index: index), contested: neighbour)
        texts[index] = text
        try directory.write(text, to: name)
    }

    /// Makes connections by chance. Returns what became of them otherwise than 'explain' had said.
    private mutating func sample(_ count: Int) async throws -> [String] {
        let trials = try (0..<count).map { _ in try trial() }
        let predictions = Array(zip(trials, try await predict(trials))).filter { !Self.comesBack($0, $1) }
        var attempts = try await withThrowingTaskGroup(of: Attempt.self) { group in
            for (trial, prediction) in predictions where !prediction.isAffine {
                group.addTask { try await Self.attempt(trial, prediction) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        // What one of these does is part of what is said of the next.
        for (trial, prediction) in predictions where prediction.isAffine {
            attempts.append(try await attemptAffine(trial))
        }
        for attempt in attempts { packets[attempt.verdict, default: 0] += attempt.count }
        return attempts.compactMap(\.complaint)
    }

    /// Whether a pod of another node may be led back to itself by its own address: what it then says to itself does not
    /// come by this node. (Of a pod on this node that would be a fault.)
    private static func comesBack(_ trial: Trial, _ prediction: Prediction) -> Bool {
        guard trial.caller.name.hasPrefix("remote-") else { return false }
        let own = "\(trial.caller.address(trial.destination.address.family))"
        return prediction.endpoints.contains { $0.address == own && $0.source == "kept" }
    }

    private struct Attempt {
        var verdict: String
        var count: Int
        var complaint: String?

        init(_ trial: Trial, _ prediction: Prediction, _ tally: Tally) {
            verdict = prediction.verdict
            count = tally.outcomes.count
            complaint = prediction.disagreement(with: tally, of: trial).map {
                "\(trial.question) (\(trial.target), from \(trial.caller.name)): \(tally), but 'explain' said \($0)"
            }
        }
    }

    private func predict(_ trials: [Trial]) async throws -> [Prediction] {
        try await Prediction.ask(trials.map(\.question), arguments + ["--live"], in: cluster.node1.namespace)
    }

    private static func attempt(_ trial: Trial, _ prediction: Prediction) async throws -> Attempt {
        let limit = prediction.verdict == "dropped" ? Probe.brief : Probe.patient
        let expected = Set(prediction.endpoints.map(\.place))
        var tally = try await trial.tally(count: 3, limit)
        // With five endpoints, the last one stays unseen once in 10^16 times.
        for _ in 0..<8 where prediction.verdict == "reaches" && tally.answers.count == tally.outcomes.count {
            if Set(tally.answers.map(Prediction.place)).isSuperset(of: expected) { break }
            tally.add(try await trial.tally(count: max(4, expected.count * 4)).outcomes)
        }
        return Attempt(trial, prediction, tally)
    }

    /// The first connection goes to one of those that were said, the others follow it, and 'explain' knows.
    private func attemptAffine(_ trial: Trial) async throws -> Attempt {
        let before = try await predict([trial])[0]
        var tally = try await trial.tally(count: 1)
        let place = tally.answers.first.map(Prediction.place)
        tally.add(try await trial.tally(count: 3).outcomes)
        var narrow = before
        narrow.endpoints = before.endpoints.filter { $0.place == place }
        var attempt = Attempt(trial, narrow, tally)
        let after = try await predict([trial])[0]
        if attempt.complaint == nil, after.endpoints.map(\.place) != [place] {
            attempt.complaint = "\(trial.question): \(tally), but 'explain' says afterwards \(after)"
        }
        return attempt
    }

    private mutating func trial() throws -> Trial {
        func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &random)] }
        let caller = try cluster.host(pick(Self.callers))
        let target = pick(Self.targets)
        // Nobody answers SCTP on the node's second address.
        let transports: [TransportProtocol] = target == .nodePortOnSecondAddress ? [.tcp, .udp] : [.tcp, .udp, .sctp]
        let numbers = Numbers(index: Int.random(in: 1...Self.services, using: &random))
        return Trial(
            caller: caller, target: target, transport: pick(transports),
            destination: target.destination(numbers, pick(IPFamily.allCases)))
    }
}
