/// The counters of Services at one moment, and those of the reading before, so that there are rates.
public struct CounterReading: Sendable {
    /// When the kernel was asked.
    public var time: Moment
    /// How long it took to tell.
    public var cost: Duration
    /// The counters.
    public var counters: [ServiceCounter]
    /// What was handed on under direct return.
    public var handedOn: [HandedOn]
    /// Why there are none; nil if the kernel told them.
    public var failure: String?
    /// From the reading before to this one; nil if there is none to compare with.
    public private(set) var interval: Duration?
    private var before: [ServiceCounter: UInt64] = [:]
    private var handedOnBefore: UInt64 = 0

    /// A reading with nothing to compare with.
    public init(
        time: Moment, cost: Duration, counters: [ServiceCounter], handedOn: [HandedOn] = [], failure: String? = nil
    ) {
        self.time = time
        self.cost = cost
        self.counters = counters
        self.handedOn = handedOn
        self.failure = failure
    }

    /// Takes rates from a reading before this one. One that failed, or that was made at the same time, gives none.
    public mutating func compare(with former: CounterReading) {
        let interval = time.uptime - former.time.uptime
        guard former.failure == nil, failure == nil, interval > .zero else { return }
        self.interval = interval
        handedOnBefore = former.handedOnPackets
        before = Dictionary(former.counters.map { ($0.identity, $0.packets) }, uniquingKeysWith: { $0 + $1 })
    }

    /// All packets that were handed on.
    public var handedOnPackets: UInt64 { handedOn.reduce(0) { $0 &+ $1.packets } }

    /// How many of them per second since the reading before; nil if there was none.
    public var handedOnRate: Double? {
        guard let interval else { return nil }
        let packets = handedOnPackets >= handedOnBefore ? handedOnPackets - handedOnBefore : handedOnPackets
        return Double(packets) / (interval / .seconds(1))
    }

    /// Packets per second since the reading before; nil if there was none. A counter that has come since has counted all of its
    /// packets since; one that started again has counted no less than it says.
    public func rate(of counter: ServiceCounter) -> Double? {
        guard let interval else { return nil }
        let former = before[counter.identity] ?? 0
        let packets = counter.packets >= former ? counter.packets - former : counter.packets
        return Double(packets) / (interval / .seconds(1))
    }
}

extension ServiceCounter {
    /// What was counted of what, whatever the count.
    fileprivate var identity: ServiceCounter {
        var result = self
        result.packets = 0
        return result
    }
}
