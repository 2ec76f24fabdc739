import NetworkTypes

/// Packets that this node has handed on to others under direct return, of one family and for one reason. One that went to two nodes
/// counts twice.
public struct HandedOn: Hashable, Sendable {
    /// The family.
    public var family: IPFamily
    /// `owner`, `earlier` or `error`: to the endpoint of the slot, to the one that had it before, or an ICMP error to either.
    public var reason: String
    /// The packets.
    public var packets: UInt64

    /// Makes a count.
    public init(_ family: IPFamily, reason: String, packets: UInt64) {
        self.family = family
        self.reason = reason
        self.packets = packets
    }

    /// The counts as metrics; without samples if there are no rules of direct return.
    public static func metrics(_ all: [HandedOn]) -> [Metric] {
        var metric = Metric(
            "fairlead_handed_on_packets_total", .counter,
            "Packets handed on to other nodes under direct return; one that went to two counts twice.")
        for count in all {
            metric.add(
                Double(count.packets), Metric.Label("ip_family", count.family == .ipv4 ? "IPv4" : "IPv6"),
                Metric.Label("reason", count.reason))
        }
        return [metric]
    }
}

/// Makes counts that only grow of those of rules, each of which starts again when its chain is written again.
public struct HandedOnLedger: Sendable {
    /// What the rules of one chain have counted for one reason.
    public struct Reading: Sendable {
        var count: HandedOn
        var chain: String

        /// Makes a reading.
        public init(_ count: HandedOn, chain: String) {
            self.count = count
            self.chain = chain
        }
    }

    private struct Place: Hashable {
        var family: IPFamily
        var reason: String
        var chain: String
    }

    private var last: [Place: UInt64] = [:]
    private var totals: [HandedOn: UInt64] = [:]

    /// Nothing read.
    public init() {}

    /// Takes all that is there now.
    ///
    /// - Returns: one count for each family and reason that there are rules of, sorted; none once all rules are gone.
    public mutating func take(_ readings: some Sequence<Reading>) -> [HandedOn] {
        var (now, next): ([Place: UInt64], [HandedOn: UInt64]) = ([:], [:])
        for reading in readings {
            let count = reading.count
            let place = Place(family: count.family, reason: count.reason, chain: reading.chain)
            now[place, default: 0] += count.packets
        }
        for (place, packets) in now {
            let before = last[place] ?? 0
            let key = HandedOn(place.family, reason: place.reason, packets: 0)
            next[key, default: totals[key] ?? 0] += packets >= before ? packets - before : packets
        }
        (last, totals) = (now, next)
        return next.map { HandedOn($0.key.family, reason: $0.key.reason, packets: $0.value) }.sorted {
            ($0.family == .ipv4 ? 0 : 1, $0.reason) < ($1.family == .ipv4 ? 0 : 1, $1.reason)
        }
    }
}
