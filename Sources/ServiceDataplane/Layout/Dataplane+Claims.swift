import KubernetesModel
import NetworkTypes
import ServicePolicy

/// What a change of a Service means for its claims.
extension Dataplane {
    /// The port that a port of the same Service was before; nil if there was none such.
    static func counterpart(
        of port: ResolvedServicePort, at index: Int, in old: ResolvedService
    ) -> Int? {
        func matches(_ other: ResolvedServicePort) -> Bool {
            other.family == port.family && other.transport == port.transport && other.name == port.name
        }
        return index < old.ports.count && matches(old.ports[index]) ? index : old.ports.firstIndex(where: matches)
    }

    /// Whether a Service claims the same frontends as before, with the same right.
    static func sameClaims(_ old: ResolvedService, _ new: ResolvedService) -> Bool {
        guard old.creationTime == new.creationTime, old.ports.count == new.ports.count else { return false }
        return zip(old.ports, new.ports).allSatisfy {
            $0.frontends == $1.frontends && $0.transport == $1.transport && $0.family == $1.family
        }
    }

    /// What a Service claims.
    static func claims(of service: ResolvedService) -> [Claim] {
        service.ports.flatMap { port in port.frontends.map { Claim($0, port) } }
    }

    /// Says that a Service does not get a frontend.
    static func contested(
        _ frontend: Frontend, _ port: ResolvedServicePort, loser: ObjectKey, winner: ObjectKey
    ) -> Finding {
        let place = frontend.address.map { "\($0) \(port.transport) port \(frontend.port)" }
        return Finding(
            .error, code: ServiceEffects.contestedFrontend, subject: ObjectID(kind: .service, key: loser),
            field: frontend.kind == .nodePort ? "spec.ports[].nodePort" : "spec.ports[].port",
            message: "\(place ?? "node port \(frontend.port) \(port.transport)") is served by the older Service "
                + "\(winner), this one has no effect there; remove it from one of the two")
    }
}
