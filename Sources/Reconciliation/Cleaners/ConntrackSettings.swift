/// The settings of connection tracking that a Service proxy manages. Nil leaves a setting alone.
public struct ConntrackSettings: Hashable, Sendable {
    /// The entries that the table may have for each processor (`--conntrack-max-per-core`).
    public var maximumPerCore: Int?
    /// The entries that it may have at the least, if the other is set (`--conntrack-min`).
    public var minimum: Int?
    /// Seconds until an idle established TCP connection is forgotten.
    public var tcpEstablishedTimeout: Int?
    /// Seconds until a TCP connection that one end has closed is forgotten.
    public var tcpCloseWaitTimeout: Int?
    /// Seconds until a UDP flow without an answer is forgotten.
    public var udpTimeout: Int?
    /// Seconds until a UDP flow with answers is forgotten.
    public var udpStreamTimeout: Int?
    /// Whether TCP packets outside the window are to be tolerated; false leaves it alone.
    public var tcpBeLiberal = false

    /// Leaves everything alone.
    public init() {}

    /// More entries than this are never asked for, whatever the number of processors.
    public static let largestMaximum = 1 << 20

    /// The number of entries to make room for; nil to leave it alone.
    public func maximum(processors: Int) -> Int? {
        guard let maximumPerCore else { return nil }
        let (product, overflow) = maximumPerCore.multipliedReportingOverflow(by: max(processors, 1))
        return min(Self.largestMaximum, max(minimum ?? 0, overflow ? Self.largestMaximum : product))
    }
}

/// A kernel parameter and the value that it is to have.
public struct ParameterChange: Hashable, Sendable {
    /// The file.
    public var path: String
    /// The present value; nil if it could not be read.
    public var before: Int?
    /// The value to write.
    public var value: Int
}

extension ConntrackSettings {
    /// What follows from the settings on a system.
    public struct Plan: Hashable, Sendable {
        /// What to write, in this order. If one cannot be written, the changes of its group that follow are useless.
        public var groups: [[ParameterChange]] = []
        /// The table's size, if it is kept because it is larger than what was asked for.
        public var keptMaximum: KeptMaximum?
    }

    /// A size that is kept.
    public struct KeptMaximum: Hashable, Sendable {
        /// The size; 0 if there is no limit.
        public var present: Int
        /// What was asked for.
        public var wanted: Int
    }

    private static let directory = "/proc/sys/net/netfilter/nf_conntrack_"
    private static let hashSize = "/sys/module/nf_conntrack/parameters/hashsize"

    /// Decides what to write.
    ///
    /// - Parameters:
    ///   - processors: how many processors are online.
    ///   - read: the present value of the parameter in a file; nil if it cannot be read.
    public func plan(processors: Int, read: (String) -> Int?) -> Plan {
        var plan = Plan()
        func change(_ path: String, to value: Int) -> ParameterChange? {
            let before = read(path)
            return before == value ? nil : ParameterChange(path: path, before: before, value: value)
        }
        if let wanted = maximum(processors: processors) {
            let path = Self.directory + "max"
            // 0 is no limit at all.
            if let present = read(path), present == 0 || present >= wanted {
                if present != wanted { plan.keptMaximum = KeptMaximum(present: present, wanted: wanted) }
            } else {
                var group = [change(path, to: wanted)].compactMap(\.self)
                // Four entries share a bucket at the most, else look-ups become slow.
                if let size = read(Self.hashSize), size < wanted / 4 {
                    group.append(ParameterChange(path: Self.hashSize, before: size, value: wanted / 4))
                }
                plan.groups.append(group)
            }
        }
        let others: [(String, Int?)] = [
            ("tcp_timeout_established", tcpEstablishedTimeout), ("tcp_timeout_close_wait", tcpCloseWaitTimeout),
            ("udp_timeout", udpTimeout), ("udp_timeout_stream", udpStreamTimeout),
            ("tcp_be_liberal", tcpBeLiberal ? 1 : nil),
        ]
        for (name, value) in others {
            if let value, let change = change(Self.directory + name, to: value) { plan.groups.append([change]) }
        }
        return plan
    }
}
