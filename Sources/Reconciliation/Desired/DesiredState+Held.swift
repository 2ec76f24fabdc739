import KubernetesModel
import Netfilter
import NetworkTypes
import ServiceDataplane
import ServicePolicy

/// An element that stays although nobody asks for it.
struct KeptElement: Hashable {
    let family: IPFamily
    let set: SetID
    let key: ElementKey
}

/// Services that are not computed now: what the kernel has of them stays as it is.
struct ServicesSetAside {
    /// Services of which an object is invalid.
    var held: Set<ObjectKey> = []
    /// Services that the kernel does not take, with an element that it refused.
    var refused: [ObjectKey: RefusedElement] = [:]
    /// All of them that the kernel had something of at the last full pass, with what that was.
    var suspended: [ObjectKey: RetainedService] = [:]
    /// Those of these that are held no longer: the next change takes them back.
    fileprivate(set) var released: Set<ObjectKey> = []
    /// Whether the last full pass left elements in place that no object asks for.
    private(set) var keepsUnknown = false

    /// Begins a full pass.
    ///
    /// - Parameter retained: the Services that the kernel has something of.
    mutating func begin(with retained: Set<ObjectKey>, keepingUnknown: Bool) {
        (suspended, released, keepsUnknown) = ([:], [], keepingUnknown)
        for key in retained.union(refused.keys) { suspended[key] = RetainedService() }
    }
}

/// Services of which an object is invalid.
extension DesiredState {
    /// Names the Services of which an object is invalid.
    ///
    /// - Returns: whether the next change has to take Services back, even if nothing else changes.
    mutating func hold(_ services: Set<ObjectKey>) -> Bool {
        let freed = held.subtracting(services)
        setAside.released.formUnion(freed.filter { setAside.suspended[$0] != nil && refused[$0] == nil })
        setAside.released.subtract(services)
        held = services
        return !setAside.released.isEmpty
    }

    /// Takes Services back that are held no longer. What the kernel has of each is known from the last full pass, for nobody has
    /// changed it since: so each costs its own elements.
    mutating func takeBack(node: NodeContext) -> [Transaction] {
        var result: [Transaction] = []
        for key in setAside.released.sorted() {
            guard let retained = setAside.suspended.removeValue(forKey: key) else { continue }
            let provision = dataplane.provision
            let (_, resolved) = record(ServiceOutcome(key, in: cluster, node: node))
            let delta = dataplane.readmit(key, resolved, from: retained)
            note(delta.effects)
            // The chain of a timeout goes with the last Service that needs it, unless others lead to it that are not known.
            if !setAside.keepsUnknown, !retained.poolNumbers.isEmpty {
                let needed = setAside.suspended.values.reduce(into: Set<Int>()) { $0.formUnion($1.timeouts) }
                dataplane.retireTimeouts { needed.contains($0) }
            }
            staleFlows.noteWithdrawn(in: retained.tables) { _, _, _ in false }
            sparedPools.subtract(retained.poolNumbers)
            mayHaveStaleClients =
                mayHaveStaleClients || delta.effects.leavesStaleClients || !retained.poolNumbers.isEmpty
            result += dataplane.transactions(for: delta, previous: provision)
        }
        setAside.released = []
        return result
    }

    /// The kernel does not hold what a health check port answers for: it stays closed if the object has been invalid since
    /// this process started.
    mutating func noteUnknownHealthChecks(_ candidates: Set<ObjectKey>) {
        for key in candidates where cluster.service(key) == nil {
            book.add(
                Finding(
                    .warning, code: "unknown-health-check-port", subject: ObjectID(kind: .service, key: key),
                    field: "spec.healthCheckNodePort",
                    message: "cannot be told while the object is invalid: its packets are served as before, but a "
                        + "health check port stays closed, and load balancers leave this node out, until it is mended"),
                of: key)
        }
    }
}
