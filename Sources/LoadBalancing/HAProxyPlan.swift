import KubernetesModel
import NetworkTypes

/// What to tell HAProxy so that a backend has the nodes of a pool as its servers.
///
/// Every server of the backend is a node and has its name. HAProxy is the only memory of what it was told: a plan starts
/// from what it says now, so that it can be reloaded, restarted or changed by others at any time.
public struct HAProxyPlan: Hashable, Sendable {
    /// The commands, in the order in which they keep the most nodes in the pool: who comes before who goes.
    public private(set) var commands: [String] = []
    /// Servers that are to stay as an operator set them (maintenance).
    public private(set) var leftAlone: [String] = []

    /// The greatest weight that HAProxy knows.
    public static let greatestWeight = 256

    /// Plans from the servers that HAProxy has.
    ///
    /// - Parameters:
    ///   - pool: The pool.
    ///   - servers: The servers of the backend.
    ///   - backend: The name of the backend.
    ///   - options: What follows the address in `add server`, such as `check inter 1s`.
    public init(_ pool: NodePool, servers: [HAProxyServer], backend: String, options: String = "") {
        let weights = pool.haproxyWeights
        let known = Dictionary(servers.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var going: [String] = []
        for member in pool.members {
            let name = "\(backend)/\(member.node)"
            guard let server = known[member.node] else {
                if let weight = weights[member.node], let address = member.address {
                    add(name, Self.place(address, pool.port.nodePort), weight: weight, options)
                }
                continue
            }
            if server.isOperators {
                leftAlone.append(member.node)
                continue
            }
            if let address = member.address, server.address != address || server.port != pool.port.nodePort {
                commands.append("set server \(name) addr \(address) port \(pool.port.nodePort)")
            }
            if let weight = weights[member.node] {
                if server.weight != weight { commands.append("set server \(name) weight \(weight)") }
                if !server.decisions.isDisjoint(with: [.drain, .maintenance]) {
                    commands.append("set server \(name) state ready")
                }
            } else if !server.isOut {
                going.append("set server \(name) state drain")
            }
        }
        let nodes = Set(pool.members.map(\.node))
        for server in servers where !nodes.contains(server.name) && !server.isOut {
            going.append("set server \(backend)/\(server.name) state drain")
        }
        commands += going
    }

    /// The commands that set everything, for a backend that has a server for each node.
    public static func complete(_ pool: NodePool, backend: String) -> [String] {
        let weights = pool.haproxyWeights
        let members = pool.members.filter { weights[$0.node] != nil } + pool.members.filter { weights[$0.node] == nil }
        return members.flatMap { member -> [String] in
            let name = "\(backend)/\(member.node)"
            guard let weight = weights[member.node], let address = member.address else {
                return ["set server \(name) state drain"]
            }
            return [
                "set server \(name) addr \(address) port \(pool.port.nodePort)", "set server \(name) weight \(weight)",
                "set server \(name) state ready",
            ]
        }
    }

    /// A new server begins in maintenance, its checks stopped.
    private mutating func add(_ name: String, _ place: String, weight: Int, _ options: String) {
        let words = options.split(separator: " ").map(String.init)
        commands.append((["add server \(name) \(place) weight \(weight)"] + words).joined(separator: " "))
        if words.contains("check") { commands.append("enable health \(name)") }
        commands.append("set server \(name) state ready")
    }

    private static func place(_ address: IPAddress, _ port: UInt16) -> String {
        address.family == .ipv4 ? "\(address):\(port)" : "[\(address)]:\(port)"
    }
}

extension HAProxyServer {
    /// Whether it gets no new connections already, by somebody's decision.
    fileprivate var isOut: Bool { !decisions.isDisjoint(with: [.drain, .maintenance]) }
}

extension NodePool {
    /// The weights of the nodes that are in, as HAProxy takes them: 1 to 256, in proportion.
    fileprivate var haproxyWeights: [String: Int] {
        let members = members.filter { $0.standing.isIn && $0.address != nil }
        let greatest = members.map(\.weight).max() ?? 1
        var result: [String: Int] = [:]
        for member in members {
            result[member.node] =
                greatest <= HAProxyPlan.greatestWeight
                ? member.weight : max(1, member.weight * HAProxyPlan.greatestWeight / greatest)
        }
        return result
    }
}
