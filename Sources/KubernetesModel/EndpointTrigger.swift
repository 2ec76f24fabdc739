import NetworkTypes

/// When something happened to pods or a Service that made an EndpointSlice change.
public struct EndpointTrigger: Hashable, Sendable {
    /// The family of the slice.
    public var family: IPFamily
    /// The annotation `endpoints.kubernetes.io/last-change-trigger-time`, in nanoseconds since 1970.
    public var time: Int64

    /// Makes a trigger.
    public init(family: IPFamily, time: Int64) {
        self.family = family
        self.time = time
    }
}

/// The triggers of changes that nobody has taken yet, by kube-proxy's rules.
struct PendingTriggers: Sendable {
    /// Triggers from before this time do not count, in nanoseconds since 1970: what was found at a start is not what it
    /// took to follow a change.
    var start = Int64.max
    private var triggers: [ObjectKey: [EndpointTrigger]] = [:]

    /// While the kernel refuses changes, nothing may pile up.
    private static let limit = 1000

    /// A slice came or changed.
    mutating func note(_ slice: EndpointSlice, of service: ObjectKey) {
        guard let time = slice.lastChangeTriggerTime, time > start, let family = slice.addressFamily, !slice.isHeadless,
            (triggers[service]?.count ?? 0) < Self.limit
        else { return }
        triggers[service, default: []].append(EndpointTrigger(family: family, time: time))
    }

    /// A slice went. What its annotation says is the time of the last change and not that of its end; kube-proxy then counts
    /// none of the Service's changes that wait.
    mutating func noteRemoval(from service: ObjectKey) {
        if !triggers.isEmpty { triggers[service] = nil }
    }

    /// Hands over what waits.
    mutating func take() -> [EndpointTrigger] {
        defer { triggers = [:] }
        return triggers.values.flatMap(\.self)
    }
}
