import KubernetesModel
import Netfilter
import NetworkTypes
import ServicePolicy

/// What the kernel has of Services that are left as they are, because an object of theirs is invalid at the moment.
///
/// The comments of frontends say whose they are; slots, ClusterIPs and endpoints follow from the frontends.
public struct RetainedServices: Sendable {
    /// Elements by set.
    typealias Keys = [SetID: Set<ElementKey>]

    /// The Services that the kernel has something of.
    public var services: Set<ObjectKey> { Set(owned.keys) }
    /// Those of them with a frontend under external Local policy.
    public private(set) var externalLocal: Set<ObjectKey> = []
    /// The timeouts of pools with affinity in seconds.
    public private(set) var timeouts: Set<Int> = []
    /// The numbers of the pools with affinity of each.
    private var poolNumbers: [ObjectKey: Set<UInt32>] = [:]
    private var kept: [IPFamily: Keys] = [:]
    private var owned: [ObjectKey: [IPFamily: Keys]] = [:]

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

    /// Whether any of them has direct return.
    public var returnsDirectly: Bool { kept.values.contains { $0[.directFrontends] != nil } }

    /// The numbers of all their pools.
    var allPoolNumbers: Set<UInt32> { poolNumbers.values.reduce(into: []) { $0.formUnion($1) } }

    /// Calls the body for what is left as it is in sets that Services share, as far as it is there: once for each Service that
    /// has it.
    func forEachShared(in tables: [IPFamily: ObservedTable], _ body: (IPFamily, SetID, ElementKey) -> Void) {
        for service in owned.keys { forEachShared(of: service, in: tables, body) }
    }

    private func forEachShared(
        of service: ObjectKey, in tables: [IPFamily: ObservedTable], _ body: (IPFamily, SetID, ElementKey) -> Void
    ) {
        for (family, sets) in owned[service] ?? [:] {
            for set in SharedElements.sets {
                guard let found = tables[family]?.elements[set] else { continue }
                for key in sets[set] ?? [] where found.position(of: key) != nil { body(family, set, key) }
            }
        }
    }

    /// What is left of one Service.
    ///
    /// - Parameter isOwn: whether nobody else has come to ask for the element.
    public func service(
        _ service: ObjectKey, in tables: [IPFamily: ObservedTable], isOwn: (IPFamily, SetID, ElementKey) -> Bool
    ) -> RetainedService {
        var result = RetainedService()
        result.poolNumbers = poolNumbers[service] ?? []
        for (family, sets) in owned[service] ?? [:] {
            for (set, keys) in sets where !SharedElements.sets.contains(set) {
                guard let elements = tables[family]?.elements[set] else { continue }
                let own = keys.filter { isOwn(family, set, $0) }.compactMap { key in elements[key].map { (key, $0) } }
                if own.isEmpty { continue }
                let found = ObservedElements(Dictionary(own) { $1 })
                result.tables[family, default: ObservedTable()].elements[set] = found
            }
        }
        forEachShared(of: service, in: tables) { result.shared.append(($0, $1, $2)) }
        return result
    }

    private mutating func keep(_ family: IPFamily, _ set: SetID, _ key: ElementKey, of service: ObjectKey) {
        kept[family, default: [:]][set, default: []].insert(key)
        owned[service, default: [:]][family, default: [:]][set, default: []].insert(key)
    }

    private mutating func keepFrontends(
        _ table: ObservedTable, _ family: IPFamily, _ names: [String: ObjectKey]
    ) -> [ElementKey: ObjectKey] {
        var frontends: [ElementKey: ObjectKey] = [:]
        for (set, elements) in table.elements {
            for (key, element) in elements {
                guard let comment = element.comment,
                    let service = names[FrontendComment.service(in: comment)]
                else { continue }
                if set == .externalLocal || set == .externalLocalNodePorts { externalLocal.insert(service) }
                frontends[key] = service
                keep(family, set, key, of: service)
            }
        }
        return frontends
    }

