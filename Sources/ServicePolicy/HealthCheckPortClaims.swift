import KubernetesModel
import NetworkTypes

/// Who claims health check ports, and who has the same numbers as TCP node ports.
///
/// A node answers a health check port for one Service. A node port is translated before a server of the node sees the packet, so a
/// health check port that is one, too, is never answered by the node. Both rules are the same for a node and for advice about a
/// cluster. A change of one Service costs that Service.
public struct HealthCheckPortClaims: Sendable {
    private struct Claim: Hashable, Sendable {
        var creationTimestamp: String
        var healthCheckPort: UInt16?
        var tcpNodePorts: [UInt16]

        var ports: Set<UInt16> { Set(tcpNodePorts).union(healthCheckPort.map { [$0] } ?? []) }
    }

    private var claims: [ObjectKey: Claim] = [:]
    private var healthChecks: [UInt16: Set<ObjectKey>] = [:]
    private var nodePorts: [UInt16: Set<ObjectKey>] = [:]

    /// No claims.
    public init() {}

    /// Replaces what a Service claims; nothing, if it has neither. Returns the ports of which something else may be so now.
    ///
    /// - Parameters:
    ///   - key: The Service.
    ///   - creationTimestamp: `metadata.creationTimestamp`: the older Service wins.
    ///   - healthCheckPort: `spec.healthCheckNodePort` where it has a meaning (`Service.healthCheckPort`).
    ///   - tcpNodePorts: The TCP node ports, each once, in an order of their own.
    @discardableResult public mutating func set(
        _ key: ObjectKey, creationTimestamp: String = "", healthCheckPort: UInt16?, tcpNodePorts: [UInt16]
    ) -> Set<UInt16> {
        let isNone = healthCheckPort == nil && tcpNodePorts.isEmpty
        let new =
            isNone
            ? nil
            : Claim(
                creationTimestamp: creationTimestamp, healthCheckPort: healthCheckPort, tcpNodePorts: tcpNodePorts)
        let old = claims[key]
        if old == new { return [] }
        claims[key] = new
        if let old {
            if let port = old.healthCheckPort { Self.remove(key, from: &healthChecks, port) }
            for port in old.tcpNodePorts { Self.remove(key, from: &nodePorts, port) }
        }
        if let new {
            if let port = new.healthCheckPort { healthChecks[port, default: []].insert(key) }
            for port in new.tcpNodePorts { nodePorts[port, default: []].insert(key) }
        }
        return (old?.ports ?? []).union(new?.ports ?? [])
    }

    private static func remove(_ key: ObjectKey, from claimants: inout [UInt16: Set<ObjectKey>], _ port: UInt16) {
        claimants[port]?.remove(key)
        if claimants[port]?.isEmpty == true { claimants[port] = nil }
    }

    /// The Services that claim anything.
    var services: Set<ObjectKey> { Set(claims.keys) }

    /// The Service that a health check port is answered for: the oldest that claims it, then the one whose name comes first.
    public func owner(of port: UInt16) -> ObjectKey? { healthChecks[port].flatMap(oldest) }

    private func oldest(_ keys: Set<ObjectKey>) -> ObjectKey? {
        keys.min { left, right in
            let (time, other) = (claims[left]?.creationTimestamp ?? "", claims[right]?.creationTimestamp ?? "")
            return (time, left) < (other, right)
        }
    }

    /// Whose health checks at a port go wrong, and why, in the order of the Services.
    public func conflicts(at port: UInt16) -> [HealthCheckPortConflict] {
        guard let claimants = healthChecks[port], let owner = oldest(claimants) else { return [] }
        let holder = nodePorts[port].flatMap(oldest)
        if claimants.count == 1, holder == nil { return [] }
        return claimants.sorted().flatMap { key -> [HealthCheckPortConflict] in
            var result: [HealthCheckPortConflict] = []
            if key != owner {
                result.append(HealthCheckPortConflict(service: key, port: port, kind: .healthCheck, other: owner))
            }
            if let holder {
                result.append(HealthCheckPortConflict(service: key, port: port, kind: .nodePort, other: holder))
            }
            return result
        }
    }

    /// What goes wrong with the health checks of a Service.
    public func conflicts(of key: ObjectKey) -> [HealthCheckPortConflict] {
        guard let port = claims[key]?.healthCheckPort else { return [] }
        return conflicts(at: port).filter { $0.service == key }
    }
}

/// Why load balancers do not learn from a health check port where the endpoints of its Service are.
public struct HealthCheckPortConflict: Hashable, Sendable {
    /// What else has the port.
    public enum Kind: Hashable, Sendable {
        /// It is the health check port of an older Service.
        case healthCheck
        /// It is a TCP node port.
        case nodePort
    }

    /// The Service whose checks go wrong.
    public var service: ObjectKey
    /// `spec.healthCheckNodePort`.
    public var port: UInt16
    /// What else has the port.
    public var kind: Kind
    /// The Service that has it; may be the same one if it is a node port.
    public var other: ObjectKey

    /// `Finding.code`, and the code of advice.
    public static let code = "contested-health-check-port"

    /// What is wrong, beginning with the number of the port.
    public var summary: String {
        switch kind {
        case .healthCheck: "\(port) is that of \(other), which is older or first by name: nodes answer for it"
        case .nodePort:
            """
            \(port) is a TCP node port of \(other == service ? "the Service itself" : "\(other)"): \
            health checks reach its pods in place of the node
            """
        }
    }

    /// The same as a finding of a node.
    var finding: Finding {
        Finding(
            .error, code: Self.code, subject: ObjectID(kind: .service, key: service),
            field: "spec.healthCheckNodePort",
            message: """
                \(summary), so load balancers never send traffic of this Service by its own endpoints; give one of the \
                two another port
                """)
    }
}

extension Service {
    /// `spec.healthCheckNodePort` where the API gives it a meaning: type LoadBalancer with externalTrafficPolicy Local.
    public var healthCheckPort: UInt16? {
        type == .loadBalancer && externalTrafficPolicy == .local && healthCheckNodePort != 0
            ? healthCheckNodePort : nil
    }
}

extension ResolvedService {
    /// The TCP node ports, each once.
    public var tcpNodePorts: [UInt16] {
        var result: [UInt16] = []
        for port in ports where port.transport == .tcp {
            for frontend in port.frontends where frontend.kind == .nodePort && !result.contains(frontend.port) {
                result.append(frontend.port)
            }
        }
        return result
    }
}
