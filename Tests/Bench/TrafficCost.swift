import FairleadTestKit
import NetworkTypes

/// What it costs a packet to be counted for its Service: with `--service-traffic`, and with accounting by conntrack in its place.
struct TrafficCost {
    let bench: Bench
    let cluster: PathCluster
    let work: WorkDirectory

    private static let (datagrams, flows) = (60_000, 20_000)

    private enum Way: String, CaseIterable {
        case uncounted
        case conntrack = "conntrack accounting"
        case rules = "--service-traffic"
    }

    private enum Kind: String, CaseIterable {
        case service = "a further datagram, to a ClusterIP"
        case stranger = "a further datagram, to an endpoint"
        case first = "the first datagram of a flow, to a ClusterIP"
    }

    func measure() throws(TestKitError) -> [Report.Table] {
        let manifests = "\(work.path)/traffic.json"
        try cluster.write(to: manifests)
        defer { WorkDirectory.remove(manifests) }
        let ranges = IPFamily.allCases.map { PathCluster.podRanges[$0] ?? "" }.joined(separator: ",")
        let arguments = ["--manifests", manifests, "--node-name", PathCluster.nodeName, "--cluster-cidr", ranges]
        let sides = try Way.allCases.map { way throws(TestKitError) in
            let side = try PathSide(cluster)
            try side.node.setParameters([("netfilter/nf_conntrack_acct", way == .conntrack ? "1" : "0")])
            let options = way == .rules ? ["--service-traffic"] : []
            try side.node.run { () throws(TestKitError) in
                _ = try MeasuredProcess(bench.fairlead.path, ["apply", "--quiet"] + arguments + options).finish()
            }
            return side
        }
        var times: [IPFamily: [Kind: [[Double]]]] = [:]
        for round in 0..<bench.rounds {
            Progress.show(
                "\(cluster.services.grouped) Services: counted packets, round \(round + 1) of \(bench.rounds)")
            for family in IPFamily.allCases {
                for kind in Kind.allCases {
                    for side in Bench.turns(sides.count, in: round) {
                        let time = try send(kind, family, through: sides[side])
                        times[family, default: [:]][kind, default: sides.map { _ in [] }][side].append(time)
                    }
                }
            }
        }
        var table = Report.Table(
            header: ["packet"] + Way.allCases.map { "\($0.rawValue) ns" } + ["conntrack adds ns", "rules add ns"])
        for family in IPFamily.allCases {
            for kind in Kind.allCases {
                guard let found = times[family]?[kind] else { continue }
                table.rows.append(
                    ["\(family): \(kind.rawValue)"] + found.map { Samples($0).median.text(0) }
                        + found.dropFirst().map { Samples(zip($0, found[0]).map { $0 - $1 }).text(0) })
            }
        }
        table.notes = [
            "Processor time from send(2) to the end of the way, \(bench.rounds) rounds in turn of "
                + "\(Self.datagrams.grouped) datagrams of a flow, and of \(Self.flows.grouped) that each begin one. The "
                + "last columns: in its round, less what an uncounted packet took."
        ]
        return [table]
    }

    private func send(_ kind: Kind, _ family: IPFamily, through side: PathSide) throws(TestKitError) -> Double {
        switch kind {
        case .service:
            try side.established(
                Self.datagrams, from: .forwarded, to: cluster.answering.clusterIP[family] ?? "", PathCluster.port,
                family)
        case .stranger:
            try side.established(
                Self.datagrams, from: .forwarded, to: cluster.answering.endpoints[family]?.first ?? "",
                PathCluster.targetPort, family)
        case .first:
            try side.new(
                Self.flows, .udp, from: .forwarded, to: cluster.silent.clusterIP[family] ?? "", PathCluster.port, family
            )
        }
    }
}
