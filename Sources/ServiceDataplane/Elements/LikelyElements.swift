import KubernetesModel
import Netfilter
import NetworkTypes
import ServicePolicy

/// Which elements the tables of an earlier process probably have, for sets that are too large to be dumped.
///
/// The frontends of each size class say which slots there are, the slots which endpoints. The objects say which further
/// endpoints there are: those that are used elsewhere but not from here.
///
/// Guesses come in the order in which a plan asks for elements, Service by Service: who then looks behind what was found last
/// finds nearly all of them without a search.
public struct LikelyElements: Sendable {
    private let cluster: ClusterState
    private let order: ServiceOrder
    private let nodeName: String
    private let servesExternalIPs: Bool

    /// - Parameters:
    ///   - cluster: the objects as they are now.
    ///   - order: all Services in the order in which a plan takes them.
    ///   - node: the node that the tables are for.
    public init(_ cluster: ClusterState, in order: ServiceOrder, node: NodeContext) {
        self.cluster = cluster
        self.order = order
        nodeName = node.nodeName
        servesExternalIPs = node.servesExternalIPs
    }

    /// The guesses.
    public var guesses: ElementGuesses {
        ElementGuesses(
            sets: PoolKind.allCases.map(\.slots) + [.backends, .clusterIPs, .hairpin, .frontendAddresses],
            independent: [.backends, .clusterIPs, .hairpin]
        ) {
            family, set, round, table, keys in
            switch (set, round) {
            case (.backends, 0): addEndpoints(family, to: &keys)
            case (.backends, 1): Self.addTargets(table, family, to: &keys)
            case (.clusterIPs, 0):
                addClusterIPs(family, to: &keys)
                if keys.count == 0 { Self.addAddresses(table, family, to: &keys) }
            case (.clusterIPs, 1): Self.addAddresses(table, family, to: &keys)
            case (.frontendAddresses, 0):
                // A plan takes the node's own first.
                for key in (table.elements[.nodePortAddresses] ?? [:]).keys {
                    keys.append(key)
                    keys.endRun()
                }
                addFrontendAddresses(family, to: &keys)
            case (.frontendAddresses, 1): Self.addAddresses(table, family, to: &keys)
            case (.hairpin, 0): addHairpins(family, to: &keys)
            case (_, 0), (_, 1):
                guard let kind = PoolKind.allCases.first(where: { $0.slots == set }) else { return }
                addSlots(kind, table, family, isAll: round == 1, to: &keys)
            default: return
            }
        }
    }

    /// The slots of all frontends, those of each from 0 on: first of those that the objects name, then of all others.
    ///
    /// - Parameter isAll: whether all slots that a frontend of the class can have; else those that it has for sure, and those
    ///   that follow from the objects. A guess too many costs a request of its own.
    private func addSlots(
        _ kind: PoolKind, _ table: ObservedTable, _ family: IPFamily, isAll: Bool, to keys: inout KeyRuns
    ) {
        var classes = FrontendClasses(kind, table)
        if classes.isEmpty { return }
        let offset = kind.isNodePort ? 8 : family.addressBits / 8 + 8
        func add(_ frontend: ElementKey, exponent: Int, ready: Int) {
            let largest = 1 << exponent
            let likely = isAll ? largest : min(max(ready, largest / 2 + 1), largest)
            var key = frontend
            for slot in 0..<UInt32(likely) {
                key[offset] = slot.bigEndian
                keys.append(key)
            }
            keys.endRun()
        }
        cluster.forEachFront(in: order) { front, slices in
            let ready = readyEndpoints(kind, family, slices)
            forEachFrontend(kind, family, of: front) { frontend in
                if let exponent = classes.take(frontend, likely: PoolSize.exponent(ready)) {
                    add(frontend, exponent: exponent, ready: ready)
                }
            }
        }
        classes.forEachLeft { add($0, exponent: $1, ready: 0) }
    }

    /// How many endpoints the pools of a Service's frontends probably have: those that are ready.
    private func readyEndpoints(_ kind: PoolKind, _ family: IPFamily, _ slices: [EndpointSlice]) -> Int {
        let isLocal = kind == .localServices || kind == .localNodePorts
        var count = 0
        Self.forEachSlice(family, slices) { _, endpoints in
            for index in endpoints.indices where endpoints[index].isReady {
                if !isLocal || endpoints[index].nodeName == nodeName { count += 1 }
            }
        }
        return count
    }

    /// The frontends of a Service that may have pools of a kind, in the order of its ports.
    private func forEachFrontend(
        _ kind: PoolKind, _ family: IPFamily, of service: ServiceFront, _ body: (ElementKey) -> Void
    ) {
        if service.isSkipped { return }
        for port in service.ports {
            func add(_ kind: Frontend.Kind, _ address: IPAddress?, _ number: UInt16) {
                body(ServiceElements.key(of: Frontend(kind: kind, address: address, port: number), port.transport).key)
            }
            if kind.isNodePort {
                if port.nodePort != 0 { add(.nodePort, nil, port.nodePort) }
                continue
            }
            for address in service.clusterIPs where address.family == family { add(.clusterIP, address, port.port) }
            for address in service.externalIPs where servesExternalIPs && address.family == family {
                add(.externalIP, address, port.port)
            }
            for ingress in service.loadBalancerIngress where ingress.address.family == family {
                add(.loadBalancerIP, ingress.address, port.port)
            }
        }
    }

