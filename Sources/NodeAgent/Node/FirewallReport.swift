import KubernetesModel
import Netfilter
import NetlinkTransport
import NetworkTypes
import ServicePolicy

/// What in other programs' chains may drop what Fairlead serves, and what these have to admit.
package struct FirewallReport {
    /// What is dropped.
    package enum Purpose: Hashable {
        /// Connections that Services lead to endpoints; one that would not get through.
        case services(example: String)
        /// Requests to these health check ports.
        case healthChecks([UInt16])
    }

    /// One chain that may drop.
    package struct Item: Hashable {
        /// The chain.
        var place: String
        var purpose: Purpose
        /// What admits it, one command or line each.
        package var commands: [String]
        /// Whether its rules are known.
        var isCertain = true
    }

    /// What was found, in the order in which it was.
    package private(set) var items: [Item] = []

    /// - Parameters:
    ///   - look: the chains.
    ///   - targets: endpoints that clients outside may reach.
    ///   - ports: the health check ports of each family; nil if they are not known.
    ///   - podRanges: the cluster's own ranges, if they are known.
    package init(
        _ look: FirewallLook, targets: [FirewallLook.Target], ports: [UInt16: Set<IPFamily>]?, podRanges: [String] = []
    ) {
        var seen: Set<String> = []
        for target in targets {
            let source = FirewallLook.outsider(target.backend.address.family)
            for obstacle in look.obstacles(from: source, to: target)
            where seen.insert("\(obstacle.place) services").inserted {
                items.append(
                    Item(
                        place: "\(obstacle)", purpose: .services(example: "\(target)"),
                        commands: Admission(obstacle, look.rules).services(podRanges, target)))
            }
        }
        addHealthChecks(look, ports ?? [:])
        addLegacy(targets, ports ?? [:])
    }

    private mutating func addHealthChecks(_ look: FirewallLook, _ ports: [UInt16: Set<IPFamily>]) {
        for family in IPFamily.allCases {
            let asked = ports.filter { $0.value.contains(family) }.keys.sorted()
            guard !asked.isEmpty, let own = HostAddresses.primary(family) else { continue }
            var closed: [FilterWalk.Obstacle: [UInt16]] = [:]
            for port in asked {
                for obstacle in look.obstacles(from: FirewallLook.outsider(family), toOwn: own, port: port) {
                    closed[obstacle, default: []].append(port)
                }
            }
            for (obstacle, ports) in closed.sorted(by: { "\($0.key)" < "\($1.key)" }) {
                let item = Item(
                    place: "\(obstacle)", purpose: .healthChecks(ports),
                    commands: Admission(obstacle, look.rules).ports(ports))
                // Of a table for both families once.
                if !items.contains(item) { items.append(item) }
            }
        }
    }

    private mutating func addLegacy(_ targets: [FirewallLook.Target], _ ports: [UInt16: Set<IPFamily>]) {
        for chain in FirewallLook.legacyChains() {
            let admission = Admission(tool: .iptables(chain.program, chain: chain.chain))
            switch chain.hook {
            case .forward:
                guard let target = targets.first(where: { $0.backend.address.family == chain.family }) else { continue }
                items.append(
                    Item(
                        place: "\(chain)", purpose: .services(example: "\(target)"),
                        commands: admission.services([], target),
                        isCertain: !chain.hasRules))
            default:
                let asked = ports.filter { $0.value.contains(chain.family) }.keys.sorted()
                guard !asked.isEmpty else { continue }
                items.append(
                    Item(
                        place: "\(chain)", purpose: .healthChecks(asked), commands: admission.ports(asked),
                        isCertain: !chain.hasRules))
            }
        }
    }

    /// What the item says, without what to do.
    package func text(_ item: Item, showsExample: Bool = true) -> String {
        switch item.purpose {
        case .services(let example):
            "\(item.place) may drop connections that Services lead to endpoints"
                + (showsExample ? ", such as \(example)" : "")
        case .healthChecks(let ports): "\(item.place) may drop health checks of load balancers (\(Self.list(ports)))"
        }
    }

    private static func list(_ ports: [UInt16]) -> String {
        let shown = ports.prefix(8).map(String.init).joined(separator: ", ")
        return "\(ports.count == 1 ? "port" : "ports") \(shown)"
            + (ports.count > 8 ? " and \(ports.count - 8) more" : "")
    }

    /// The report as findings, one for each chain and purpose.
    var findings: [Finding] {
        items.map { item in
            // An example would be another one each time that endpoints change.
            Finding(
                item.isCertain ? .warning : .info, code: "firewall-may-drop", subject: nil,
                message:
                    "\(text(item, showsExample: false)); what admits them: \(item.commands.joined(separator: "; "))")
        }
    }
}

