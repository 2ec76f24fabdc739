import Netfilter

extension Dataplane {
    /// What differs between the elements of a Service before and after. A Service has no element twice: policy leaves
    /// each frontend to one of its ports.
    static func compare(
        _ before: [ElementList.Item], _ after: [ElementList.Item], into delta: inout TableDelta
    ) {
        if before.isEmpty {
            for item in after where !item.isShared { delta.add(item.set, item.element) }
            return
        }
        var old: [ElementID: Element] = [:]
        old.reserveCapacity(before.count)
        for item in before where !item.isShared { old[ElementID(set: item.set, key: item.element.key)] = item.element }
        for item in after where !item.isShared {
            if let previous = old.removeValue(forKey: ElementID(set: item.set, key: item.element.key)) {
                if previous == item.element { continue }
                delta.remove(item.set, previous)
            }
            delta.add(item.set, item.element)
        }
        for (id, element) in old { delta.remove(id.set, element) }
    }

    private struct ElementID: Hashable {
        var set: SetID
        var key: ElementKey
    }
}