    /// The endpoints of all slices, served or not: those of a Service port by port, sorted, each once.
    private func addEndpoints(_ family: IPFamily, to keys: inout KeyRuns) {
        var found: [(port: UInt64, key: ElementKey)] = []
        let bytes = family.addressBits / 8
        cluster.forEachSlices(in: order) { slices in
            found.removeAll(keepingCapacity: true)
            Self.forEachSlice(family, slices) { ports, endpoints in
                for port in ports {
                    guard let number = port.port else { continue }
                    for index in endpoints.indices where endpoints[index].address.family == family {
                        let backend = Backend(address: endpoints[index].address, port: number)
                        let key = ServiceElements.key(of: backend, port.transport)
                        found.append((UInt64(key[bytes]) << 32 | UInt64(key[bytes + 4]), key))
                    }
                }
            }
            found.sort { $0.port == $1.port ? $0.key < $1.key : $0.port < $1.port }
            for index in found.indices where index == 0 || found[index].key != found[index - 1].key {
                keys.append(found[index].key)
                keys.endRun()
            }
        }
    }

    /// The endpoints that slots lead to.
    private static func addTargets(_ table: ObservedTable, _ family: IPFamily, to keys: inout KeyRuns) {
        let bytes = family.addressBits / 8
        for kind in PoolKind.allCases {
            let transport = kind.isNodePort ? 0 : bytes
            for (slot, element) in table.elements[kind.slots] ?? [:] {
                var key = element.value
                key[bytes + 4] = key[bytes]
                key[bytes] = slot[transport]
                keys.append(key)
                keys.endRun()
            }
        }
    }

    /// The ClusterIPs of all Services.
    private func addClusterIPs(_ family: IPFamily, to keys: inout KeyRuns) {
        cluster.forEachFront(in: order) { front, _ in
            for address in front.clusterIPs where address.family == family && !front.isSkipped {
                var key = KeyBuilder()
                key.append(address)
                keys.append(key.key)
                keys.endRun()
            }
        }
    }

    /// The addresses of the frontends that Services may have.
    private func addFrontendAddresses(_ family: IPFamily, to keys: inout KeyRuns) {
        cluster.forEachFront(in: order) { front, _ in
            func add(_ address: IPAddress) {
                guard address.family == family else { return }
                var key = KeyBuilder()
                key.append(address)
                keys.append(key.key)
                keys.endRun()
            }
            if front.isSkipped { return }
            for address in front.clusterIPs { add(address) }
            if servesExternalIPs { for address in front.externalIPs { add(address) } }
            for ingress in front.loadBalancerIngress { add(ingress.address) }
        }
    }

    /// The addresses of all frontends.
    private static func addAddresses(_ table: ObservedTable, _ family: IPFamily, to keys: inout KeyRuns) {
        let classes = (0...PoolSize.largestExponent).map { PoolKind.services.members(exponent: $0) }
        for set in classes + [.rejectServices, .dropServices, .dropEmptyServices] {
            for frontend in table.elements[set]?.keys.map({ $0 }) ?? [] {
                var key = ElementKey()
                for offset in stride(from: 0, to: family.addressBits / 8, by: 4) { key[offset] = frontend[offset] }
                keys.append(key)
                keys.endRun()
            }
        }
    }

    /// The addresses of all endpoints that may call themselves by way of this node.
    private func addHairpins(_ family: IPFamily, to keys: inout KeyRuns) {
        var found: [IPAddress] = []
        cluster.forEachFront(in: order) { front, slices in
            if front.isSkipped { return }
            found.removeAll(keepingCapacity: true)
            Self.forEachSlice(family, slices) { _, endpoints in
                for index in endpoints.indices
                where front.mayBeLocal || endpoints[index].nodeName == nil || endpoints[index].nodeName == nodeName {
                    found.append(endpoints[index].address)
                }
            }
            found.sort()
            for index in found.indices where index == 0 || found[index] != found[index - 1] {
                var key = KeyBuilder()
                key.append(found[index])
                key.append(found[index])
                keys.append(key.key)
                keys.endRun()
            }
        }
    }

    /// Calls the body with ports and endpoints of each slice of a family, none of them copied.
    private static func forEachSlice(
        _ family: IPFamily, _ slices: [EndpointSlice], _ body: ([EndpointPort], [Endpoint]) -> Void
    ) {
        for index in slices.indices where slices[index].addressFamily == family && !slices[index].isHeadless {
            body(slices[index].ports, slices[index].endpoints)
        }
    }
}

/// The frontends that a table has of a kind, by size class, and which of them have been come across.
private struct FrontendClasses {
    private var classes: [(exponent: Int, frontends: ObservedElements, isTaken: [Bool])] = []

    init(_ kind: PoolKind, _ table: ObservedTable) {
        for exponent in 0...PoolSize.largestExponent {
            guard let frontends = table.elements[kind.members(exponent: exponent)] else { continue }
            classes.append((exponent, frontends, Array(repeating: false, count: frontends.count)))
        }
    }

    var isEmpty: Bool { classes.isEmpty }

    /// The class that a frontend is in; nil if it is in none, or has been taken.
    ///
    /// - Parameter likely: where to look first.
    mutating func take(_ frontend: ElementKey, likely: Int) -> Int? {
        let first = classes.firstIndex { $0.exponent == likely }
        if let first, take(frontend, at: first) { return likely }
        for index in classes.indices where index != first {
            if take(frontend, at: index) { return classes[index].exponent }
        }
        return nil
    }

    private mutating func take(_ frontend: ElementKey, at index: Int) -> Bool {
        guard let position = classes[index].frontends.position(of: frontend), !classes[index].isTaken[position] else {
            return false
        }
        classes[index].isTaken[position] = true
        return true
    }

    func forEachLeft(_ body: (ElementKey, Int) -> Void) {
        for (exponent, frontends, isTaken) in classes {
            for position in isTaken.indices where !isTaken[position] { body(frontends.key(at: position), exponent) }
        }
    }
}
