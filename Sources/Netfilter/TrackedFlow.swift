import NetworkTypes

/// A flow as connection tracking has it: as much of it as tells whether it goes where it should.
public struct TrackedFlow: Hashable, Sendable {
    /// The protocol.
    public var transport: TransportProtocol
    /// Who sent the first packet.
    public var source: IPAddress
    /// The port that it was sent from.
    public var sourcePort: UInt16
    /// Where the client sends to.
    public var destination: IPAddress
    /// The port that the client sends to.
    public var port: UInt16
    /// Where its packets really go: the source of the replies that conntrack expects.
    public var target: IPAddress
    /// The port of the target.
    public var targetPort: UInt16
    /// The conntrack zone; 0 unless somebody keeps flows apart.
    public var zone: UInt16

    /// Makes a flow.
    public init(
        _ transport: TransportProtocol, from source: IPAddress, _ sourcePort: UInt16, to destination: IPAddress,
        _ port: UInt16, target: IPAddress, _ targetPort: UInt16, zone: UInt16 = 0
    ) {
        self.transport = transport
        self.source = source
        self.sourcePort = sourcePort
        self.destination = destination
        self.port = port
        self.target = target
        self.targetPort = targetPort
        self.zone = zone
    }

    /// Whether the flow's destination is translated.
    public var isTranslated: Bool { target != destination || targetPort != port }
}

/// Which flows one look at the table is for. The kernel compares what it can, so that a look costs little.
public struct FlowFilter: Hashable, Sendable {
    /// The family.
    public var family: IPFamily
    /// The protocol.
    public var transport: TransportProtocol
    /// The address that clients send to; nil for any.
    public var destination: IPAddress?
    /// The port that clients send to; nil for any.
    public var port: UInt16?
    /// Whether address and port are the source of the first packet: an answer that came before the question, or after
    /// the entry of the question had gone.
    public var isReversed = false

    /// Makes a filter.
    public init(
        _ family: IPFamily, _ transport: TransportProtocol, to destination: IPAddress? = nil, port: UInt16? = nil,
        isReversed: Bool = false
    ) {
        self.family = family
        self.transport = transport
        self.destination = destination
        self.port = port
        self.isReversed = isReversed
    }

    /// Whether the filter lets the flow pass.
    public func matches(_ flow: TrackedFlow) -> Bool {
        guard flow.transport == transport, flow.destination.family == family else { return false }
        let (address, number) =
            isReversed ? (flow.source, flow.sourcePort) : (flow.destination, flow.port)
        return number == port ?? number && address == destination ?? address
    }
}

/// What one look at the table did.
public struct FlowRemoval: Hashable, Sendable {
    /// The entries that the kernel handed over.
    public var examined = 0
    /// The entries that were deleted.
    public var deleted = 0
    /// Stale entries that the kernel would not delete at the moment (their flow is offloaded to hardware, for example).
    public var refused = 0

    /// Nothing done.
    public init() {}
}

/// Where flows are kept: the kernel, or a stand-in in tests.
public protocol FlowTable: AnyObject {
    /// Why it refused.
    associatedtype Failure: Error

    /// Looks at the flows that pass the filter once, and deletes exactly those that are stale.
    ///
    /// The look may take seconds, in which the world goes on. So each flow is judged twice: when it is read, and in the moment before it
    /// is deleted, after `settle` was asked to take note of what has changed meanwhile.
    ///
    /// An error means that the look was not complete; what was deleted by then was stale.
    ///
    /// - Parameter settle: false if nothing may be deleted now: what was found until then counts as refused.
    func remove(
        _ filter: FlowFilter, where isStale: (TrackedFlow) -> Bool, settle: () -> Bool
    ) throws(Failure) -> FlowRemoval
}

extension FlowTable {
    /// Looks while nothing changes.
    public func remove(
        _ filter: FlowFilter, where isStale: (TrackedFlow) -> Bool
    ) throws(Failure) -> FlowRemoval { try remove(filter, where: isStale) { true } }
}
