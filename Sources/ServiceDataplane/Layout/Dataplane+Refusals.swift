import KubernetesModel
import Netfilter
import NetworkTypes
import ServicePolicy

extension Dataplane {
    /// The Services that need elements which the kernel refuses, each with one of these. Looks at every Service.
    public func services(needing elements: [RefusedElement]) -> [ObjectKey: RefusedElement] {
        var wanted: [IPFamily: [SetID: [ElementKey: RefusedElement]]] = [:]
        for element in elements {
            guard let set = schema(element.family).sets.first(where: { $0.name == element.set }) else { continue }
            wanted[element.family, default: [:]][set.id, default: [:]][element.key] = element
        }
        var result: [ObjectKey: RefusedElement] = [:]
        for record in records.values {
            for (family, sets) in wanted {
                let refused = items(of: record.resolved.key, record, family).lazy.compactMap {
                    sets[$0.set]?[$0.element.key]
                }
                if let first = refused.first { result[record.resolved.key] = first }
            }
        }
        return result
    }
}