    private mutating func keepPools(
        _ table: ObservedTable, _ family: IPFamily, _ frontends: [ElementKey: ObjectKey]
    ) {
        let addressBytes = family == .ipv4 ? 4 : 16
        for kind in PoolKind.allCases {
            let slotOffset = kind.isNodePort ? 8 : addressBytes + 8
            for (key, element) in table.elements[kind.slots] ?? [:] {
                var frontend = key
                frontend[slotOffset] = 0
                guard let service = frontends[frontend] else { continue }
                keep(family, kind.slots, key, of: service)
                let endpoint = EndpointKeys(element.value, transport: key[slotOffset - 8], family)
                keep(family, .backends, endpoint.backend, of: service)
                keep(family, .localBackends, endpoint.backend, of: service)
                keep(family, .hairpin, endpoint.hairpin, of: service)
            }
        }
        let direct: [SetID] = [
            .directHere, .directTargets, .directOwners, .directEarlier, .directErrorFrontends, .directErrorsByAddress,
            .directErrorOwners, .directErrorEarlier,
        ]
        for set in direct {
            for key in (table.elements[set] ?? [:]).keys {
                if let service = frontends[key.shifted(by: 0, count: addressBytes + 8)] {
                    keep(family, set, key, of: service)
                }
            }
        }
        var addresses: [ElementKey: Set<ObjectKey>] = [:]
        for (frontend, service) in frontends {
            addresses[frontend.shifted(by: 0, count: addressBytes), default: []].insert(service)
        }
        for set in [SetID.frontendAddresses, .clusterIPs, .externalAddresses] {
            for key in (table.elements[set] ?? [:]).keys {
                for service in addresses[key] ?? [] { keep(family, set, key, of: service) }
            }
        }
        keepRanges(table, family, addressBytes: addressBytes, frontends)
        keepPoolNumbers(table, family, frontends)
    }

    /// Source ranges are keyed by their frontend and a source.
    private mutating func keepRanges(
        _ table: ObservedTable, _ family: IPFamily, addressBytes: Int, _ frontends: [ElementKey: ObjectKey]
    ) {
        for key in (table.elements[.sourceRanges] ?? [:]).keys {
            if let service = frontends[key.shifted(by: 0, count: addressBytes + 8)] {
                keep(family, .sourceRanges, key, of: service)
            }
        }
    }

    /// The pools of kept frontends with affinity keep their timeouts.
    private mutating func keepPoolNumbers(
        _ table: ObservedTable, _ family: IPFamily, _ frontends: [ElementKey: ObjectKey]
    ) {
        var numbers: [ElementKey: ObjectKey] = [:]
        for kind in PoolKind.allCases {
            for key in kept[family]?[kind.sticky] ?? [] {
                guard let element = table.elements[kind.sticky]?[key], let service = frontends[key] else { continue }
                numbers[element.value] = service
                poolNumbers[service, default: []].insert(UInt32(bigEndian: element.value[0]))
            }
        }
        for (number, element) in table.elements[.stickyTimeouts] ?? [:] {
            guard let service = numbers[number] else { continue }
            keep(family, .stickyTimeouts, number, of: service)
            timeouts.insert(Int(UInt32(bigEndian: element.value[0])))
        }
    }
}

/// What the kernel has of one Service that is left as it is.
public struct RetainedService: Sendable {
    /// Elements that are the Service's alone.
    public internal(set) var tables: [IPFamily: ObservedTable] = [:]
    /// Elements that it may share with others, each counted once for it (`Dataplane.share`).
    var shared: [(IPFamily, SetID, ElementKey)] = []
    /// The numbers of its pools with affinity.
    public internal(set) var poolNumbers: Set<UInt32> = []

    /// Nothing.
    public init() {}

    /// The timeouts of these pools in seconds.
    public var timeouts: Set<Int> {
        var result: Set<Int> = []
        for table in tables.values {
            for (_, element) in table.elements[.stickyTimeouts] ?? [:] {
                result.insert(Int(UInt32(bigEndian: element.value[0])))
            }
        }
        return result
    }
}

extension Dataplane {
    /// Takes a Service back that was left as it is: its elements become what it asks for now, by the difference alone.
    ///
    /// - Parameters:
    ///   - resolved: what it is now; nil if it is gone.
    ///   - retained: what the tables have of it.
    public mutating func readmit(
        _ key: ObjectKey, _ resolved: ResolvedService?, from retained: RetainedService
    ) -> DataplaneDelta {
        forgetPools(retained.poolNumbers)
        var layout = RecoveredLayout(retained.tables)
        var group = PlannedGroup(ObservedComparison(retained.tables))
        var delta = DataplaneDelta()
        delta.effects = update([(key, resolved)], recovering: &layout, into: &group)
        delta.tables = group.tables
        for family in IPFamily.allCases {
            for set in schema(family).sets {
                group.comparison.forEachUnclaimed(family, set.id) { key, value in
                    delta.tables.remove(family, set.id, Element(key, to: set.isInterval ? value : nil))
                }
            }
            for (_, set, key) in retained.shared.filter({ $0.0 == family }) where withdraw(family, set, key) {
                delta.tables.remove(family, set, Element(key))
            }
        }
        return delta
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
