import KubernetesModel
import NetworkTypes

/// The forms in which other load balancers read a pool from a file.
public enum PoolConfiguration: String, Hashable, Sendable, CaseIterable {
    /// A declaration for BIG-IP's AS3 extension.
    case as3
    /// `upstream` blocks for nginx.
    case nginx
    /// Endpoints for Envoy (`envoy.config.endpoint.v3.ClusterLoadAssignment`), as its file subscription reads them.
    case envoy

    /// The whole text for the pools of one Service.
    public func text(_ pools: [NodePool]) -> String {
        switch self {
        case .as3: AS3Declaration.text(pools)
        case .nginx: pools.map(NginxUpstream.text).joined()
        case .envoy: EnvoyEndpoints.text(pools)
        }
    }
}

extension NodePool {
    /// The Service's name for programs that take letters, digits and `_` only. Two are put where two names meet.
    var serviceIdentifier: String { Self.identifier(["fairlead", service.namespace, service.name]) }

    /// The pool's: `fairlead__default__web__http__ipv4`.
    var identifier: String { Self.identifier([serviceIdentifier, portLabel, "\(family)".lowercased()]) }

    private static func identifier(_ parts: [String]) -> String {
        parts.joined(separator: "__").map { $0.isASCII && ($0.isLetter || $0.isNumber) ? String($0) : "_" }.joined()
    }

    /// The port's name, or its number.
    private var portLabel: String { port.name.isEmpty ? "\(port.port)" : port.name }

    /// What to ask of a node: its health check port under Local, else the port of the proxy's own health.
    var check: (port: UInt16, path: String) {
        healthCheckNodePort != 0 ? (healthCheckNodePort, "/") : (Self.proxyHealthPort, "/healthz")
    }

    /// kube-proxy's default, and Fairlead's.
    private static let proxyHealthPort: UInt16 = 10256

    /// Weights within a limit, in proportion, a node that is in never below 1.
    ///
    /// - Parameter limit: the largest weight that the load balancer takes.
    func weights(upTo limit: Int) -> [Int] {
        let largest = members.map(\.weight).max() ?? 0
        return members.map { member in
            guard member.weight > 0 else { return 0 }
            return largest <= limit ? member.weight : max(1, member.weight * limit / largest)
        }
    }
}

/// AS3: one tenant for each Service, which its declaration replaces as a whole.
enum AS3Declaration {
    /// The ratio that the schema allows at the most.
    private static let largestRatio = 100

    static func text(_ pools: [NodePool]) -> String {
        guard let first = pools.first else { return "" }
        let tenant = first.serviceIdentifier
        let application = pools.flatMap { pool in
            [
                "\(JSONText.string(pool.identifier)):\(members(pool))",
                "\(JSONText.string(monitorName(pool))):\(monitor(pool))",
            ]
        }
        return "{\"class\":\"ADC\",\"schemaVersion\":\"3.20.0\",\"id\":\(JSONText.string(tenant))"
            + ",\(JSONText.string(tenant)):{\"class\":\"Tenant\",\"pools\":{\"class\":\"Application\",\"template\":\"generic\","
            + application.joined(separator: ",") + "}}}\n"
    }

    private static func monitorName(_ pool: NodePool) -> String { pool.identifier + "__check" }

    private static func members(_ pool: NodePool) -> String {
        let members = zip(pool.members, pool.weights(upTo: largestRatio)).compactMap { member, ratio -> String? in
            guard let address = member.address else { return nil }
            var text = "{\"remark\":\(JSONText.string(member.node)),\"servicePort\":\(pool.port.nodePort)"
            text += ",\"serverAddresses\":[\"\(address)\"],\"shareNodes\":true"
            // Connections that are under way go on at a node that is disabled.
            text += ratio > 0 ? ",\"ratio\":\(ratio)}" : ",\"adminState\":\"disable\"}"
            return text
        }
        return "{\"class\":\"Pool\",\"loadBalancingMode\":\"ratio-member\",\"monitors\":[{\"use\":"
            + "\(JSONText.string(monitorName(pool)))}],\"members\":[\(members.joined(separator: ","))]}"
    }

    /// Each request has a version, and each answer is looked at: BIG-IP's own strings would take any for good.
    private static func monitor(_ pool: NodePool) -> String {
        let (port, path) = pool.check
        let request = "GET \(path) HTTP/1.1\\r\\nHost: node\\r\\nConnection: Close\\r\\n\\r\\n"
        return "{\"class\":\"Monitor\",\"monitorType\":\"http\",\"targetPort\":\(port),\"interval\":2,\"timeout\":7,"
            + "\"send\":\"\(request)\",\"receive\":\"HTTP/1\\\\.[01] 200\"}"
    }
}

/// nginx: an `upstream` for `stream` or `http`. A node that is out is `down`. nginx refuses its whole configuration
/// if an upstream has no server: where no node has an address of the family there is one that is down.
enum NginxUpstream {
    static func text(_ pool: NodePool) -> String {
        var text = "# \(pool.service), port \(pool.port.port)/\(pool.port.transport), \(pool.family)\n"
        text += "upstream \(pool.identifier) {\n"
        if pool.members.allSatisfy({ $0.address == nil }) {
            let nowhere = pool.family == .ipv6 ? "[::1]" : "127.0.0.1"
            text += "    server \(nowhere):1 down; # no node has an \(pool.family) address\n"
        }
        for member in pool.members {
            guard let address = member.address else { continue }
            let host = pool.family == .ipv6 ? "[\(address)]" : "\(address)"
            let state = member.weight > 0 ? "weight=\(member.weight)" : "down"
            text += "    server \(host):\(pool.port.nodePort) \(state); # \(member.node): \(member.standing.rawValue)\n"
        }
        return text + "}\n"
    }
}

/// Envoy: one cluster for each pool. A node that is out is left out: Envoy sends to hosts that drain when too many do.
enum EnvoyEndpoints {
    private static let type = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"

    static func text(_ pools: [NodePool]) -> String {
        let resources = pools.map { pool in
            let endpoints = pool.members.compactMap { endpoint($0, pool) }
            return "{\"@type\":\"\(type)\",\"cluster_name\":\(JSONText.string(pool.identifier)),\"endpoints\":"
                + (endpoints.isEmpty ? "[]}" : "[{\"lb_endpoints\":[\(endpoints.joined(separator: ","))]}]}")
        }
        return "{\"resources\":[\(resources.joined(separator: ","))]}\n"
    }

    private static func endpoint(_ member: NodePool.Member, _ pool: NodePool) -> String? {
        guard let address = member.address, member.weight > 0 else { return nil }
        let transport = pool.port.transport == .udp ? "UDP" : "TCP"
        return
            "{\"endpoint\":{\"address\":{\"socket_address\":{\"protocol\":\"\(transport)\",\"address\":\"\(address)\""
            + ",\"port_value\":\(pool.port.nodePort)}},\"health_check_config\":{\"port_value\":\(pool.check.port)}"
            + ",\"hostname\":\(JSONText.string(member.node))},\"load_balancing_weight\":\(member.weight)}"
    }
}
