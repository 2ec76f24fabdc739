import KubernetesModel
import Netfilter
import NetworkTypes
import ServicePolicy

/// What the tables already have that a new process takes over, so that it changes nothing that is right.
extension InstalledElements {
    /// The members of a pool in the order of their slots, with as few moves as what the kernel has allows.
    ///
    /// That is the pool of the first of its frontends that has one.
    ///
    /// - Parameter owns: whether the Service serves a frontend; at one that an older Service serves, the slots are that
    ///   one's.
    mutating func place(
        _ members: [Backend], of port: ResolvedServicePort, local: Bool, _ owns: (Frontend) -> Bool
    ) -> [Backend] {
        if members.isEmpty { return members }
        for frontend in port.frontends where owns(frontend) {
            guard let kind = Self.kind(frontend, port, local: local) else { continue }
            let key = ServiceElements.key(of: frontend, port.transport)
            // Nothing moves: so it is nearly always.
            if holds(members, port.family, kind.slots, key) { return members }
            let found = slots(port.family, kind.slots, key)
            if !found.isEmpty { return SlotPlacement.place(members, previous: found) }
        }
        return members
    }

    /// The number that the kernel has for the pool of a port with affinity.
    mutating func pool(_ port: ResolvedServicePort, local: Bool, _ owns: (Frontend) -> Bool) -> UInt32? {
        for frontend in port.frontends where owns(frontend) {
            guard let kind = Self.kind(frontend, port, local: local) else { continue }
            let key = ServiceElements.key(of: frontend, port.transport).key
            if let found = value(port.family, kind.sticky, key) { return UInt32(bigEndian: found[0]) }
        }
        return nil
    }

    /// Whether the first slots of a frontend have just these endpoints.
    private mutating func holds(_ members: [Backend], _ family: IPFamily, _ set: SetID, _ frontend: KeyBuilder) -> Bool
    {
        guard hasAny(family, set) else { return false }
        for (slot, backend) in members.prefix(PoolSize.capacity).enumerated() {
            var key = frontend
            key.append(slot: UInt32(slot))
            if value(family, set, key.key) != ServiceElements.data(of: backend) { return false }
        }
        return true
    }

    /// The endpoints that the kernel has for a frontend, in slot order.
    private mutating func slots(_ family: IPFamily, _ set: SetID, _ frontend: KeyBuilder) -> [Backend] {
        var result: [Backend] = []
        while result.count < PoolSize.capacity {
            var key = frontend
            key.append(slot: UInt32(result.count))
            guard let data = value(family, set, key.key), let backend = Backend(data: data, family) else {
                return result
            }
            result.append(backend)
        }
        return result
    }

    /// Where a frontend keeps the pool; nil if it has no use for it.
    private static func kind(_ frontend: Frontend, _ port: ResolvedServicePort, local: Bool) -> PoolKind? {
        if frontend.kind == .clusterIP { return (port.internalPolicy == .local) == local ? .services : nil }
        if local, port.externalPolicy != .local { return nil }
        if frontend.kind == .nodePort { return local ? .localNodePorts : .nodePorts }
        return local ? .localServices : .services
    }
}

/// Takes the elements of a Service that nothing was known of: those that the tables have not yet go into the difference.
struct NewElements: ElementSink {
    let family: IPFamily
    var installed: InstalledElements
    var shared: SharedElements
    var table: TableDelta

    mutating func take(_ set: SetID, _ element: Element, isShared: Bool) {
        if isShared, !shared.call(family, set, element.key) { return }
        if installed.claimIfEqual(family, set, element) { return }
        table.add(set, element)
    }
}

extension Backend {
    /// Reads a backend from the data of a slot.
    init?(data: ElementKey, _ family: IPFamily) {
        switch family {
        case .ipv4:
            self.init(address: .v4(IPv4Address(rawValue: data[0])), port: UInt16(data[4] >> 16))
        case .ipv6:
            let high = UInt64(data[0]) << 32 | UInt64(data[4])
            let low = UInt64(data[8]) << 32 | UInt64(data[12])
            self.init(address: .v6(IPv6Address(high: high, low: low)), port: UInt16(data[16] >> 16))
        }
    }
}
