import KubernetesModel
import Netfilter
import NetworkTypes

/// What the kernel has of Services that are left as they are, because an object of theirs makes no sense at the moment.
///
/// The comments of frontends say whose they are; slots, ClusterIPs and endpoints follow from the frontends.
public struct RetainedServices: Sendable {
    /// The Services that the kernel has something of.
    public private(set) var services: Set<ObjectKey> = []
    /// Those of them with a frontend under external Local policy.
    public private(set) var externalLocal: Set<ObjectKey> = []
    /// The numbers of their pools with affinity.
    private(set) var poolNumbers: Set<UInt32> = []
    /// The timeouts of these pools in seconds.
    public private(set) var timeouts: Set<Int> = []
    private var kept: [IPFamily: [SetID: Set<ElementKey>]] = [:]

    /// Looks in the tables for what they have of the Services.
    public init(_ candidates: Set<ObjectKey>, in tables: [IPFamily: ObservedTable]) {
        guard !candidates.isEmpty else { return }
        let names = Dictionary(uniqueKeysWithValues: candidates.map { ($0.description, $0) })
        for (family, table) in tables {
            let frontends = keepFrontends(table, family, names)
            if !frontends.isEmpty { keepPools(table, family, frontends) }
        }
    }

    /// Whether an element is part of what is left as it is.
    public func keeps(_ family: IPFamily, _ set: SetID, _ key: ElementKey) -> Bool {
        kept[family]?[set]?.contains(key) ?? false
    }

    /// Calls the body for what is left as it is in sets that Services share, as far as it is there.
    func forEachShared(in tables: [IPFamily: ObservedTable], _ body: (IPFamily, SetID, ElementKey) -> Void) {
        for (family, sets) in kept {
            for set in SharedElements.sets {
                guard let found = tables[family]?.elements[set] else { continue }
                for key in sets[set] ?? [] where found.position(of: key) != nil { body(family, set, key) }
            }
        }
    }

    private mutating func keepFrontends(
        _ table: ObservedTable, _ family: IPFamily, _ names: [String: ObjectKey]
    ) -> Set<ElementKey> {
        var frontends: Set<ElementKey> = []
        for (set, elements) in table.elements {
            for (key, element) in elements {
                guard let comment = element.comment,
                    let service = names[String(comment.prefix { $0 != ":" })]
                else { continue }
                services.insert(service)
                if set == .externalLocal || set == .externalLocalNodePorts { externalLocal.insert(service) }
                frontends.insert(key)
                kept[family, default: [:]][set, default: []].insert(key)
            }
        }
        return frontends
    }

    private mutating func keepPools(_ table: ObservedTable, _ family: IPFamily, _ frontends: Set<ElementKey>) {
        let addressBytes = family == .ipv4 ? 4 : 16
        var sets = kept[family] ?? [:]
        for kind in PoolKind.allCases {
            let slotOffset = kind.isNodePort ? 8 : addressBytes + 8
            for (key, element) in table.elements[kind.slots] ?? [:] {
                var frontend = key
                frontend[slotOffset] = 0
                guard frontends.contains(frontend) else { continue }
                sets[kind.slots, default: []].insert(key)
                let endpoint = EndpointKeys(element.value, transport: key[slotOffset - 8], family)
                sets[.backends, default: []].insert(endpoint.backend)
                sets[.localBackends, default: []].insert(endpoint.backend)
                sets[.hairpin, default: []].insert(endpoint.hairpin)
            }
        }
        for set in [SetID.clusterIPs, .externalAddresses] {
            for key in (table.elements[set] ?? [:]).keys
            where frontends.contains(where: { $0.hasAddress(key, bytes: addressBytes) }) {
                sets[set, default: []].insert(key)
            }
        }
        keepRanges(table, addressBytes: addressBytes, frontends, in: &sets)
        keepPoolNumbers(table, in: &sets)
        kept[family] = sets
    }

    /// Source ranges are keyed by their frontend and a source.
    private func keepRanges(
        _ table: ObservedTable, addressBytes: Int, _ frontends: Set<ElementKey>,
        in sets: inout [SetID: Set<ElementKey>]
    ) {
        for key in (table.elements[.sourceRanges] ?? [:]).keys {
            var frontend = key
            for offset in stride(from: addressBytes + 8, to: addressBytes * 2 + 8, by: 4) { frontend[offset] = 0 }
            if frontends.contains(frontend) { sets[.sourceRanges, default: []].insert(key) }
        }
    }

    /// The pools of kept frontends with affinity keep their timeouts.
    private mutating func keepPoolNumbers(_ table: ObservedTable, in sets: inout [SetID: Set<ElementKey>]) {
        var numbers: Set<ElementKey> = []
        for kind in PoolKind.allCases {
            for key in sets[kind.sticky] ?? [] {
                if let element = table.elements[kind.sticky]?[key] { numbers.insert(element.value) }
            }
        }
        poolNumbers.formUnion(numbers.map { UInt32(bigEndian: $0[0]) })
        for (number, element) in table.elements[.stickyTimeouts] ?? [:] where numbers.contains(number) {
            sets[.stickyTimeouts, default: []].insert(number)
            timeouts.insert(Int(UInt32(bigEndian: element.value[0])))
        }
    }
}

/// The keys under which an endpoint of a slot stands in the sets that all Services share.
private struct EndpointKeys {
    var backend = ElementKey()
    var hairpin = ElementKey()

    init(_ data: ElementKey, transport: UInt32, _ family: IPFamily) {
        let bytes = family == .ipv4 ? 4 : 16
        for offset in stride(from: 0, to: bytes, by: 4) {
            backend[offset] = data[offset]
            hairpin[offset] = data[offset]
            hairpin[bytes + offset] = data[offset]
        }
        backend[bytes] = transport
        backend[bytes + 4] = data[bytes]
    }
}

extension ElementKey {
    /// Whether the key begins with the address.
    fileprivate func hasAddress(_ address: ElementKey, bytes: Int) -> Bool {
        stride(from: 0, to: bytes, by: 4).allSatisfy { self[$0] == address[$0] }
    }
}
