import KubernetesModel
import Netfilter
import NetworkTypes
import ServicePolicy

/// What the tables in the kernel say of the layout: which endpoint is in which slot, which number a pool has, and how large pools are.
///
/// A new process takes the layout over, so that it changes nothing that is right. The kernel's state is used in one other place,
/// `ObservedComparison`. Nothing here says whether an element is still wanted.
public struct RecoveredLayout: Sendable {
    /// One set, read in about the order in which its elements lie: the next one is nearly always the one behind the last.
    private struct Reader {
        let elements: ObservedElements
        private var last = -1

        init(_ elements: ObservedElements) { self.elements = elements }

        mutating func value(_ key: ElementKey) -> ElementKey? {
            guard let position = elements.position(of: key, behind: last) else { return nil }
            last = position
            return elements.value(at: position)
        }
    }

    /// At twice the index of a set's identity, and one more for IPv6: what the set has, and what stands in for it under another name.
    private var readers: [(own: Reader?, former: Reader?)] = []

    /// Nothing: all Services are new.
    public init() {}

    /// Reads the sets of slots, of pool numbers and of their timeouts.
    public init(_ tables: [IPFamily: ObservedTable]) {
        let sets =
            PoolKind.allCases.flatMap { [$0.slots, $0.sticky] } + [
                .stickyTimeouts, .directFrontends, .directTargets, .directOwners, .directEarlier,
            ]
        for (family, table) in tables {
            for set in sets {
                let (own, former) = (table.elements[set], table.formerElements[set])
                if own?.isEmpty ?? true, former?.isEmpty ?? true { continue }
                let index = Self.index(family, set)
                if index >= readers.count {
                    readers += Array(repeating: (nil, nil), count: index + 1 - readers.count)
                }
                readers[index] = (own.map { Reader($0) }, former.map { Reader($0) })
            }
        }
    }

    private static func index(_ family: IPFamily, _ set: SetID) -> Int {
        2 * Int(set.rawValue) + (family == .ipv4 ? 0 : 1)
    }

    private func hasAny(_ family: IPFamily, _ set: SetID) -> Bool {
        let index = Self.index(family, set)
        return index < readers.count && (readers[index].own != nil || readers[index].former != nil)
    }

    /// The data of an element; nil if there is none with the key.
    private mutating func value(_ family: IPFamily, _ set: SetID, _ key: ElementKey) -> ElementKey? {
        guard hasAny(family, set) else { return nil }
        let index = Self.index(family, set)
        return readers[index].own?.value(key) ?? readers[index].former?.value(key)
    }
}

/// What a Service takes over.
extension RecoveredLayout {
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

    /// The frontend of a port with direct return that the kernel has slots of; nil if there is none.
    mutating func directFrontend(_ port: ResolvedServicePort, _ owns: (Frontend) -> Bool) -> KeyBuilder? {
        guard hasAny(port.family, .directFrontends) else { return nil }
        for frontend in port.frontends where frontend.servesDirectReturn && owns(frontend) {
            let key = ServiceElements.key(of: frontend, port.transport)
            if value(port.family, .directFrontends, key.key) != nil { return key }
        }
        return nil
    }

    /// Where the kernel has a slot of a frontend lead to, and who had it before.
    mutating func directSlot(
        _ slot: Int, of frontend: KeyBuilder, _ family: IPFamily
    ) -> (owner: IPAddress?, earlier: IPAddress?) {
        var key = frontend
        key.append(slot: UInt32(slot))
        let owner = value(family, .directOwners, key.key) ?? value(family, .directTargets, key.key)
        let earlier = value(family, .directEarlier, key.key)
        return (owner.map { IPAddress(key: $0, family) }, earlier.map { IPAddress(key: $0, family) })
    }

    /// The number that the kernel has for the pool of a port with affinity. Not one that clients are remembered under for a shorter time:
    /// what the kernel remembers keeps its timeout.
    ///
    /// - Parameter timeout: in seconds.
    mutating func pool(
        _ port: ResolvedServicePort, local: Bool, timeout: Int, _ owns: (Frontend) -> Bool
    ) -> UInt32? {
        for frontend in port.frontends where owns(frontend) {
            guard let kind = Self.kind(frontend, port, local: local) else { continue }
            let key = ServiceElements.key(of: frontend, port.transport).key
            guard let found = value(port.family, kind.sticky, key) else { continue }
            if let seconds = value(port.family, .stickyTimeouts, found), UInt32(bigEndian: seconds[0]) < timeout {
                return nil
            }
            return UInt32(bigEndian: found[0])
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
        let isDirect = port.directReturn != nil && frontend.servesDirectReturn
        if local, port.externalPolicy != .local, !isDirect { return nil }
        if frontend.kind == .nodePort { return local ? .localNodePorts : .nodePorts }
        return local ? .localServices : .services
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
