import KubernetesModel
import NetworkTypes

/// What a change of slices means for the endpoints of one Service port in one family, where policies, frontends and the rules of its
/// pools stay.
public struct EndpointChanges: Hashable, Sendable {
    /// One endpoint that changes lists.
    public struct Change: Hashable, Sendable {
        /// The endpoint.
        public var backend: Backend
        /// The lists that it was in.
        public var before: EndpointLists
        /// The lists that it is in now.
        public var after: EndpointLists
    }

    /// The endpoints that change lists, sorted.
    public fileprivate(set) var endpoints: [Change] = []
    /// The addresses that join `ResolvedServicePort.hairpinAddresses`, sorted.
    public fileprivate(set) var joiningHairpin: [IPAddress] = []
    /// The addresses that leave it, sorted.
    public fileprivate(set) var leavingHairpin: [IPAddress] = []

    /// Whether nothing changes.
    public var isEmpty: Bool { endpoints.isEmpty }

    /// The endpoints that join a list, sorted.
    public func joining(_ list: EndpointLists) -> [Backend] {
        endpoints.lazy.filter { $0.after.contains(list) && !$0.before.contains(list) }.map(\.backend)
    }

    /// The endpoints that leave a list, sorted.
    public func leaving(_ list: EndpointLists) -> [Backend] {
        endpoints.lazy.filter { $0.before.contains(list) && !$0.after.contains(list) }.map(\.backend)
    }
}

/// The endpoints of a Service by address and port, so that a change of a slice costs that slice and not the Service.
///
/// It says what changes in the lists that `resolve` made, and says it only where nothing else of the result of `resolve` changes: else
/// the Service has to be resolved once more, and needs a new roster.
public struct ServiceRoster: Sendable {
    /// From how many endpoints on a roster is worth its memory.
    public static let smallest = 100

    private let node: NodeContext
    private let countsReadyHere: Bool
    private var ports: [PortRoster]

    /// Makes the roster of a Service; nil where changes always concern the whole Service: under direct return, whose slots are dealt
    /// to all endpoints at once, and with weights, which give an endpoint slots by those of all others.
    ///
    /// - Parameters:
    ///   - service: the Service.
    ///   - resolved: what `resolve` makes of it.
    ///   - slices: its slices.
    ///   - node: the node that it was resolved for.
    public init?(_ service: Service, resolved: ResolvedService, slices: [EndpointSlice], node: NodeContext) {
        guard !service.wantsDirectReturn, slices.allSatisfy({ $0.weight == nil }) else { return nil }
        countsReadyHere = service.healthCheckPort != nil
        // A health check port also counts endpoints of ports that are not served.
        let families = Set(resolved.ports.map(\.family)).count
        guard !countsReadyHere || resolved.ports.count == families * service.ports.count else { return nil }
        self.node = node
        ports = resolved.ports.map { PortRoster($0) }
        let all = slices.map { SliceChange(old: nil, new: $0) }
        for index in ports.indices { ports[index].take(all, node: node) }
    }

    /// Takes changes of the Service's slices.
    ///
    /// - Parameter changes: all that there were, in their order.
    /// - Returns: what that means for each port, by its position in `ResolvedService.ports`; nil if more than lists of endpoints may
    ///   have changed. Then the roster is of no use any more.
    public mutating func take(_ changes: [SliceChange]) -> [EndpointChanges]? {
        guard changes.allSatisfy({ $0.old?.weight == nil && $0.new?.weight == nil }) else { return nil }
        var result: [EndpointChanges] = []
        result.reserveCapacity(ports.count)
        for index in ports.indices {
            let before = ports[index].standing
            let changes = ports[index].take(changes, node: node)
            guard ports[index].standing == before else { return nil }
            if countsReadyHere, changes.endpoints.contains(where: \.changesReadyHere) { return nil }
            result.append(changes)
        }
        return result
    }
}

extension EndpointChanges.Change {
    fileprivate var changesReadyHere: Bool { before.contains(.readyHere) != after.contains(.readyHere) }
}

/// The endpoints of one Service port in one family.
private struct PortRoster: Sendable {
    /// What all lists depend on: as long as it stays, an endpoint that does not change stays where it is.
    struct Standing: Hashable {
        var requirements: EndpointTally.Requirements
        /// The lists that have an endpoint.
        var filled: EndpointLists
    }

    /// One entry of a slice.
    private struct Entry: Hashable, Comparable {
        var backend: Backend
        var traits: EndpointTraits

        static func < (left: Entry, right: Entry) -> Bool {
            if left.backend == right.backend { return left.traits.rawValue < right.traits.rawValue }
            return left.backend < right.backend
        }
    }

    private let port: ServicePort
    private let family: IPFamily
    /// Whether calls to itself are those of any usable endpoint, not only of those that may be on this node.
    private let isHairpinOfAny: Bool
    private var speakers: [Backend: EndpointTraits] = [:]
    /// Further entries for endpoints that more than one entry names.
    private var silent: [Backend: [EndpointTraits]] = [:]
    private var hairpin: [IPAddress: Int32] = [:]
    private var tally = EndpointTally()
    /// How many endpoints each list has, by the number of its bit.
    private var counts = [Int](repeating: 0, count: EndpointLists.all.count)

