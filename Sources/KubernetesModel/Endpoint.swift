import NetworkTypes

/// One entry of `endpoints` of an EndpointSlice.
///
/// A large cluster has a million of them, so an endpoint takes 24 bytes: its address, and a reference to the rest, which endpoints on
/// the same node have in common (`EndpointPool`). To set a field of the rest makes that rest anew; whoever makes many endpoints takes
/// them from a pool.
public struct Endpoint: Hashable, Sendable {
    /// `hints`: for whom the EndpointSlice controller meant this endpoint.
    public struct Hints: Hashable, Sendable {
        /// `hints.forZones[].name`.
        public var zones: [String]
        /// `hints.forNodes[].name`.
        public var nodes: [String]

        /// Makes hints.
        public init(zones: [String] = [], nodes: [String] = []) {
            self.zones = zones
            self.nodes = nodes
        }
    }

    // The address as two numbers; of which family it is stands in the shared part. An IPv4 address is the lower half of the second.
    private var high: UInt64
    private var low: UInt64
    fileprivate var shared: SharedPart

    /// `addresses[0]`; the API says that consumers use the first address only.
    public var address: IPAddress {
        get {
            switch shared.fields.family {
            case .ipv4: .v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: low)))
            case .ipv6: .v6(IPv6Address(high: high, low: low))
            }
        }
        set {
            (high, low) = Self.numbers(newValue)
            if shared.fields.family != newValue.family { fields.family = newValue.family }
        }
    }

    /// All but the address.
    package var fields: EndpointFields {
        get { shared.fields }
        set { shared = SharedPart(newValue) }
    }

    /// `conditions.ready`; absent means true.
    public var isReady: Bool {
        get { shared.fields.isReady }
        set { fields.isReady = newValue }
    }

    /// `conditions.serving`; absent means true.
    public var isServing: Bool {
        get { shared.fields.isServing }
        set { fields.isServing = newValue }
    }

    /// `conditions.terminating`; absent means false.
    public var isTerminating: Bool {
        get { shared.fields.isTerminating }
        set { fields.isTerminating = newValue }
    }

    /// `nodeName`; nil if the endpoint is on no node of the cluster.
    public var nodeName: String? {
        get { shared.fields.nodeName }
        set { fields.nodeName = newValue }
    }

    /// `zone`.
    public var zone: String? {
        get { shared.fields.zone }
        set { fields.zone = newValue }
    }

    /// `hints`; nil if the endpoint has none.
    public var hints: Hints? {
        get { shared.fields.hints }
        set { fields.hints = newValue }
    }

    /// Makes a ready endpoint.
    public init(address: IPAddress, nodeName: String? = nil) {
        self.init(address, SharedPart(EndpointFields(family: address.family, nodeName: nodeName)))
    }

    fileprivate init(_ address: IPAddress, _ shared: SharedPart) {
        (high, low) = Self.numbers(address)
        self.shared = shared
    }

    private static func numbers(_ address: IPAddress) -> (high: UInt64, low: UInt64) {
        switch address {
        case .v4(let address): (0, UInt64(address.rawValue))
        case .v6(let address): (address.high, address.low)
        }
    }

    /// Equal fields, whether they are shared or not.
    public static func == (left: Endpoint, right: Endpoint) -> Bool {
        left.low == right.low && left.high == right.high
            && (left.shared === right.shared || left.shared.fields == right.shared.fields)
    }

    /// Hashes what `==` compares.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(high)
        hasher.combine(low)
        hasher.combine(shared.fields)
    }
}

/// The fields of an endpoint besides its address: those that endpoints on the same node mostly have in common.
package struct EndpointFields: Hashable, Sendable {
    /// The family of the address.
    package var family: IPFamily
    /// `Endpoint.isReady`.
    package var isReady = true
    /// `Endpoint.isServing`.
    package var isServing = true
    /// `Endpoint.isTerminating`.
    package var isTerminating = false
    /// `Endpoint.nodeName`.
    package var nodeName: String?
    /// `Endpoint.zone`.
    package var zone: String?
    /// `Endpoint.hints`.
    package var hints: Endpoint.Hints?

    /// Makes the fields of a ready endpoint.
    package init(family: IPFamily, nodeName: String? = nil) {
        self.family = family
        self.nodeName = nodeName
    }
}

/// The fields, kept once for many endpoints.
private final class SharedPart: Sendable {
    let fields: EndpointFields

    init(_ fields: EndpointFields) { self.fields = fields }
}

/// Makes endpoints that share what they have in common.
///
/// A direct-mapped cache, as `StringPool` is one: bounded, and a miss costs one allocation.
package struct EndpointPool: Sendable {
    /// Enough for the nodes of a large cluster.
    package static let usualCapacity = 4096

    private let capacity: Int
    private var slots: [SharedPart?] = []

    /// Makes an empty pool; it takes its memory with the first endpoint.
    package init(capacity: Int = usualCapacity) { self.capacity = max(capacity, 1) }

    /// An endpoint with these fields, whose family is that of the address.
    package mutating func endpoint(_ address: IPAddress, _ fields: EndpointFields) -> Endpoint {
        if slots.isEmpty { slots = [SharedPart?](repeating: nil, count: capacity) }
        var fields = fields
        fields.family = address.family
        // Hints follow from the zone, mostly: they are compared, but not worth hashing.
        var hasher = Hasher()
        hasher.combine(fields.nodeName)
        hasher.combine(fields.zone)
        hasher.combine(fields.isReady)
        hasher.combine(fields.isTerminating)
        let slot = Int(UInt(bitPattern: hasher.finalize()) % UInt(capacity))
        if let known = slots[slot], known.fields == fields { return Endpoint(address, known) }
        let shared = SharedPart(fields)
        slots[slot] = shared
        return Endpoint(address, shared)
    }

    /// Whether two endpoints share what they have in common: for tests.
    package static func areShared(_ one: Endpoint, _ other: Endpoint) -> Bool { one.shared === other.shared }
}
