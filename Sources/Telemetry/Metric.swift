/// A metric with all its samples, as a scrape sees it.
public struct Metric: Hashable, Sendable {
    /// What kind of number it is.
    public enum Kind: String, Hashable, Sendable {
        /// Only grows while the process lives.
        case counter
        /// Grows and shrinks.
        case gauge
        /// Counts of observations by size.
        case histogram
    }

    /// A label.
    public struct Label: Hashable, Sendable {
        /// The name.
        public var name: String
        /// The value: any text.
        public var value: String

        /// Makes a label.
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// What a sample holds.
    public enum Value: Hashable, Sendable {
        /// A number.
        case number(Double)
        /// Observations.
        case histogram(Histogram)
    }

    /// One value of the metric.
    public struct Sample: Hashable, Sendable {
        /// The labels, each name once.
        public var labels: [Label]
        /// The value.
        public var value: Value
    }

    /// The name.
    public var name: String
    /// What it tells.
    public var help: String
    /// What kind of number it is.
    public var kind: Kind
    /// The samples, no two with the same labels.
    public var samples: [Sample] = []

    /// Makes a metric without samples.
    public init(_ name: String, _ kind: Kind, _ help: String) {
        self.name = name
        self.kind = kind
        self.help = help
    }

    /// Makes a metric of one number.
    public init(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
        self.init(name, kind, help)
        add(value)
    }

    /// Adds a sample.
    public mutating func add(_ value: Double, _ labels: Label...) {
        samples.append(Sample(labels: labels, value: .number(value)))
    }

    /// Adds a sample.
    public mutating func add(_ histogram: Histogram, _ labels: Label...) {
        samples.append(Sample(labels: labels, value: .histogram(histogram)))
    }
}

/// Observations, counted by size.
public struct Histogram: Hashable, Sendable {
    /// The upper bounds of the buckets, ascending; one without a bound follows.
    public let bounds: [Double]
    /// The observations in each bucket, the last without a bound; not cumulative.
    public private(set) var counts: [Int]
    /// The sum of all observations.
    public private(set) var sum = 0.0

    /// Makes a histogram without observations.
    public init(bounds: [Double]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    /// Bounds that grow by a factor.
    public init(start: Double, factor: Double, count: Int) {
        var bounds: [Double] = []
        var bound = start
        for _ in 0..<count {
            bounds.append(bound)
            bound *= factor
        }
        self.init(bounds: bounds)
    }

    /// The number of observations.
    public var count: Int { counts.reduce(0, +) }

    /// Counts an observation; a bound belongs to the bucket below it.
    public mutating func observe(_ value: Double) {
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum += value
    }

    /// The observations of both; their bounds have to be the same.
    public func adding(_ other: Histogram) -> Histogram {
        guard bounds == other.bounds else { return self }
        var result = self
        for index in counts.indices { result.counts[index] += other.counts[index] }
        result.sum += other.sum
        return result
    }
}
