import FairleadTestKit
import Glibc
import NetworkTypes

/// What rules cost a packet on its whole way through a node: with none, with connection tracking alone, in the shape that
/// kube-proxy's nftables mode has, and with Fairlead's.
struct PacketPath {
    let bench: Bench
    let cluster: PathCluster
    let work: WorkDirectory

    /// The packets of a round: of one flow, and each of its own.
    private static let (datagrams, flows) = (60_000, 20_000)

    /// One kind of packet.
    private struct Kind {
        var name: String
        var origin: PathSide.Origin
        var family: IPFamily
        var isToService: Bool
        /// Nil: of a flow that has been answered.
        var begins: TransportProtocol?
    }

    private static let kinds: [Kind] = IPFamily.allCases.flatMap { family in
        PathSide.Origin.allCases.flatMap { origin in
            let way = "\(family), \(origin == .own ? "of the node itself" : "forwarded")"
            let kinds: [(begins: TransportProtocol?, isToService: Bool)] = [
                (nil, false), (.udp, false), (nil, true), (.udp, true), (.tcp, true),
            ]
            return kinds.map { begins, isToService in
                let what = begins == nil ? "established" : begins == .tcp ? "SYN" : "new"
                return Kind(
                    name: "\(way): \(what), to \(isToService ? "a ClusterIP" : "an endpoint")", origin: origin,
                    family: family, isToService: isToService, begins: begins)
            }
        }
    }

    func measure() throws(TestKitError) -> [Report.Table] {
        var sides: [(name: String, side: PathSide)] = []
        for shape in PathShape.allCases {
            let side = try PathSide(cluster)
            try shape.load(cluster, into: side.node, nft: bench.nft, work)
            sides.append((shape.rawValue, side))
        }
        let manifests = "\(work.path)/packet-path.json"
        try cluster.write(to: manifests)
        defer { WorkDirectory.remove(manifests) }
        let own = try PathSide(cluster)
        let ranges = IPFamily.allCases.map { PathCluster.podRanges[$0] ?? "" }.joined(separator: ",")
        let arguments = ["--manifests", manifests, "--node-name", PathCluster.nodeName, "--cluster-cidr", ranges]
        try own.node.run { () throws(TestKitError) in
            _ = try MeasuredProcess(bench.fairlead.path, ["apply", "--quiet"] + arguments).finish()
        }
        sides.append(("fairlead", own))
        return [try table(sides)]
    }

    private func table(_ sides: [(name: String, side: PathSide)]) throws(TestKitError) -> Report.Table {
        // By kind and side: the times of all rounds.
        var times = Self.kinds.map { _ in sides.map { _ in [Double]() } }
        for round in 0..<bench.rounds {
            Progress.show("\(cluster.services.grouped) Services: packets, round \(round + 1) of \(bench.rounds)")
            for (index, kind) in Self.kinds.enumerated() {
                for side in Bench.turns(sides.count, in: round) {
                    let isServed = sides[side].name == PathShape.verdicts.rawValue || sides[side].name == "fairlead"
                    if kind.isToService, !isServed { continue }
                    times[index][side].append(
                        try send(
                            kind, through: sides[side].side, tracks: sides[side].name != PathShape.nothing.rawValue))
                }
            }
        }
        var table = Report.Table(
            header: ["packet"] + sides.map { "\($0.name) ns" } + ["to nothing", "to tracking", "to verdicts"])
        let last = sides.count - 1
        table.rows = zip(Self.kinds, times).map { kind, times in
            [kind.name] + times.map { $0.isEmpty ? "" : Samples($0).median.text(0) }
                + (0..<last).map { side in
                    times[side].isEmpty ? "" : Samples(zip(times[last], times[side]).map { $0 / $1 }).text(2)
                }
        }
        table.notes = [
            "Processor time from send(2) to the end of the way, \(bench.rounds) rounds in turn of "
                + "\(Self.datagrams.grouped) datagrams of a flow, and of \(Self.flows.grouped) that each begin one. The "
                + "last columns: Fairlead's in its round, divided by the others'.",
            "nothing: no connection tracking; tracking: that alone; verdicts: a map of verdicts and a chain for each "
                + "Service port, the shape of kube-proxy's nftables mode.",
        ]
        return table
    }

    private func send(_ kind: Kind, through side: PathSide, tracks: Bool) throws(TestKitError) -> Double {
        let service = kind.begins == nil ? cluster.answering : cluster.silent
        let address =
            kind.isToService ? service.clusterIP[kind.family] : service.endpoints[kind.family]?.first
        let port = kind.isToService ? PathCluster.port : PathCluster.targetPort
        guard let transport = kind.begins else {
            return try side.established(Self.datagrams, from: kind.origin, to: address ?? "", port, kind.family)
        }
        let time = try side.new(Self.flows, transport, from: kind.origin, to: address ?? "", port, kind.family)
        // A packet that a rule or the kernel drops on its way would be a cheap one.
        let count = try side.connections()
        if tracks, count < Self.flows { throw .conversation("of \(Self.flows) connections \(count) are tracked") }
        return time
    }
}
