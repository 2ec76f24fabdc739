import FairleadTestKit
import NetworkTypes

/// A cluster in which the manifests of many scenarios have been applied to node1.
struct Scene: Sendable {
    let cluster: ClusterTopology
    private let options: [String]
    private let beyond: Servers?
    private let directory: TemporaryDirectory?
    /// What keeps the rules; nil if they are applied once.
    private let daemon: Daemon?
    /// The arguments with which `fairlead explain` predicts what packets do.
    private let explanation: [String]

    /// A cluster whose rules are somebody else's business.
    ///
    /// - Parameter explanation: the arguments with which `fairlead explain` predicts what packets do.
    init(around cluster: ClusterTopology, explanation: [String]) {
        self.init(
            cluster: cluster, options: [], beyond: nil, directory: nil, daemon: nil, explanation: explanation)
    }

    private init(
        cluster: ClusterTopology, options: [String], beyond: Servers?, directory: TemporaryDirectory?, daemon: Daemon?,
        explanation: [String]
    ) {
        self.cluster = cluster
        self.options = options
        self.beyond = beyond
        self.directory = directory
        self.daemon = daemon
        self.explanation = explanation
    }

    /// Raises the cluster and applies.
    ///
    /// - Parameters:
    ///   - options: more options of `fairlead`.
    ///   - nodes: the manifests of what is no Service.
    ///   - isDaemon: whether `fairlead run` brings node1 in line, and not `fairlead apply`.
    static func make(
        _ scenarios: [Scenario], options: [String] = [], nodes: String = Manifest.cluster, isDaemon: Bool = false
    ) async throws(TestKitError) -> Scene {
        let cluster = try await ClusterTopology.make()
        let directory = try TemporaryDirectory()
        var daemon: Daemon?
        if isDaemon {
            let arguments = ["run"] + FairleadCommand.clusterArguments(manifests: directory.path) + options
            daemon = try await FairleadCommand().start(arguments, in: cluster.node1.namespace)
        }
        let beyond = try Servers()
        let explanation = FairleadCommand.clusterArguments(manifests: directory.path) + options
        let scene = Scene(
            cluster: cluster, options: options, beyond: beyond, directory: directory, daemon: daemon,
            // Of a daemon's rules, those that the kernel has are asked.
            explanation: isDaemon ? explanation + ["--live"] : explanation)
        try Scene.openBeyond(scenarios.count, beyond, in: cluster)
        // The daemon has to change every Service into another one.
        if isDaemon { try await scene.apply(Scenario.manifests(scenarios.reversed(), cluster: nodes)) }
        try await scene.apply(Scenario.manifests(scenarios, cluster: nodes))
        return scene
    }

    /// Brings node1 in line with these manifests.
    func apply(_ manifests: String) async throws(TestKitError) {
        guard let directory else { throw .conversation("the rules of this scene are somebody else's business") }
        let file = try directory.write(manifests, to: "cluster.yaml")
        let arguments = FairleadCommand.clusterArguments(manifests: file) + options
        let fairlead = try FairleadCommand()
        guard let daemon else {
            try await fairlead.run(["apply"] + arguments, in: cluster.node1.namespace).requireSuccess()
            return
        }
        let end = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < end {
            if try await fairlead.run(["diff"] + arguments, in: cluster.node1.namespace).status == 0 { return }
            try? await Task.sleep(for: .milliseconds(50))
        }
        throw .timeLimit("the daemon brings the rules in line:\n\(daemon.output)")
    }

    /// Opens servers for what node1 leaves alone, so that it is told from what node1 refuses.
    ///
    /// - Parameter count: of how many Services; their indices begin with 1.
    static func openBeyond(
        _ count: Int, _ beyond: Servers, in cluster: ClusterTopology, ports: [UInt16] = [80]
    ) throws(TestKitError) {
        for offset in 0..<count {
            let numbers = Numbers(index: offset + 1)
            let addresses = numbers.clusterIPs + numbers.externalIPs + numbers.loadBalancerIPs + numbers.freeClusterIPs
            try beyond.open(
                "beyond", in: cluster.node2.namespace, at: addresses.map { IPAddress(stringLiteral: $0) }, ports: ports)
            try beyond.open(
                "beyond", in: cluster.node2.namespace,
                at: [cluster.node2.ipv4, cluster.node2.ipv6] + ClusterTopology.node2BehindNode1,
                ports: [numbers.nodePort], abortsOtherPorts: false)
            try beyond.open(
                "beyond", in: cluster.node1.namespace, at: ClusterTopology.node1SecondAddresses,
                ports: [numbers.nodePort], transports: [.tcp, .udp])
        }
        let unowned = ["10.250.9.9", "fd00:10:250::909", "10.251.9.9", "fd00:10:251::909"]
        try beyond.open(
            "beyond", in: cluster.node2.namespace, at: unowned.map { IPAddress(stringLiteral: $0) }, ports: [80])
    }

