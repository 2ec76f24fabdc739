import Logging
import Netfilter
import NetlinkTransport
import NetworkTypes

/// What kube-proxy has left in, or keeps in, the ruleset: found by the names that it gives its tables and chains.
///
/// Its nftables mode has tables of its own. Its iptables mode has chains in the tables that `iptables-nft` shares among
/// programs; of those only the chains with its names are its own, and the rules of other chains that lead to them.
package struct KubeProxyRules: Sendable, Equatable {
    /// The name of the tables of its nftables mode.
    package static let tableName = "kube-proxy"

    /// The tables of its nftables mode.
    package private(set) var tables: [ForeignRules.Table] = []
    /// The chains of its iptables mode.
    private(set) var chains: [ForeignRules.Chain] = []
    /// The rules of other chains that lead there.
    private(set) var entries: [ForeignRules.Jump] = []

    /// Finds them.
    package init(in rules: ForeignRules) {
        tables = rules.tables.filter { $0.name == Self.tableName }
        chains = rules.chains.filter { Self.isOwn($0) }
        let names = Set(chains.map(Place.init))
        entries = rules.jumps.filter { jump in
            names.contains(Place(jump, jump.target)) && !names.contains(Place(jump, jump.chain))
        }
    }

    private struct Place: Hashable {
        var family: IPFamily
        var table: String
        var name: String

        init(_ chain: ForeignRules.Chain) {
            (family, table, name) = (chain.family, chain.table, chain.name)
        }

        init(_ jump: ForeignRules.Jump, _ name: String) {
            (family, table, self.name) = (jump.family, jump.table, name)
        }
    }

    /// Whether there are none.
    package var isEmpty: Bool { tables.isEmpty && chains.isEmpty }

    /// What removes them, and nothing else.
    package var removal: ForeignRemoval {
        var removal = ForeignRemoval()
        removal.rules = entries
        removal.chains = chains
        removal.tables = tables
        return removal
    }

    /// A line for each place, such as `table ip kube-proxy`.
    package var summary: [String] {
        var counts: [ForeignRules.Table: Int] = [:]
        for chain in chains { counts[ForeignRules.Table(family: chain.family, name: chain.table), default: 0] += 1 }
        let lines = counts.map {
            "\($1) \($1 == 1 ? "chain" : "chains") in table \($0.family.nftName) \($0.name) (iptables)"
        }
        return tables.map { "table \($0.family.nftName) \($0.name)" } + lines.sorted()
    }

    /// kubelet has chains whose names begin alike (KUBE-FIREWALL, KUBE-KUBELET-CANARY, KUBE-IPTABLES-HINT), and network
    /// policy controllers, too: those stay.
    private static func isOwn(_ chain: ForeignRules.Chain) -> Bool {
        !chain.isBase && isOwnChain(named: chain.name, inTable: chain.table)
    }

    /// Whether a chain that is no base chain is one of its iptables mode.
    static func isOwnChain(named name: String, inTable table: String) -> Bool {
        guard ["nat", "filter", "mangle", "raw"].contains(table) else { return false }
        return names.contains(name) || prefixes.contains { name.hasPrefix($0) }
    }

    private static let names: Set<String> = [
        "KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ",
        "KUBE-FORWARD", "KUBE-PROXY-FIREWALL", "KUBE-PROXY-CANARY", "KUBE-NODE-PORT", "KUBE-LOAD-BALANCER",
        "KUBE-SOURCE-RANGES-FIREWALL", "KUBE-IPVS-FILTER", "KUBE-IPVS-OUT-FILTER",
    ]
    private static let prefixes = ["KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-SEP-", "KUBE-FW-", "KUBE-XLB-"]
}

extension KubeProxyRules {
    /// Says at the start of the daemon that kube-proxy's rules are there.
    static func warn(_ logger: Logger) {
        guard let kernel = try? Wiring.openKernel(), let found = try? kernel.foreignRules() else { return }
        let rules = KubeProxyRules(in: found)
        if !rules.isEmpty {
            logger.warning(
                "kube-proxy has rules on this node (\(rules.summary.joined(separator: ", "))): see 'fairlead migrate'"
            )
        }
    }
}
