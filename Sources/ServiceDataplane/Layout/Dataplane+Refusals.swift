import KubernetesModel
import Netfilter
import NetworkTypes

extension Dataplane {
    /// The Services that need elements which the kernel refuses, each with one of these. Looks at every Service.
    public func services(needing elements: [RefusedElement]) -> [ObjectKey: RefusedElement] {
        var wanted: [IPFamily: [SetID: [ElementKey: RefusedElement]]] = [:]
        for element in elements {
            guard let set = schema(element.family).sets.first(where: { $0.name == element.set }) else { continue }
            wanted[element.family, default: [:]][set.id, default: [:]][element.key] = element
        }
        var result: [ObjectKey: RefusedElement] = [:]
        for (key, record) in records {
            for (family, sets) in wanted {
                let refused = items(of: key, record, family).lazy.compactMap { sets[$0.set]?[$0.element.key] }
                if let first = refused.first { result[key] = first }
            }
        }
        return result
    }
}
