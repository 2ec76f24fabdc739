import Netfilter
import NetworkTypes
import ServicePolicy

/// Which flows conntrack must not carry on, after changes of some frontends.
///
/// Only frontends that a change touched are in here. A frontend that is served may lead to every usable endpoint of its
/// Service port, whatever the policies, hints and affinity say now: flows to those are live. TCP is in here only where connections
/// to endpoints that are gone are to be reset (`--reset-gone-endpoints`): else its established connections outlive changes.
public struct StaleFlows: Sendable {
    /// A frontend as clients address it; the address is nil for a node port.
    struct Place: Hashable {
        var family: IPFamily
        var transport: TransportProtocol
        var address: IPAddress?
        var port: UInt16
    }

    /// What is true of flows to a place.
    enum Rule: Hashable {
        /// They may lead to these endpoints only. Without any, those that are translated go.
        case served([Backend])
        /// The frontend is no more: those that lead to these endpoints go.
        case withdrawn(Set<Backend>)
    }

    private(set) var rules: [Place: Rule] = [:]
    /// Frontends whose packets from outside nobody translates although there are endpoints: the Service has them left to the routes
    /// (`fairlead.dev/no-endpoints: pass`), and this node has no endpoint for them.
    private var passing: Set<Place> = []
    /// Frontends with an address to which flows may have begun that nobody translated.
    private(set) var fresh: Set<Place> = []
    /// Frontends that have more endpoints than before. No flow has become stale by that; but who is still looking for flows that an
    /// earlier change made stale must not take those to a new endpoint for such.
    private var grown: [Place: [Backend]] = [:]
    /// The addresses of this node that accept node ports.
    public var nodePortAddresses: Set<IPAddress> = []
    /// Addresses that accepted node ports until now.
    public var formerNodePortAddresses: Set<IPAddress> = []

    /// No frontend.
    public init() {}

    /// Whether nothing has to be looked at.
    public var isEmpty: Bool { rules.isEmpty }

    /// Whether there is nothing that an earlier look has to know of either.
    public var saysNothing: Bool { rules.isEmpty && grown.isEmpty && formerNodePortAddresses.isEmpty }

    // MARK: Verdict

    /// Whether the flow has to go.
    public func contains(_ flow: TrackedFlow) -> Bool {
        var place = Place(
            family: flow.destination.family, transport: flow.transport, address: flow.destination, port: flow.port)
        if let rule = rules[place] { return Self.isStale(flow, rule, mayPass: passing.contains(place)) }
        if isReversed(flow) { return true }
        place.address = nil
        guard let rule = rules[place] else { return false }
        if nodePortAddresses.contains(flow.destination) {
            return Self.isStale(flow, rule, mayPass: passing.contains(place))
        }
        guard formerNodePortAddresses.contains(flow.destination), flow.transport != .tcp else { return false }
        switch rule {
        case .served(let usable): return Self.isStale(flow, .withdrawn(Set(usable)))
        case .withdrawn: return Self.isStale(flow, rule)
        }
    }

    /// Whether the flow is one to a frontend that nobody translated, the wrong way round: its entry was deleted, and an
    /// answer that was under way made another one. The client's packets would match that and never be translated.
    ///
    /// Node ports are left out: the node itself may have connections from a port with that number.
    private func isReversed(_ flow: TrackedFlow) -> Bool {
        guard !fresh.isEmpty, flow.zone == 0, !flow.isTranslated, !nodePortAddresses.contains(flow.source) else {
            return false
        }
        let place = Place(
            family: flow.source.family, transport: flow.transport, address: flow.source, port: flow.sourcePort)
        guard fresh.contains(place), !passing.contains(place), case .served(let usable)? = rules[place], !usable.isEmpty
        else { return false }
        return !usable.containsSorted(Backend(address: flow.source, port: flow.sourcePort))
    }

    private static func isStale(_ flow: TrackedFlow, _ rule: Rule, mayPass: Bool = false) -> Bool {
        let target = Backend(address: flow.target, port: flow.targetPort)
        switch rule {
        case .served(let usable):
            // Other zones may hold a second, rightly untranslated view of the same packets (Open vSwitch).
            // A TCP connection that nobody translated is none of an endpoint that is gone.
            let couldBeTranslated = !mayPass && !usable.isEmpty && flow.zone == 0 && flow.transport != .tcp
            return flow.isTranslated || couldBeTranslated ? !usable.containsSorted(target) : false
        case .withdrawn(let former): return flow.isTranslated && former.contains(target)
        }
    }

    /// The looks at the table that find all of them: one for each family and protocol, as narrow as one can be, and one
    /// the other way round for frontends that may have had flows before they were served.
    public var filters: [FlowFilter] {
        var result: [FlowFilter] = []
        for family in IPFamily.allCases {
            for transport in Self.transports + [.tcp] {
                func isOne(_ place: Place) -> Bool { place.family == family && place.transport == transport }
                guard let forth = filter(rules.keys.filter(isOne)) else { continue }
                result.append(forth)
                // A look at everything has seen both.
                let isWide = forth.destination == nil && forth.port == nil
                if !isWide, var back = filter(fresh.filter(isOne)) {
                    back.isReversed = true
                    result.append(back)
                }
            }
        }
        return result
    }

