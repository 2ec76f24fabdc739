import KubernetesModel
import Netfilter
import NetworkTypes
import ServicePolicy

/// The slots of a port's endpoints in its two pools.
struct PortIndex: Sendable {
    var cluster: PoolIndex
    var local: PoolIndex
}

/// Changes of endpoints alone: they cost the endpoints that change, however many the Service has.
extension Dataplane {
    /// Whether changes of the Service's endpoints can be taken by themselves: it is served, without direct return, and each of its
    /// endpoints has one slot of a pool. Finds out which slots they have if that is not known.
    public mutating func takesEndpoints(of key: ObjectKey) -> Bool {
        if portIndexes[key] != nil { return true }
        guard let record = record(key), record.direct.isEmpty else { return false }
        var indexes: [PortIndex] = []
        for port in record.resolved.ports {
            guard let cluster = PoolIndex(port.clusterPool), let local = PoolIndex(port.localPool) else { return false }
            indexes.append(PortIndex(cluster: cluster, local: local))
        }
        portIndexes[key] = indexes
        return true
    }

    /// Changes the endpoints of a Service whose frontends and policies stay.
    ///
    /// - Parameters:
    ///   - changes: what changes for each port, for a Service of which `takesEndpoints` is true.
    ///   - emits: whether elements and flows are handed over here; else somebody compares the whole Service.
    mutating func change(
        _ changes: [EndpointChanges], of key: ObjectKey, emits: Bool, into sink: inout some ElementSink,
        withdrawn: inout [(IPFamily, SetID, ElementKey)], effects: inout ServiceEffects
    ) {
        // Both are taken out: what has one owner is changed in place.
        guard var indexes = portIndexes.removeValue(forKey: key), var record = records.removeValue(forKey: key) else {
            return
        }
        for (index, change) in changes.enumerated() where !change.isEmpty {
            let family = record.resolved.ports[index].family
            let cluster = indexes[index].cluster.moves(
                change.leaving(.cluster), for: change.joining(.cluster), in: record.resolved.ports[index].clusterPool)
            let local = indexes[index].local.moves(
                change.leaving(.local), for: change.joining(.local), in: record.resolved.ports[index].localPool)
            let before = emits ? items(of: key, record, index, ElementExtent(before: change, cluster, local)) : []
            record.resolved.ports[index].take(change)
            indexes[index].cluster.carryOut(cluster, in: &record.resolved.ports[index].clusterPool)
            indexes[index].local.carryOut(local, in: &record.resolved.ports[index].localPool)
            if !record.pools.isEmpty, record.pools[index].cluster != 0, change.forgetsClients {
                effects.leavesStaleClients = true
            }
            provide(for: record.resolved.ports[index])
            guard emits else { continue }
            let after = items(of: key, record, index, ElementExtent(after: change, cluster, local))
            emit(before, after, family, into: &sink, withdrawn: &withdrawn)
            effects.staleFlows.note(change, of: record.resolved.ports[index], lost: record.lost)
        }
        records[key] = record
        portIndexes[key] = indexes
    }

    /// Some elements of a port.
    private func items(
        of key: ObjectKey, _ record: Record, _ index: Int, _ extent: ElementExtent
    ) -> [ElementList.Item] {
        var elements = ServiceElements(key, options)
        var list = ElementList()
        let port = record.resolved.ports[index]
        elements.make(
            port, pools: record.pools.isEmpty ? PoolNumbers() : record.pools[index], direct: nil, extent: extent,
            into: &list
        ) { record.lost.isEmpty || !record.lost.contains(Claim($0, port)) }
        return list.items
    }
}

extension EndpointChanges {
    /// Whether clients may be remembered for an endpoint that a pool has no longer.
    fileprivate var forgetsClients: Bool {
        endpoints.contains { !$0.before.subtracting($0.after).isDisjoint(with: [.cluster, .local]) }
    }
}

extension ElementExtent {
    /// The elements that a change takes away or replaces.
    fileprivate init(before change: EndpointChanges, _ cluster: PoolIndex.Moves, _ local: PoolIndex.Moves) {
        self.init(
            clusterSlots: cluster.former, localSlots: local.former, usable: change.leaving(.usable),
            localUsable: change.leaving(.localUsable), hairpin: change.leavingHairpin)
    }

    /// The elements that a change brings.
    fileprivate init(after change: EndpointChanges, _ cluster: PoolIndex.Moves, _ local: PoolIndex.Moves) {
        self.init(
            clusterSlots: cluster.changed.map(\.slot), localSlots: local.changed.map(\.slot),
            usable: change.joining(.usable), localUsable: change.joining(.localUsable), hairpin: change.joiningHairpin)
    }
}

extension ResolvedServicePort {
    /// Takes a change of the lists that are in no order of slots.
    fileprivate mutating func take(_ change: EndpointChanges) {
        usable.replaceSorted(change.leaving(.usable), with: change.joining(.usable))
        localUsable.replaceSorted(change.leaving(.localUsable), with: change.joining(.localUsable))
        hairpinAddresses.replaceSorted(change.leavingHairpin, with: change.joiningHairpin)
        if let list = flowList {
            flowTargets?.replaceSorted(change.leaving(list), with: change.joining(list))
        }
    }
}
