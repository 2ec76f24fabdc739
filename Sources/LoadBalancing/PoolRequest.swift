import KubernetesModel
import NetworkTypes

/// Which pools of a Service are asked for.
public struct PoolRequest: Hashable, Sendable {
    /// The Service.
    public var service: ObjectKey
    /// The port of the Service, by its name or number; nil for all.
    public var port: String?
    /// The family; nil for all that the Service has.
    public var family: IPFamily?
    /// The taints that take a node out.
    public var drainTaints = DrainTaints()

    /// Asks for the pools of a Service.
    public init(service: ObjectKey, port: String? = nil, family: IPFamily? = nil) {
        self.service = service
        self.port = port
        self.family = family
    }
}

/// Why there is no pool.
public enum PoolProblem: Error, Hashable, Sendable {
    /// There is no such Service.
    case noService(ObjectKey)
    /// There is no Node object.
    case noNodes
    /// `spec.type` opens no node port.
    case wrongType(ObjectKey, Service.ServiceType)
    /// The Service has no such port.
    case noPort(ObjectKey, String, known: [String])
    /// `spec.allocateLoadBalancerNodePorts` is false, or nobody has allocated a node port.
    case noNodePort(ObjectKey, port: UInt16)
    /// The Service has no address of the family.
    case noFamily(ObjectKey, IPFamily)
    /// The Service has no address at all, so that its families are not known.
    case noClusterIP(ObjectKey)
}

extension PoolProblem: CustomStringConvertible {
    /// One sentence that names the object and the field.
    public var description: String {
        switch self {
        case .noService(let key): "Service \(key): there is none"
        case .noNodes: "there are no Node objects: nobody can tell which nodes belong in a pool"
        case .wrongType(let key, let type):
            "Service \(key): spec.type: \(type.rawValue) opens no node port that a load balancer could send to"
        case .noPort(let key, let port, let known):
            "Service \(key): spec.ports: there is no port \"\(port)\"; there is \(known.joined(separator: ", "))"
        case .noNodePort(let key, let port):
            "Service \(key): spec.ports: port \(port) has no nodePort that a load balancer could send to"
        case .noClusterIP(let key): "Service \(key): spec.clusterIPs: there is none, so the families are not known"
        case .noFamily(let key, let family): "Service \(key): spec.ipFamilies: \(family) is not among them"
        }
    }
}

extension ClusterState {
    /// The pools that a request asks for: IPv4 before IPv6, in the order of the Service's `spec.ports`.
    public func pools(_ request: PoolRequest) throws(PoolProblem) -> [NodePool] {
        guard let service = service(request.service) else { throw .noService(request.service) }
        guard service.type == .nodePort || service.type == .loadBalancer else {
            throw .wrongType(service.key, service.type)
        }
        let ports = try service.ports(request.port)
        let nodes = self.nodes
        if nodes.isEmpty { throw .noNodes }
        let slices = slices(of: service.key)
        let own = Set(service.clusterIPs.map(\.family))
        if own.isEmpty { throw .noClusterIP(service.key) }
        var families = IPFamily.allCases.filter { own.contains($0) }
        if let family = request.family {
            if !own.contains(family) { throw .noFamily(service.key, family) }
            families = [family]
        }
        return families.flatMap { family in
            ports.map {
                NodePool(
                    service: service, port: $0, family: family, slices: slices, nodes: nodes,
                    drainTaints: request.drainTaints)
            }
        }
    }
}

extension Service {
    /// The ports of that name or number, or all.
    fileprivate func ports(_ wanted: String?) throws(PoolProblem) -> [ServicePort] {
        let found = wanted.map { wanted in ports.filter { $0.name == wanted || "\($0.port)" == wanted } } ?? ports
        if let wanted, found.isEmpty {
            throw .noPort(key, wanted, known: ports.map { $0.name.isEmpty ? "\($0.port)" : $0.name })
        }
        if let closed = found.first(where: { $0.nodePort == 0 }) { throw .noNodePort(key, port: closed.port) }
        return found
    }
}