    /// Tries everything that the expectation speaks of, and tells what was otherwise than it says, or than
    /// `fairlead explain` predicted.
    func check(_ expectation: Expectation, _ numbers: Numbers) async throws -> [String] {
        var trials: [Trial] = []
        for source in expectation.sources {
            let host = try cluster.host(source)
            for target in expectation.targets {
                for transport in expectation.transports {
                    for family in expectation.families {
                        trials.append(
                            Trial(
                                caller: host, target: target, transport: transport,
                                destination: target.destination(numbers, family)))
                    }
                }
            }
        }
        let predictions = try await Prediction.ask(trials.map(\.question), explanation, in: cluster.node1.namespace)
        return try await withThrowingTaskGroup(of: String?.self) { group in
            for (trial, prediction) in zip(trials, predictions) {
                group.addTask {
                    try await Self.gate.pass { try await trial.complaint(expectation.verdict, prediction) }
                }
            }
            return try await group.reduce(into: []) { if let complaint = $1 { $0.append(complaint) } }.sorted()
        }
    }

    /// Two processors do not answer thousands of connections at once.
    private static let gate = Gate(width: 24)
}

/// Connections from one source to one destination.
struct Trial: Sendable {
    let caller: ClusterTopology.Host
    let target: Target
    let transport: TransportProtocol
    let destination: HostPort

    /// What was otherwise than the verdict says, or than was predicted; nil if nothing was.
    func complaint(_ verdict: Verdict, _ prediction: Prediction) async throws(TestKitError) -> String? {
        let (tally, holds) = try await attempt(verdict)
        let words = "from \(caller.name) to \(target) (\(transport) \(destination)): \(tally)"
        if !holds { return words }
        return prediction.disagreement(with: tally, of: self).map { "\(words), which 'explain' did not predict: \($0)" }
    }

    /// Connects, and says what became of it and whether that is what the verdict says.
    private func attempt(_ verdict: Verdict) async throws(TestKitError) -> (Tally, Bool) {
        switch verdict {
        case .answered(let servers, let source):
            return try await attempt(servers, source)
        case .rejected:
            let tally = try await self.tally(count: 3)
            return (tally, tally.outcomes.allSatisfy(isRejection))
        case .dropped:
            let tally = try await self.tally(count: 2, Probe.brief)
            return (tally, tally.outcomes.allSatisfy { $0 == .timedOut })
        case .closed:
            let tally = try await self.tally(count: 2)
            return (tally, tally.outcomes.allSatisfy { if case .refused = $0 { true } else { false } })
        }
    }

    func tally(count: Int, _ timeLimit: Duration = Probe.patient) async throws(TestKitError) -> Tally {
        let address = caller.address(destination.address.family)
        let probe = Probe(
            transport, to: destination, source: caller.name == "second-client" ? address : nil, timeLimit: timeLimit)
        return try await caller.namespace.tally(probe, count: count)
    }

    /// TCP is reset or told by ICMP; the others know ICMP only (an SCTP ABORT would be the host's own answer).
    private func isRejection(_ outcome: Outcome) -> Bool {
        guard case .refused(let refusal) = outcome else { return false }
        return refusal.isPortUnreachable || (transport == .tcp && refusal == .reset)
    }

    private func attempt(_ servers: [String], _ source: SeenSource) async throws(TestKitError) -> (Tally, Bool) {
        let expected = Set(servers.map { $0.contains(":") ? $0 : "\($0):8080" })
        var tally = Tally()
        // Eight rounds: with five servers, the last one stays unseen once in 10^16 times.
        for _ in 0..<8 {
            tally.add(try await self.tally(count: max(2, min(24, expected.count * 6))).outcomes)
            if tally.answers.count < tally.outcomes.count { break }
            if Set(tally.answers.map(label)).isSuperset(of: expected) { break }
        }
        let seenRightly = tally.answers.allSatisfy { isRight($0.source.address, source, server: $0.server) }
        let allAnswered = tally.answers.count == tally.outcomes.count
        return (tally, allAnswered && seenRightly && Set(tally.answers.map(label)) == expected)
    }

    private func label(_ answer: Answer) -> String {
        answer.server == "beyond" ? "beyond:*" : "\(answer.server):\(answer.local.port)"
    }

    private func isRight(_ seen: IPAddress, _ expected: SeenSource, server: String) -> Bool {
        let isNode = ClusterTopology.node1Addresses.contains(seen)
        if caller.name == "node1" { return isNode || seen.isLoopback }
        return switch expected {
        case .client: seen == caller.address(seen.family)
        case .node: isNode
        case .nodeUnlessNode: server == "node1" ? seen == caller.address(seen.family) : isNode
        case .nodeIfSelf: server == caller.name ? isNode : seen == caller.address(seen.family)
        }
    }
}

/// Lets a limited number of tasks pass at a time.
actor Gate {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(width: Int) { free = width }

    func pass<Result: Sendable>(_ body: @Sendable () async throws -> Result) async rethrows -> Result {
        await enter()
        defer { leave() }
        return try await body()
    }

    private func enter() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    private func leave() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}
