import Netfilter
import NetworkTypes

extension Dataplane {
    /// What differs between the elements of a Service before and after. A Service has no element twice: policy leaves
    /// each frontend to one of its ports.
    static func compare(
        _ before: [ElementList.Item], _ after: [ElementList.Item], _ family: IPFamily,
        into sink: inout some ElementSink
    ) {
        if before.isEmpty {
            for item in after where !item.isShared { sink.add(family, item.set, item.element) }
            return
        }
        var old: [ElementID: Element] = [:]
        old.reserveCapacity(before.count)
        for item in before where !item.isShared { old[ElementID(set: item.set, key: item.element.key)] = item.element }
        for item in after where !item.isShared {
            if let previous = old.removeValue(forKey: ElementID(set: item.set, key: item.element.key)) {
                if previous == item.element { continue }
                sink.remove(family, item.set, previous)
            }
            sink.add(family, item.set, item.element)
        }
        for (id, element) in old { sink.remove(family, id.set, element) }
    }

    private struct ElementID: Hashable {
        var set: SetID
        var key: ElementKey
    }
}
