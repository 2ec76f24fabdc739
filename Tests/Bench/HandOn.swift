import FairleadTestKit
import NetworkTypes

/// What a packet from outside costs that another node has the endpoint of: with policy Cluster, which masquerades, and handed on by
/// direct return; and how many connections to one endpoint the first node can have.
struct HandOn {
    let bench: Bench
    let work: WorkDirectory

    private static let (datagrams, exchanges, flows, many) = (60_000, 20_000, 20_000, 200_000)

    private enum Kind: String, CaseIterable {
        case further = "a further datagram, 16 bytes"
        case large = "a further datagram, 1,400 bytes"
        case exchange = "a datagram and its answer"
        case first = "the first datagram of a flow"
    }

    func measure() throws(TestKitError) -> [Report.Table] {
        let sides = try HandOnSide.Way.allCases.map { way throws(TestKitError) in
            try HandOnSide(way, bench, work)
        }
        var times: [IPFamily: [Kind: [[Double]]]] = [:]
        var shares: [IPFamily: [[HandOnSide.FirstNode]]] = [:]
        for round in 0..<bench.rounds {
            Progress.show("direct return, round \(round + 1) of \(bench.rounds)")
            for family in IPFamily.allCases {
                for kind in Kind.allCases {
                    for side in Bench.turns(sides.count, in: round) {
                        let time = try send(kind, family, through: sides[side])
                        times[family, default: [:]][kind, default: sides.map { _ in [] }][side].append(time)
                    }
                }
                for side in Bench.turns(sides.count, in: round) {
                    let share = try sides[side].firstNode(Self.datagrams, family, size: 16, nft: bench.nft)
                    shares[family, default: sides.map { _ in [] }][side].append(share)
                }
            }
        }
        var table = Report.Table(header: ["packet"] + sides.map { "\($0.way.rawValue) ns" } + ["to masquerade"])
        for family in IPFamily.allCases {
            for kind in Kind.allCases {
                guard let found = times[family]?[kind] else { continue }
                let ratios = zip(found[1], found[0]).map { $0 / $1 }
                table.rows.append(
                    ["\(family): \(kind.rawValue)"] + found.map { Samples($0).median.text(0) }
                        + [Samples(ratios).text(2)])
            }
        }
        table.notes = [
            "Processor time from send(2) on a client outside to the end of the way on the node with the endpoint, "
                + "\(bench.rounds) rounds in turn; answers go back through the first node, or by direct return past it."
        ]
        return [table, firstNode(sides, shares), try connections(sides)]
    }

    private func firstNode(
        _ sides: [HandOnSide], _ shares: [IPFamily: [[HandOnSide.FirstNode]]]
    ) -> Report.Table {
        var table = Report.Table(
            header: ["on the first node alone"] + sides.map { "\($0.way.rawValue) ns" } + ["to masquerade"])
        let rows: [(String, (HandOnSide.FirstNode) -> Double)] = [
            ("a further datagram", \.forward), ("its answer", \.back), ("both", { $0.forward + $0.back }),
        ]
        for family in IPFamily.allCases {
            for (name, value) in rows {
                let found = (shares[family] ?? []).map { $0.map(value) }
                let ratios = zip(found[1], found[0]).map { $0 / $1 }
                table.rows.append(
                    ["\(family): \(name)"] + found.map { Samples($0).median.text(0) } + [Samples(ratios).text(2)])
            }
        }
        table.notes = [
            "Processor time up to the link behind the first node less that up to the link before it, 16 bytes, in the same rounds."
        ]
        return table
    }

    private func send(_ kind: Kind, _ family: IPFamily, through side: HandOnSide) throws(TestKitError) -> Double {
        switch kind {
        case .further: return try side.further(Self.datagrams, family, size: 16, isAnswered: false)
        case .large: return try side.further(Self.datagrams, family, size: 1400, isAnswered: false)
        case .exchange: return try side.further(Self.exchanges, family, size: 16, isAnswered: true)
        case .first:
            let (time, tracked) = try side.first(Self.flows, family)
            // A packet that is dropped on its way would be a cheap one.
            let expected = side.way == .masquerade ? Self.flows : 0
            if tracked != expected { throw .conversation("\(tracked) connections are tracked, not \(expected)") }
            return time
        }
    }

    private func connections(_ sides: [HandOnSide]) throws(TestKitError) -> Report.Table {
        var table = Report.Table(header: [
            "\(Self.many.grouped) flows to one endpoint", "arrived", "tracked by the first node",
        ])
        for family in IPFamily.allCases {
            for side in sides {
                Progress.show("direct return: \(Self.many.grouped) flows")
                let before = try side.arrived(family)
                let tracked = try side.first(Self.many, family, to: HandOnSide.single).tracked
                let arrived = try side.arrived(family) - before
                table.rows.append(["\(family): \(side.way.rawValue)", arrived.grouped, tracked.grouped])
            }
        }
        return table
    }
}
