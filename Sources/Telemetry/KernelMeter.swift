import NetworkTypes

/// What went to the kernel.
public struct KernelMeter: Hashable, Sendable {
    /// Transactions that the kernel carried out.
    public private(set) var transactions = 0
    /// Elements added and removed by one transaction.
    public private(set) var elementsPerTransaction = Histogram(start: 1, factor: 4, count: 9)
    /// Seconds that the kernel took for one transaction.
    public private(set) var seconds = Histogram(start: 0.0001, factor: 4, count: 10)
    /// How often the tables were read whole.
    public private(set) var observations = 0
    /// The elements of each set.
    public private(set) var elements: [IPFamily: [String: Int]] = [:]

    /// Nothing done.
    public init() {}

    /// The tables were read.
    ///
    /// - Parameter found: the elements of each set.
    public mutating func observed(_ found: [IPFamily: [String: Int]]) {
        observations += 1
        elements = found
    }

    /// A transaction was carried out.
    ///
    /// - Parameters:
    ///   - size: elements added and removed.
    ///   - duration: what the kernel took.
    public mutating func committed(size: Int, duration: Duration) {
        transactions += 1
        elementsPerTransaction.observe(Double(size))
        seconds.observe(duration / .seconds(1))
    }

    /// Elements were added (or, with a negative number, removed).
    public mutating func add(_ count: Int, to set: String, _ family: IPFamily) {
        elements[family, default: [:]][set, default: 0] += count
    }

    /// A set is gone.
    public mutating func remove(_ set: String, _ family: IPFamily) { elements[family]?[set] = nil }

    /// All sets of a table are gone.
    public mutating func removeAll(_ family: IPFamily) { elements[family] = nil }
}