    private func filter(_ places: some Collection<Place>) -> FlowFilter? {
        guard let first = places.first else { return nil }
        let addresses = places.contains { $0.address == nil } ? nodeAddresses(first.family) : []
        let all = addresses.union(places.compactMap(\.address))
        if all.isEmpty { return nil }
        let isOnePort = places.allSatisfy { $0.port == first.port }
        return FlowFilter(
            first.family, first.transport, to: all.count == 1 ? all.first : nil, port: isOnePort ? first.port : nil)
    }

    private func nodeAddresses(_ family: IPFamily) -> Set<IPAddress> {
        nodePortAddresses.union(formerNodePortAddresses).filter { $0.family == family }
    }

    /// The protocols whose flows conntrack would carry on to an endpoint that is gone.
    static let transports: [TransportProtocol] = [.udp, .sctp]

    // MARK: Notes

    /// The flows to the place may lead to these endpoints (sorted) only.
    ///
    /// - Parameters:
    ///   - isFresh: whether nobody may have translated them until now.
    ///   - mayPass: whether those that nobody translates are as they should be.
    mutating func serve(_ place: Place, _ usable: [Backend], isFresh: Bool, mayPass: Bool = false) {
        rules[place] = .served(usable)
        grown[place] = nil
        if mayPass { passing.insert(place) } else { passing.remove(place) }
        if isFresh && place.address != nil && place.transport != .tcp { fresh.insert(place) }
    }

    /// The place may lead to more endpoints (sorted) than before.
    mutating func grow(_ place: Place, _ usable: [Backend]) {
        switch rules[place] {
        case nil: grown[place] = usable
        // Whoever looks must never take a connection to an endpoint that came back for one to an endpoint that is gone.
        case .served(let known) where place.transport == .tcp: rules[place] = .served(Self.union(known, usable))
        default: rules[place] = .served(usable)
        }
    }

    private static func union(_ first: [Backend], _ second: [Backend]) -> [Backend] {
        Set(first).union(second).sorted()
    }

    // MARK: Connections

    /// Cuts off what is said of TCP connections, which are not looked for as soon as flows are. What has become live is in both.
    public mutating func takeConnections() -> StaleFlows {
        var result = StaleFlows()
        (result.nodePortAddresses, result.formerNodePortAddresses) = (nodePortAddresses, formerNodePortAddresses)
        result.grown = grown.filter { $0.key.transport == .tcp }
        result.rules = rules.filter { $0.key.transport == .tcp }
        if !result.rules.isEmpty { rules = rules.filter { $0.key.transport != .tcp } }
        return result
    }

    /// What is said of connections, as no more than which endpoints are there.
    public var asGrowth: StaleFlows {
        var result = StaleFlows()
        (result.nodePortAddresses, result.formerNodePortAddresses) = (nodePortAddresses, formerNodePortAddresses)
        result.grown = grown
        for (place, rule) in rules { if case .served(let known) = rule { result.grown[place] = known } }
        return result
    }

    /// The place is no frontend any longer; its flows led to these endpoints.
    ///
    /// Within one change, a Service that takes the place over has the word.
    mutating func withdraw(_ place: Place, _ former: some Sequence<Backend>) {
        grown[place] = nil
        switch rules[place] {
        case nil: rules[place] = .withdrawn(Set(former))
        case .withdrawn(let others): rules[place] = .withdrawn(others.union(former))
        case .served: return
        }
    }

    /// Adds what a later change touched.
    public mutating func formUnion(_ later: StaleFlows) {
        nodePortAddresses = later.nodePortAddresses
        formerNodePortAddresses.formUnion(later.formerNodePortAddresses)
        formerNodePortAddresses.subtract(nodePortAddresses)
        fresh.formUnion(later.fresh)
        for (place, rule) in later.rules {
            switch (rules[place], rule) {
            // What was stale before is not known by endpoint any more; whatever is translated there is ours.
            case (.served, .withdrawn): rules[place] = .served([])
            case (.withdrawn(let before), .withdrawn(let after)): rules[place] = .withdrawn(before.union(after))
            default: rules[place] = rule
            }
            grown[place] = nil
            if later.passing.contains(place) { passing.insert(place) } else { passing.remove(place) }
        }
        for (place, usable) in later.grown { grow(place, usable) }
    }

    /// Forgets what only matters to earlier looks.
    public mutating func forgetGrowth() { grown = [:] }

    /// Forgets what is said of frontends that are served: all of them are about to be noted again.
    public mutating func keepWithdrawn() {
        fresh = []
        passing = []
        grown = [:]
        rules = rules.filter { if case .withdrawn = $0.value { true } else { false } }
    }
}

extension [Backend] {
    /// Whether the sorted array has the backend.
    fileprivate func containsSorted(_ backend: Backend) -> Bool {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < backend { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low] == backend
    }
}
