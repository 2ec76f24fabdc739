/// Makes counters that only grow of the kernel's, each of which starts again when its element is replaced: when a pool changes
/// its size class, its frontend moves to another set.
///
/// A frontend may have an element in several sets, one of which may start again while the others go on: their sum alone would
/// not tell.
public struct CounterLedger: Sendable {
    /// What one set has counted for a frontend.
    public struct Reading: Sendable {
        /// The frontend, without packets.
        public var counter: ServiceCounter
        /// The set.
        public var set: UInt16
        /// The packets.
        public var packets: UInt64

        /// Makes a reading.
        public init(_ counter: ServiceCounter, set: UInt16, packets: UInt64) {
            self.counter = counter
            self.counter.packets = 0
            self.set = set
            self.packets = packets
        }
    }

    private struct Entry {
        var total: UInt64 = 0
        var last: [UInt16: UInt64] = [:]
    }

    private var entries: [ServiceCounter: Entry] = [:]

    /// Nothing read.
    public init() {}

    /// Takes all that is there now.
    ///
    /// - Returns: the counters, each frontend once. What a frontend counted between the reading before and its element's
    ///   replacement is lost; one that is not there any more is forgotten.
    public mutating func take(_ readings: some Sequence<Reading>) -> [ServiceCounter] {
        var present: [ServiceCounter: [UInt16: UInt64]] = [:]
        for reading in readings { present[reading.counter, default: [:]][reading.set] = reading.packets }
        var next: [ServiceCounter: Entry] = [:]
        next.reserveCapacity(present.count)
        for (counter, sets) in present {
            var entry = entries[counter] ?? Entry()
            for (set, packets) in sets {
                let before = entry.last[set] ?? 0
                entry.total += packets >= before ? packets - before : packets
            }
            entry.last = sets
            next[counter] = entry
        }
        entries = next
        return next.map { counter, entry in
            var counter = counter
            counter.packets = entry.total
            return counter
        }.sorted { ($0.service, $0.frontend, $0.port) < ($1.service, $1.frontend, $1.port) }
    }
}
