import FairleadTestKit
import Glibc

/// What the rules cost packets: the first one of a connection, and those of an established one.
struct PathCost {
    let bench: Bench
    let files: ManifestFiles
    let work: WorkDirectory

    private static let packets = 2000
    /// Short and many, so that what else the machine does meets all sides alike.
    private static let rounds = 40
    /// Segments of an established connection in a round.
    private static let segments = 4096

    /// A node whose nat hooks are in use by nobody: what connection tracking costs everybody.
    private static let others = "add table ip others; add chain ip others out { type nat hook output priority -100; }"

    func measure() throws(TestKitError) -> [Report.Table] {
        let manifests = "\(work.path)/path.\(files.format.rawValue)"
        try files.writeAll(to: manifests)
        defer { WorkDirectory.remove(manifests) }
        let (bare, loaded) = (try FirstPackets("bare"), try FirstPackets("loaded"))
        try bare.run(bench.nft, [Self.others])
        try loaded.run(bench.fairlead.path, ["apply", "--quiet"] + bench.arguments(manifests: manifests))
        let chained = try FirstPackets("chained")
        try ChainRuleset(cluster: files.cluster).load(into: chained, nft: bench.nft, work)
        return [try connections(bare, loaded, chained), try established(bare, loaded)]
    }

    // MARK: New connections

    private typealias Round = (bare: Double, direct: Double, service: Double, chained: Double)

    private func connections(
        _ bare: FirstPackets, _ loaded: FirstPackets, _ chained: FirstPackets
    ) throws(TestKitError) -> Report.Table {
        var rounds: [Round] = []
        for round in 0..<Self.rounds {
            Progress.show("\(files.cluster.services.grouped) Services: new connections \(round + 1) of \(Self.rounds)")
            rounds.append(
                (
                    try bare.send(Self.packets, round: round, to: files.cluster, .endpoints),
                    try loaded.send(Self.packets, round: round, to: files.cluster, .endpoints),
                    try loaded.send(Self.packets, round: round, to: files.cluster),
                    try chained.send(Self.packets, round: round, to: files.cluster)
                ))
        }
        var table = Report.Table(header: ["a new connection", "processor ns", "to the first line"])
        func row(_ name: String, _ value: (Round) -> Double) -> [String] {
            [name, Samples(rounds.map(value)).text(0), Samples(rounds.map { value($0) / $0.bare }).text(2)]
        }
        table.rows = [
            row("to an endpoint, without Fairlead", { $0.bare }), row("to an endpoint, past the rules", { $0.direct }),
            row("to a ClusterIP", { $0.service }),
            row("to a ClusterIP, with a chain for each Service and endpoint instead", { $0.chained }),
        ]
        table.notes = [
            "A SYN of the node itself, from send(2) to the end of its way out, conntrack and all; \(Self.rounds) rounds of "
                + "\(Self.packets.grouped) each, all Services in turn.",
            "To a ClusterIP \(Samples(rounds.map { $0.service / $0.chained }).text(2)) of what it costs with those chains.",
        ]
        return table
    }

    // MARK: Established connections

    private func established(_ bare: FirstPackets, _ loaded: FirstPackets) throws(TestKitError) -> Report.Table {
        let service = SyntheticCluster.plainService(from: files.cluster.services / 2)
        let pods = (0..<files.cluster.endpoints).map { files.cluster.place(service: service, endpoint: $0).address }
        for side in [bare, loaded] {
            try side.namespace.ip(["link set lo up"] + pods.map { "address add \($0.text)/32 dev lo" })
        }
        let server = SyntheticCluster.targetPort
        let conversations = [
            try Conversation(in: bare.namespace, to: pods[0], port: server, serverPort: server),
            try Conversation(in: loaded.namespace, to: pods[0], port: server, serverPort: server),
            try Conversation(
                in: loaded.namespace, to: SyntheticCluster.clusterIP(service), port: 80, serverPort: server),
        ]
        var rounds: [[Double]] = []
        for round in 0..<Self.rounds {
            Progress.show("\(files.cluster.services.grouped) Services: segments \(round + 1) of \(Self.rounds)")
            var times: [Double] = []
            for conversation in conversations { times.append(try conversation.talk(Self.segments)) }
            rounds.append(times)
        }
        var table = Report.Table(header: [
            "a segment of an established connection", "processor ns", "to the first line",
        ])
        let names = ["to an endpoint, without Fairlead", "to an endpoint, past the rules", "to a ClusterIP"]
        table.rows = names.indices.map { index in
            [
                names[index], Samples(rounds.map { $0[index] }).text(0),
                Samples(rounds.map { $0[index] / $0[0] }).text(3),
            ]
        }
        table.notes = [
            "64 bytes over TCP from the node to an endpoint on it, sent and received; \(Self.rounds) rounds of "
                + "\(Self.segments.grouped)."
        ]
        return table
    }
}
