import KubernetesModel
import Netfilter
import NetworkTypes
import ServicePolicy

extension StaleFlows {
    /// Notes what a change of one Service means for flows: nothing, where no flow can have become stale by it.
    mutating func note(old: Dataplane.Record?, new: Dataplane.Record?) {
        let before = old.map(Self.places) ?? [:]
        let after = new.map(Self.places) ?? [:]
        let (passed, passes) = (old.map(Self.passing) ?? [], new.map(Self.passing) ?? [])
        for (place, usable) in after {
            // What was left to the routes and is served now has to begin again.
            let isTaken = passed.contains(place) && !passes.contains(place)
            if !isTaken, let former = before[place], !Self.canMakeStale(former, usable) {
                if former != usable { grow(place, usable) }
                continue
            }
            serve(
                place, usable, isFresh: isTaken || before[place]?.isEmpty ?? true, mayPass: passes.contains(place))
        }
        // Connections outlive their Service: whether its endpoints are gone too nobody says.
        for (place, former) in before where after[place] == nil && place.transport != .tcp {
            withdraw(place, former)
        }
    }

    /// Notes what a change of some endpoints of a port means for flows: its frontends and policies stay, and so does whether there is
    /// any endpoint.
    ///
    /// - Parameters:
    ///   - port: as it is after the change.
    ///   - lost: the frontends that an older Service serves.
    mutating func note(_ change: EndpointChanges, of port: ResolvedServicePort, lost: Set<Claim>) {
        guard let targets = Self.targets(of: port) else { return }
        let list = port.flowList ?? .usable
        let leaves = change.endpoints.contains { $0.before.contains(list) && !$0.after.contains(list) }
        let joins = change.endpoints.contains { $0.after.contains(list) && !$0.before.contains(list) }
        guard leaves || joins else { return }
        for frontend in port.frontends where !lost.contains(Claim(frontend, port)) {
            if leaves {
                serve(Place(frontend, port), targets, isFresh: false, mayPass: Self.passes(frontend, port))
            } else {
                grow(Place(frontend, port), targets)
            }
        }
    }

    /// The endpoints that flows may go on to, sorted; nil where they may go on to any.
    private static func targets(of port: ResolvedServicePort) -> [Backend]? {
        port.flowTargets ?? (transports.contains(port.transport) ? port.usable : nil)
    }

    /// Whether a frontend's packets from outside are left to the routes although there are endpoints: on other nodes, or with weight 0.
    private static func passes(_ frontend: Frontend, _ port: ResolvedServicePort) -> Bool {
        (port.isDrained || port.externalPolicy == .local && port.localPool.isEmpty)
            && port.passesWithoutEndpoint(frontend)
    }

    /// Whether an endpoint is usable no longer, or the first one came: until then flows may have begun untranslated.
    private static func canMakeStale(_ before: [Backend], _ after: [Backend]) -> Bool {
        if before == after { return false }
        return before.isEmpty || !Set(before).isSubset(of: after)
    }

    /// The frontends that the Service serves, with the endpoints of each that flows may go on to.
    private static func places(of record: Dataplane.Record) -> [Place: [Backend]] {
        var result: [Place: [Backend]] = [:]
        for port in record.resolved.ports {
            guard let targets = targets(of: port) else { continue }
            for frontend in port.frontends where !record.lost.contains(Claim(frontend, port)) {
                result[Place(frontend, port)] = targets
            }
        }
        return result
    }

    /// The frontends whose packets from outside are left to the routes although there are endpoints: on other nodes, or with weight 0.
    private static func passing(of record: Dataplane.Record) -> Set<Place> {
        var result: Set<Place> = []
        for port in record.resolved.ports {
            for frontend in port.frontends where passes(frontend, port) {
                result.insert(Place(frontend, port))
            }
        }
        return result
    }

    /// Notes frontends that the kernel had and that nobody asks for, with the endpoints that their slots name, and the
    /// addresses that accepted node ports. All frontends that are served must have been noted before.
    ///
    /// - Parameter keeps: whether a slot stays although no Service was noted for it.
    public mutating func noteWithdrawn(
        in tables: [IPFamily: ObservedTable], keeps: (IPFamily, SetID, ElementKey) -> Bool
    ) {
        for (family, table) in tables {
            let addresses = (table.elements[.nodePortAddresses] ?? [:]).keys
            formerNodePortAddresses.formUnion(addresses.map { IPAddress(key: $0, family) })
            for kind in PoolKind.allCases {
                for (key, element) in table.elements[kind.slots] ?? [:] {
                    guard let place = Place(slot: key, kind, family), rules[place].map(\.isWithdrawn) ?? true,
                        !keeps(family, kind.slots, key), let backend = Backend(data: element.value, family)
                    else { continue }
                    withdraw(place, CollectionOfOne(backend))
                }
            }
        }
    }

    /// Notes that other addresses of the node accept node ports than before.
    mutating func noteNodePorts(of records: some Sequence<Dataplane.Record>) {
        for record in records {
            for (place, usable) in Self.places(of: record) where place.address == nil {
                serve(place, usable, isFresh: false)
            }
        }
    }
}

extension StaleFlows.Place {
    fileprivate init(_ frontend: Frontend, _ port: ResolvedServicePort) {
        self.init(family: port.family, transport: port.transport, address: frontend.address, port: frontend.port)
    }

    /// The frontend that a slot of the kernel's belongs to; nil for TCP.
    fileprivate init?(slot key: ElementKey, _ kind: PoolKind, _ family: IPFamily) {
        let bytes = kind.isNodePort ? 0 : family.addressBits / 8
        guard let transport = StaleFlows.transports.first(where: { key[bytes] == UInt32($0.rawValue) << 24 }) else {
            return nil
        }
        let address: IPAddress? = kind.isNodePort ? nil : IPAddress(key: key, family)
        let port = UInt16(truncatingIfNeeded: key[bytes + 4] >> 16)
        self.init(family: family, transport: transport, address: address, port: port)
    }
}

extension IPAddress {
    /// The address that a key begins with.
    init(key: ElementKey, _ family: IPFamily) {
        switch family {
        case .ipv4: self = .v4(IPv4Address(rawValue: key[0]))
        case .ipv6:
            let (high, low) = (UInt64(key[0]) << 32 | UInt64(key[4]), UInt64(key[8]) << 32 | UInt64(key[12]))
            self = .v6(IPv6Address(high: high, low: low))
        }
    }
}

extension StaleFlows.Rule {
    fileprivate var isWithdrawn: Bool { if case .withdrawn = self { true } else { false } }
}

extension Dataplane {
    /// The flows that a change of the node port addresses touches: those of all node ports.
    public func staleFlows(formerNodePortAddresses former: Set<IPAddress>) -> StaleFlows {
        var flows = StaleFlows()
        flows.nodePortAddresses = Set(node.nodePortAddresses)
        flows.formerNodePortAddresses = former.subtracting(flows.nodePortAddresses)
        if former != flows.nodePortAddresses { flows.noteNodePorts(of: records.values) }
        return flows
    }
}
