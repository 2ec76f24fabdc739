/// How full conntrack's table is, and what the kernel dropped for want of room.
public struct ConntrackUsage: Hashable, Sendable {
    /// Entries of this network namespace.
    public var entries: Int
    /// How many there may be.
    public var limit: Int
    /// Packets that could not be tracked and were dropped, since the kernel counts.
    public var drops: Int
    /// Entries that were removed early, to make room for others.
    public var earlyDrops: Int
    /// Entries that could not be inserted, the packets of which were dropped.
    public var failedInsertions: Int

    /// What the kernel tells.
    public init(entries: Int, limit: Int, drops: Int = 0, earlyDrops: Int = 0, failedInsertions: Int = 0) {
        (self.entries, self.limit, self.drops) = (entries, limit, drops)
        (self.earlyDrops, self.failedInsertions) = (earlyDrops, failedInsertions)
    }

    /// From the text of three files below `/proc`: `sys/net/netfilter/nf_conntrack_count`, `…/nf_conntrack_max` and `net/stat/nf_conntrack`, a
    /// heading and a line for each processor in hexadecimal numbers. Nil if there is no table; without the third, nothing was dropped.
    public init?(count: String?, limit: String?, statistics: [String]) {
        func number(_ text: String?) -> Int? { text.flatMap { Int($0.filter { !$0.isWhitespace }) } }
        guard let entries = number(count), let limit = number(limit), limit > 0 else { return nil }
        self.init(entries: entries, limit: limit)
        let lines = statistics.map { $0.split(whereSeparator: \.isWhitespace) }
        guard let heading = lines.first else { return }
        func sum(_ column: Substring) -> Int {
            guard let index = heading.firstIndex(of: column) else { return 0 }
            return lines.dropFirst().reduce(0) { sum, line in
                sum &+ (index < line.count ? Int(line[index], radix: 16) ?? 0 : 0)
            }
        }
        (drops, earlyDrops, failedInsertions) = (sum("drop"), sum("early_drop"), sum("insert_failed"))
    }

    /// How full, from 0 to 100.
    public var percent: Int { Int((Double(entries) / Double(limit) * 100).rounded(.down)) }

    /// How full the table is when it is about to be.
    public static let alarmPercent = 90
    /// How full it is when that is over.
    public static let calmPercent = 80

    /// Whether the table is about to be full; once it is, until there is clearly more room.
    public func isAlarming(before wasAlarming: Bool) -> Bool {
        percent >= (wasAlarming ? Self.calmPercent : Self.alarmPercent)
    }

    var metrics: [Metric] {
        var lost = Metric(
            "fairlead_conntrack_dropped_total", .counter,
            "What conntrack dropped in this network namespace: packets (drop, insert_failed) and entries (early_drop).")
        for (kind, count) in [("drop", drops), ("early_drop", earlyDrops), ("insert_failed", failedInsertions)] {
            lost.add(Double(count), Metric.Label("reason", kind))
        }
        return [
            Metric("fairlead_conntrack_entries", .gauge, "Entries of conntrack's table.", Double(entries)),
            Metric("fairlead_conntrack_limit", .gauge, "How many entries conntrack's table may have.", Double(limit)),
            lost,
        ]
    }
}