/// What has to be said to a firewall to admit what Fairlead serves.
struct Admission {
    /// What keeps the chain.
    enum Tool: Hashable {
        /// iptables, by its program.
        case iptables(String, chain: String)
        /// ufw, over iptables.
        case ufw
        /// firewalld.
        case firewalld
        /// Somebody's own rules.
        case nftables(FilterRules.Place)
    }

    let tool: Tool
    private var isInput = false

    init(tool: Tool) { self.tool = tool }

    /// By the names that the tools give their tables and chains.
    init(_ obstacle: FilterWalk.Obstacle, _ rules: FilterRules) {
        let place = obstacle.place
        isInput = obstacle.hook == .input
        let isBuiltIn = ["INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING"].contains(place.chain)
        if place.table.name == "firewalld" {
            tool = .firewalld
        } else if place.table.family != .inet, place.table.name == "filter", isBuiltIn {
            let prefix = place.table.family == .ip ? "ufw-" : "ufw6-"
            let isUFW = rules.chains.keys.contains { $0.table == place.table && $0.chain == prefix + "user-forward" }
            let program = place.table.family == .ip ? "iptables" : "ip6tables"
            tool = isUFW ? .ufw : .iptables(program, chain: place.chain)
        } else {
            tool = .nftables(place)
        }
    }

    /// What admits connections that Services lead to endpoints.
    ///
    /// - Parameters:
    ///   - podRanges: the cluster's own ranges, if they are known.
    ///   - target: one that is not admitted.
    func services(_ podRanges: [String], _ target: FirewallLook.Target) -> [String] {
        let ranges = podRanges.isEmpty ? ["POD-RANGE"] : podRanges
        switch tool {
        case .iptables(let program, let chain): return ["\(program) -I \(chain) -m conntrack --ctstate DNAT -j ACCEPT"]
        // An endpoint on the node itself.
        case .ufw where isInput: return ["ufw allow \(target.backend.port)"]
        case .ufw: return ranges.map { "ufw route allow to \($0)" }
        case .firewalld:
            return ranges.map { "firewall-cmd --permanent --zone=trusted --add-source=\($0)" } + [Self.reload]
        case .nftables(let place):
            return ["nft insert rule \(place.table.family.rawValue) \(Self.names(place)) ct status dnat accept"]
        }
    }

    /// What admits requests to ports of the node.
    func ports(_ ports: [UInt16]) -> [String] {
        // iptables takes 15 ports in a rule.
        let parts = stride(from: 0, to: ports.count, by: 15).map {
            ports[$0..<min($0 + 15, ports.count)].map(String.init)
        }
        switch tool {
        case .iptables(let program, let chain):
            return parts.map {
                "\(program) -I \(chain) -p tcp -m multiport --dports \($0.joined(separator: ",")) -j ACCEPT"
            }
        case .ufw: return parts.map { "ufw allow proto tcp to any port \($0.joined(separator: ","))" }
        case .firewalld: return ports.map { "firewall-cmd --permanent --add-port=\($0)/tcp" } + [Self.reload]
        case .nftables(let place):
            let list = ports.map(String.init).joined(separator: ", ")
            return [
                "nft insert rule \(place.table.family.rawValue) \(Self.names(place)) tcp dport '{ \(list) }' accept"
            ]
        }
    }

    private static let reload = "firewall-cmd --reload"

    /// Anybody may name a chain as he likes: what is no plain word is quoted for the shell.
    private static func names(_ place: FilterRules.Place) -> String {
        [place.table.name, place.chain].map { name in
            let isPlain =
                !name.isEmpty
                && name.utf8.allSatisfy { byte in
                    byte == 45 || byte == 46 || byte == 95 || (48...57).contains(byte) || (65...90).contains(byte)
                        || (97...122).contains(byte)
                }
            return isPlain
                ? name
                : "'"
                    + name.printable.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
                    + "'"
        }.joined(separator: " ")
    }
}
