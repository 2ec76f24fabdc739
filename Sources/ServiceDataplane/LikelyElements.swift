import KubernetesModel
import Netfilter
import NetworkTypes

/// Which elements the tables of an earlier process probably have, for sets that are too large to be dumped.
///
/// The frontends of each size class say which slots there are, the slots which endpoints. The objects say which further
/// endpoints there are: those that are used elsewhere but not from here.
public struct LikelyElements: Sendable {
    private let cluster: ClusterState
    private let nodeName: String

    /// - Parameters:
    ///   - cluster: the objects as they are now.
    ///   - nodeName: the node that the tables are for.
    public init(_ cluster: ClusterState, nodeName: String) {
        self.cluster = cluster
        self.nodeName = nodeName
    }

    /// The guesses.
    public var guesses: ElementGuesses {
        ElementGuesses(
            sets: PoolKind.allCases.map(\.slots) + [.backends, .clusterIPs, .hairpin],
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
            case (.hairpin, 0): addHairpins(family, to: &keys)
            case (_, 0), (_, 1):
                guard let kind = PoolKind.allCases.first(where: { $0.slots == set }) else { return }
                addSlots(kind, table, family, isAll: round == 1, to: &keys)
            default: return
            }
        }
    }

    /// The slots of all frontends, those of each from 0 on.
    ///
    /// - Parameter isAll: whether all slots that a frontend of the class can have; else those that it has for sure, and those
    ///   that follow from the objects. A guess too many costs a request of its own.
    private func addSlots(
        _ kind: PoolKind, _ table: ObservedTable, _ family: IPFamily, isAll: Bool, to keys: inout KeyRuns
    ) {
        let offset = kind.isNodePort ? 8 : family.addressBits / 8 + 8
        let sizes = isAll ? [:] : poolSizes(kind, family)
        for exponent in 0...PoolSize.largestExponent {
            for frontend in table.elements[kind.members(exponent: exponent)]?.keys.map({ $0 }) ?? [] {
                let largest = 1 << exponent
                let likely = isAll ? largest : min(max(sizes[frontend] ?? 0, largest / 2 + 1), largest)
                var key = frontend
                for slot in 0..<UInt32(likely) {
                    key[offset] = slot.bigEndian
                    keys.append(key)
                }
                keys.endRun()
            }
        }
    }

    /// How many endpoints the pools of frontends probably have: those that are ready. Of local pools nothing is guessed.
    private func poolSizes(_ kind: PoolKind, _ family: IPFamily) -> [ElementKey: Int] {
        var sizes: [ElementKey: Int] = [:]
        guard kind == .services || kind == .nodePorts else { return sizes }
        cluster.forEachService { service, slices in
            let ready = slices.reduce(0) { count, slice in
                slice.addressFamily == family ? slice.endpoints.reduce(count) { $0 + ($1.isReady ? 1 : 0) } : count
            }
            for port in service.ports {
                var key = KeyBuilder()
                if kind == .nodePorts {
                    guard port.nodePort != 0 else { continue }
                    key.append(port.transport)
                    key.append(port: port.nodePort)
                    sizes[key.key] = ready
                } else if let address = service.clusterIPs.first(where: { $0.family == family }) {
                    key.append(address)
                    key.append(port.transport)
                    key.append(port: port.port)
                    sizes[key.key] = ready
                }
            }
        }
        return sizes
    }

    /// The endpoints of all slices, served or not.
    private func addEndpoints(_ family: IPFamily, to keys: inout KeyRuns) {
        forEachSlice(family) { slice in
            for port in slice.ports {
                guard let number = port.port else { continue }
                for endpoint in slice.endpoints where endpoint.address.family == family {
                    var key = KeyBuilder()
                    key.append(endpoint.address)
                    key.append(port.transport)
                    key.append(port: number)
                    keys.append(key.key)
                    keys.endRun()
                }
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
        cluster.forEachClusterIP { address in
            guard address.family == family else { return }
            var key = KeyBuilder()
            key.append(address)
            keys.append(key.key)
            keys.endRun()
        }
    }

    /// The addresses of all frontends.
    private static func addAddresses(_ table: ObservedTable, _ family: IPFamily, to keys: inout KeyRuns) {
        let classes = (0...PoolSize.largestExponent).map { PoolKind.services.members(exponent: $0) }
        for set in classes + [.rejectServices, .dropServices] {
            for frontend in table.elements[set]?.keys.map({ $0 }) ?? [] {
                var key = ElementKey()
                for offset in stride(from: 0, to: family.addressBits / 8, by: 4) { key[offset] = frontend[offset] }
                keys.append(key)
                keys.endRun()
            }
        }
    }

    /// The addresses of all endpoints that may call themselves on this node.
    private func addHairpins(_ family: IPFamily, to keys: inout KeyRuns) {
        forEachSlice(family) { slice in
            for endpoint in slice.endpoints where endpoint.nodeName == nil || endpoint.nodeName == nodeName {
                var key = KeyBuilder()
                key.append(endpoint.address)
                key.append(endpoint.address)
                keys.append(key.key)
                keys.endRun()
            }
        }
    }

    private func forEachSlice(_ family: IPFamily, _ body: (EndpointSlice) -> Void) {
        cluster.forEachSlices { slices in
            for slice in slices where slice.addressFamily == family && !slice.isHeadless { body(slice) }
        }
    }
}
