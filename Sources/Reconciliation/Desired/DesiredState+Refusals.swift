import KubernetesModel
import Netfilter
import ServiceDataplane

/// Services that the kernel refuses elements of.
extension DesiredState {
    /// Leaves out the Services that need elements which the kernel refuses, from the next full pass on. False if that
    /// would be none that is not left out already.
    mutating func leaveOut(_ elements: [RefusedElement]) -> Bool {
        guard !elements.isEmpty else { return false }
        let services = dataplane.services(needing: elements).filter { refused[$0.key] == nil }
        setAside.refused.merge(services) { $1 }
        return !services.isEmpty
    }

    /// Has the next full pass try again what the kernel refused.
    mutating func admitRefused() { setAside.refused = [:] }

    /// Says what is wrong with the Service.
    mutating func note(_ element: RefusedElement, of key: ObjectKey) {
        book.add(
            Finding(
                .error, code: "refused-by-kernel", subject: ObjectID(kind: .service, key: key), field: "",
                message:
                    "the kernel refused \(element.reason); what it has of the Service stays as it is, and it is tried "
                    + "again later or when the Service changes"), of: key)
    }
}