    init(_ resolved: ResolvedServicePort) {
        port = ServicePort(name: resolved.name, transport: resolved.transport, port: 0)
        family = resolved.family
        isHairpinOfAny = resolved.externalPolicy == .local
    }

    var standing: Standing {
        var filled: EndpointLists = []
        for (index, list) in EndpointLists.all.enumerated() where counts[index] > 0 { filled.insert(list) }
        return Standing(requirements: tally.requirements, filled: filled)
    }

    /// Takes changes of slices. What it returns is of use only if `standing` stays.
    @discardableResult
    mutating func take(_ changes: [SliceChange], node: NodeContext) -> EndpointChanges {
        var gone: [Entry] = []
        var come: [Entry] = []
        for change in changes {
            if let old = change.old { append(old, node, to: &gone) }
            if let new = change.new { append(new, node, to: &come) }
        }
        Self.removeCommon(&gone, &come)
        var former: [Backend: EndpointTraits?] = [:]
        for entry in gone {
            if former[entry.backend] == nil { former[entry.backend] = .some(speakers[entry.backend]) }
            remove(entry)
        }
        for entry in come {
            if former[entry.backend] == nil { former[entry.backend] = .some(speakers[entry.backend]) }
            add(entry)
        }
        let before = tally.requirements
        for (backend, traits) in former {
            if let traits { tally.count(traits, by: -1) }
            if let traits = speakers[backend] { tally.count(traits) }
        }
        let after = tally.requirements
        var result = EndpointChanges()
        for (backend, traits) in former {
            let change = EndpointChanges.Change(
                backend: backend, before: traits.map { lists($0, before) } ?? [],
                after: speakers[backend].map { lists($0, after) } ?? [])
            if change.before != change.after { result.endpoints.append(change) }
        }
        result.endpoints.sort { $0.backend < $1.backend }
        count(&result)
        return result
    }

    private func lists(_ traits: EndpointTraits, _ requirements: EndpointTally.Requirements) -> EndpointLists {
        var lists = requirements.lists(traits)
        if isHairpinOfAny, lists.contains(.usable) { lists.insert(.hairpin) }
        return lists
    }

    private func append(_ slice: EndpointSlice, _ node: NodeContext, to entries: inout [Entry]) {
        guard case .port(let number) = slice.relevance(for: port, family: family) else { return }
        entries.reserveCapacity(entries.count + slice.endpoints.count)
        for endpoint in slice.endpoints where endpoint.address.family == family {
            entries.append(
                Entry(
                    backend: Backend(address: endpoint.address, port: number),
                    traits: EndpointTraits(endpoint, weight: nil, node: node)))
        }
    }

    /// Removes what both have, as often as both have it.
    private static func removeCommon(_ left: inout [Entry], _ right: inout [Entry]) {
        if left.isEmpty || right.isEmpty { return }
        left.sort()
        right.sort()
        var (first, second) = (0, 0)
        var (onlyLeft, onlyRight): ([Entry], [Entry]) = ([], [])
        while first < left.count, second < right.count {
            if left[first] == right[second] {
                (first, second) = (first + 1, second + 1)
            } else if left[first] < right[second] {
                onlyLeft.append(left[first])
                first += 1
            } else {
                onlyRight.append(right[second])
                second += 1
            }
        }
        left = onlyLeft + left[first...]
        right = onlyRight + right[second...]
    }

    /// The greatest of all entries speaks (`EndpointTraits`).
    private mutating func add(_ entry: Entry) {
        guard let speaker = speakers[entry.backend] else {
            speakers[entry.backend] = entry.traits
            return
        }
        let isGreater = entry.traits.rawValue > speaker.rawValue
        if isGreater { speakers[entry.backend] = entry.traits }
        silent[entry.backend, default: []].append(isGreater ? speaker : entry.traits)
    }

    private mutating func remove(_ entry: Entry) {
        guard var others = silent.removeValue(forKey: entry.backend) else {
            speakers[entry.backend] = nil
            return
        }
        if let index = others.firstIndex(of: entry.traits) {
            others.remove(at: index)
        } else if let index = others.indices.max(by: { others[$0].rawValue < others[$1].rawValue }) {
            speakers[entry.backend] = others.remove(at: index)
        }
        if !others.isEmpty { silent[entry.backend] = others }
    }

    /// Counts what changes lists, and adds what that means for addresses.
    private mutating func count(_ changes: inout EndpointChanges) {
        var former: [IPAddress: Bool] = [:]
        for change in changes.endpoints {
            for (index, list) in EndpointLists.all.enumerated() {
                counts[index] += (change.after.contains(list) ? 1 : 0) - (change.before.contains(list) ? 1 : 0)
            }
            let step: Int32 = (change.after.contains(.hairpin) ? 1 : 0) - (change.before.contains(.hairpin) ? 1 : 0)
            if step == 0 { continue }
            let address = change.backend.address
            let count = hairpin[address] ?? 0
            if former[address] == nil { former[address] = count > 0 }
            hairpin[address] = count + step == 0 ? nil : count + step
        }
        for (address, was) in former {
            let isNow = hairpin[address] != nil
            if isNow && !was { changes.joiningHairpin.append(address) }
            if was && !isNow { changes.leavingHairpin.append(address) }
        }
        changes.joiningHairpin.sort()
        changes.leavingHairpin.sort()
    }
}
