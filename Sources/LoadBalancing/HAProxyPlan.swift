import KubernetesModel
import NetworkTypes

/// What to tell HAProxy so that a backend has the nodes of a pool as its servers.
///
/// Every server of the backend is a node and has its name. HAProxy is the only memory of what it was told: a plan starts
/// from what it says now, so that it can be reloaded, restarted or changed by others at any time.
public struct HAProxyPlan: Hashable, Sendable {
    /// What one server is told.
    public struct Step: Hashable, Sendable {
        /// The name of the server.
        public var server: String
        /// The commands, in their order.
        public var commands: [String]
        /// Whether the server is new. Its commands then go in one line: a server that is added begins in maintenance, and
        /// whoever ends between the commands would leave it as if an operator had put it there.
        public var isNew = false
    }

    /// What each server is told, in the order that keeps the most nodes in the pool: who comes before who goes.
    public private(set) var steps: [Step] = []
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
        var going: [Step] = []
        for member in pool.members {
            let name = "\(backend)/\(member.node)"
            guard let server = known[member.node] else {
                if let weight = weights[member.node], let address = member.address {
                    let place = Self.place(address, pool.port.nodePort)
                    let commands = Self.add(name, place, weight: weight, options)
                    steps.append(Step(server: member.node, commands: commands, isNew: true))
                }
                continue
            }
            if server.isOperators {
                leftAlone.append(member.node)
                continue
            }
            var commands: [String] = []
            if let address = member.address, server.address != address || server.port != pool.port.nodePort {
                commands.append("set server \(name) addr \(address) port \(pool.port.nodePort)")
            }
            if let weight = weights[member.node] {
                if server.weight != weight { commands.append("set server \(name) weight \(weight)") }
                if !server.decisions.isDisjoint(with: [.drain, .maintenance]) {
                    commands.append("set server \(name) state ready")
                }
            } else if !server.isOut {
                going.append(Step(server: member.node, commands: ["set server \(name) state drain"] + commands))
                continue
            }
            if !commands.isEmpty { steps.append(Step(server: member.node, commands: commands)) }
        }
        let nodes = Set(pool.members.map(\.node))
        for server in servers where !nodes.contains(server.name) && !server.isOut {
            going.append(
                Step(server: server.name, commands: ["set server \(backend)/\(server.name) state drain"]))
        }
        steps += going
    }

    /// The commands of all steps.
    public var commands: [String] { steps.flatMap(\.commands) }

    /// What a server is to be told; nil if it is as it should be.
    public func step(of server: String) -> Step? { steps.first { $0.server == server } }

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
    private static func add(_ name: String, _ place: String, weight: Int, _ options: String) -> [String] {
        let words = options.split(separator: " ").map(String.init)
        let health = words.contains("check") ? ["enable health \(name)"] : []
        return [(["add server \(name) \(place) weight \(weight)"] + words).joined(separator: " ")] + health
            + ["set server \(name) state ready"]
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
